"""Detectron2's results of an evaluation, printed to be pasted into a table.

copypaste: Task: bbox
copypaste: AP,AP50,AP75
copypaste: 20.5,40.25,18.125
"""

from __future__ import annotations

from harness.parse.number import number
from harness.parse.sets import result

MARK = "copypaste: "
_TASK = "Task: "


class CopyPaste:
    """Keeps the task and the names until the line with their values."""

    def __init__(self) -> None:
        self._task = ""
        self._names: tuple[str, ...] = ()

    def feed(self, text: str) -> dict[str, float] | None:
        """Takes a line with the mark; returns the results that it states, None for another line."""
        rest = text.partition(MARK)[2].strip()
        if rest.startswith(_TASK):
            self._task, self._names = rest.removeprefix(_TASK).strip(), ()
            return {}
        cells = tuple(cell.strip() for cell in rest.split(","))
        values = [number(cell) for cell in cells]
        if any(value is None for value in values) and not self._names:
            self._names = cells if self._task and all(cells) else ()
            return {} if self._names else None
        names, self._names = self._names, ()
        if len(names) != len(values):
            return None
        pairs = zip(names, values, strict=True)
        prefix = f"{self._task}/"
        return {result(prefix + name, test=False): v for name, v in pairs if v is not None}

"""What SwanLab stored of a run, whatever the layout: its points, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

SYSTEM = "__swanlab__."
"""How the keys of the measurements begin that SwanLab adds."""
RUNNING = "SwanLab has no end of the run: it is still running, or was killed"
FINISHED = 1
ENDS = {2: "SwanLab says that the run crashed", 3: "SwanLab says that the run was aborted"}


@dataclass(slots=True, kw_only=True)
class Found:
    """A run as its records state it, gathered record by record.

    `unfinished` is empty once the run has ended well. `axes` holds the metric that states the step
    of another, where the program chose one.
    """

    name: str = ""
    id: str = ""
    unfinished: str = RUNNING
    notes: list[str] = field(default_factory=list)
    system: set[str] = field(default_factory=set)
    axes: dict[str, str] = field(default_factory=dict)
    raw: list[tuple[str, int, object]] = field(default_factory=list)

    def end(self, state: int, error: str = "") -> None:
        """Takes the state in which the run ended, and the text of an error."""
        last = error.strip().splitlines()[-1].strip() if error.strip() else ""
        text = "" if state == FINISHED else ENDS.get(state, RUNNING)
        self.unfinished = f"{text} ({last:.200})" if text and last else text

    def points(self) -> Iterator[tuple[str, int, object]]:
        """Yields key, step and value of each point in the order of logging.

        System metrics are left out. A point of a metric with an axis is at the step that the axis
        states.
        """
        used = set(self.axes.values())
        at: dict[str, dict[int, object]] = {axis: {} for axis in used}
        for key, step, value in self.raw:
            if key in used:
                at[key][step] = value
        for key, step, value in self.raw:
            if key in self.system or key.startswith(SYSTEM) or key in used:
                continue
            stated = at[self.axes[key]].get(step) if key in self.axes else step
            if isinstance(stated, int | float) and float(stated).is_integer():
                yield key, int(stated), value

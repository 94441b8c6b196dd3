"""The lines that Hugging Face's Trainer prints: a Python dict without a step.

{'loss': 0.5289, 'grad_norm': 20.32, 'learning_rate': 4.9996e-05, 'epoch': 0.0}
{'eval_loss': 0.41, 'eval_runtime': 3.2, 'epoch': 1.0}
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector
from harness.parse.line import Line, Place
from harness.parse.names import NO_SERIES, Names
from harness.parse.number import VALUE, number
from harness.parse.rows import Rows, tell

_DICT = re.compile(r"\{(?P<pairs>'[^{}]{1,4000})\}")
_BEGIN = re.compile(r"\{'(?:loss': [^{}]{0,4000}|l?o?s?s?'?:?)(?=\{|\s*$)")
_END = re.compile(r"[^{}]{0,4000}'epoch': '?[-+\d.e]{1,40}'?\}")
_PAIR = re.compile(
    rf"'(?P<name>[\w./ -]{{1,80}})': "
    rf"(?P<value>{VALUE}|'[^']{{0,100}}'|\[[^\[\]]{{0,100}}\]|[^,'\[]{{0,100}})(?=,|$)",
    re.ASCII,
)
_LOGGING_STEPS = re.compile(r"\blogging_steps=(?P<steps>\d+)(?:\.0)?(?=[,)\s])", re.ASCII)
_FIRST_STEP = re.compile(r"\blogging_first_step=True(?=[,)\s])")
_STATED = re.compile(r"(?P<step>\d{1,12})/(?P<total>\d{1,12})", re.ASCII)
"""The value of `global_step/max_steps`, which ms-swift adds."""
_INSTANT = frozenset({"lr", "grad_norm"})


class HfTrainer:
    """Numbers the losses in order: one every `logging_steps`, which the arguments may state.

    Trainer's `loss` is the mean since the last line, so its window is that interval. Its steps
    count finished ones, from 1, as its `trainer_state.json` does. With `logging_first_step` the
    first loss is that of step 1. A step that a dict states (`global_step/max_steps`) is believed.
    """

    name = "hf-trainer"
    example = "{'loss': 0.5289, 'grad_norm': 20.32, 'learning_rate': 4.9996e-05, 'epoch': 0.0}"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._count = 0
        self._interval = 0
        self._first_step = False
        self._stated = False
        self._epoch = -1.0
        self._torn = False
        self._rows = Rows()
        self._names = Names()
        self._series: set[str] = set()

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a dict of figures, wherever on the line a progress bar put it."""
        number, text = line.number, line.text
        if "logging_steps=" in text and not self._count and (m := _LOGGING_STEPS.search(text)):
            self._interval = int(m["steps"][:9])
            self._first_step |= _FIRST_STEP.search(text) is not None
            return False
        if "logging_first_step=" in text and not self._count:
            self._first_step |= _FIRST_STEP.search(text) is not None
        if "{" not in text and "'epoch': " not in text:
            return False
        self._torn_apart(number, text, into)
        found = list(_DICT.finditer(text)) if "'epoch': " in text else []
        for match in found:
            self._take(number, match[0], _cells(match["pairs"]), into)
        return bool(found)

    def close(self, into: Collector) -> None:
        """Says how the losses were numbered where the log does not."""
        if self._count and not self._interval and not self._stated:
            into.note("hf-trainer: no step and no logging_steps; losses are numbered from 1")
            into.by_order(*self._series)

    def _torn_apart(self, number: int, line: str, into: Collector) -> None:
        """Counts a loss whose dict was torn, so that those behind it keep their places."""
        end = _END.match(line)
        if end and not self._torn and "eval_" not in end[0] and "train_runtime" not in end[0]:
            into.skip(number, line, "the end of a dict of figures alone")
            self._count += 1
        self._torn = self._torn and not end
        for _ in _BEGIN.finditer(line):
            into.skip(number, line, "a dict of figures that does not end")
            self._count += 1
            self._torn = True

    def _take(self, line: int, text: str, cells: dict[str, object], into: Collector) -> None:
        epoch = cells.pop("epoch", None)
        stated = _STATED.fullmatch(str(cells.pop("global_step/max_steps", "")))
        if "train_runtime" in cells:  # the summary at the end
            into.claim(self.name)
            return
        read, unread = self._rows.read(cells, (line, text), text, into)
        tell(line, text, unread, into)
        self._names.learn(read)
        figures = {self._names.of(name): value for name, value in read.items()}
        if "loss" in figures:
            self._count += 1
            place = self._place(stated, line, into)
            self._follow(line, epoch if isinstance(epoch, float) else -1.0, into)
            self._training(place, figures, into)
        elif any(name.startswith("eval_") for name in read):
            into.claim(self.name)
            named = {n: v for n, v in read.items() if not n.endswith(("_runtime", "_per_second"))}
            into.record(Place(0, after_last=True), {self._names.of(n): v for n, v in named.items()})
        elif "loss" in cells:
            into.skip(line, text, "its loss is not a number")
            self._count += 1

    def _place(self, stated: re.Match[str] | None, line: int, into: Collector) -> Place:
        """The step of a loss, stated or counted, and the number of steps of which it is the mean.

        Trainer logs the first step too if it was asked to, and every `logging_steps` thereafter.
        """
        interval = self._interval or 1
        if stated is not None:
            self._stated = True
            into.fact("planned_steps", int(stated["total"]), line=line)
            return Place(int(stated["step"]), window=interval)
        if self._first_step and interval > 1:
            first = self._count == 1
            return Place(1) if first else Place((self._count - 1) * interval, window=interval)
        return Place(self._count * interval, window=interval)

    def _follow(self, line: int, epoch: float, into: Collector) -> None:
        """Keeps the epoch, and says so where it falls: the run was resumed."""
        if epoch < self._epoch and not self._stated:
            into.note(
                f"hf-trainer: epoch falls from {self._epoch:g} to {epoch:g} at line {line}: a "
                "resumed run, whose lines name no step; give its trainer_state.json instead"
            )
        self._epoch = epoch

    def _training(self, place: Place, figures: dict[str, float], into: Collector) -> None:
        into.claim(self.name)
        into.epoch(place.iteration, self._epoch)
        values = {name: value for name, value in figures.items() if name not in NO_SERIES}
        into.record(place, values, instant=_INSTANT)
        self._series.update(values)


def _cells(pairs: str) -> dict[str, object]:
    """What stands behind each name, numbers as such, whether in quotes or not."""
    texts = {m["name"]: m["value"].strip().strip("'") for m in _PAIR.finditer(pairs)}
    read = {name: number(text) for name, text in texts.items()}
    return {name: texts[name] if value is None else value for name, value in read.items()}

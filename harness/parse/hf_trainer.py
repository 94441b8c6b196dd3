"""The lines that Hugging Face's Trainer prints: a Python dict without a step.

{'loss': 0.5289, 'grad_norm': 20.32, 'learning_rate': 4.9996e-05, 'epoch': 0.0}
{'eval_loss': 0.41, 'eval_runtime': 3.2, 'epoch': 1.0}
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector
from harness.parse.names import NO_SERIES, canonical
from harness.parse.number import VALUE, number

_DICT = re.compile(r"\{(?P<pairs>'[^{}]{1,4000})\}")
_BEGIN = re.compile(r"\{'(?:loss': [^{}]{0,4000}|l?o?s?s?'?:?)(?=\{|\s*$)")
_END = re.compile(r"[^{}]{0,4000}'epoch': '?[-+\d.e]{1,40}'?\}")
_PAIR = re.compile(rf"'(?P<name>[\w./ -]{{1,80}})': '?(?P<value>{VALUE})'?(?=,|$)", re.ASCII)
_LOGGING_STEPS = re.compile(r"logging_steps=(?P<steps>\d+)(?:\.0)?,?\s*\n", re.ASCII)
_INSTANT = frozenset({"lr", "grad_norm"})


class HfTrainer:
    """Numbers the losses in order: one every `logging_steps`, which the arguments may state.

    Trainer's `loss` is the mean since the last line, so its window is that interval. Its steps
    count finished ones, from 1, as its `trainer_state.json` does.
    """

    name = "hf-trainer"
    example = "{'loss': 0.5289, 'grad_norm': 20.32, 'learning_rate': 4.9996e-05, 'epoch': 0.0}"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._count = 0
        self._interval = 0
        self._epoch = -1.0
        self._torn = False

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes a dict of figures, wherever on the line a progress bar put it."""
        if "logging_steps=" in line and not self._count and (m := _LOGGING_STEPS.search(line)):
            self._interval = int(m["steps"][:9])
            return False
        if "{" not in line and "'epoch': " not in line:
            return False
        self._torn_apart(number, line, into)
        found = list(_DICT.finditer(line)) if "'epoch': " in line else []
        for match in found:
            self._take(number, match[0], _figures(match["pairs"]), into)
        return bool(found)

    def close(self, into: Collector) -> None:
        """Says how the losses were numbered where the log does not."""
        if self._count and not self._interval:
            into.note("hf-trainer: no step and no logging_steps; losses are numbered from 1")

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

    def _take(self, line: int, text: str, figures: dict[str, float], into: Collector) -> None:
        epoch = figures.pop("epoch", -1.0)
        if "train_runtime" in figures:  # the summary at the end
            into.claim(self.name)
        elif "loss" in figures:
            self._training(line, epoch, figures, into)
        elif any(name.startswith("eval_") for name in figures):
            into.claim(self.name)
            for name, value in figures.items():
                if not name.endswith(("_runtime", "_per_second")):
                    into.record(
                        canonical(name), rank=0, iteration=max(0, into.last_step), value=value
                    )
        elif "'loss'" in text:
            into.skip(line, text, "its loss is not a number")

    def _training(
        self, line: int, epoch: float, figures: dict[str, float], into: Collector
    ) -> None:
        if epoch < self._epoch:
            into.note(
                f"hf-trainer: epoch falls from {self._epoch:g} to {epoch:g} at line {line}: a "
                "resumed run, whose lines name no step; give its trainer_state.json instead"
            )
        self._epoch = epoch
        self._count += 1
        step = self._count * (self._interval or 1)
        into.claim(self.name)
        for name, value in figures.items():
            name = canonical(name)  # noqa: PLW2901
            if name not in NO_SERIES:
                window = 1 if name in _INSTANT else self._interval or 1
                into.record(name, rank=0, iteration=step, value=value, window=window)


def _figures(pairs: str) -> dict[str, float]:
    values = {m["name"]: number(m["value"]) for m in _PAIR.finditer(pairs)}
    return {name: value for name, value in values.items() if value is not None}

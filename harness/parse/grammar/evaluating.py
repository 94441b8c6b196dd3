"""Evaluations: one result each, at the training step after which it was made."""

from __future__ import annotations

from collections.abc import Mapping

from harness.parse.collect import Collector
from harness.parse.line import Place
from harness.parse.sets import RESULT, TESTED


class Evaluating:
    """Holds the progress of an evaluation of one process until training goes on.

    Its lines count batches of the evaluation (`Test: [5/10] loss: 1.5 (1.75)`). The last one has
    the result where means are printed; where they are not, a line describes a single batch, and
    the mean over the batches is the result, unless a line behind them states it.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self.averaged = 0
        self._values: dict[str, float] = {}
        self._test = False
        self._batches: dict[str, list[float]] = {}

    def progress(self, means: Mapping[str, float]) -> None:
        """Takes the means of a line, none where it states none."""
        if means:
            self._values.update(means)
            self._test = all(name.startswith(TESTED) for name in means)
        else:
            self.left_out += 1

    def batch(self, figures: Mapping[str, float]) -> None:
        """Takes the figures of one batch of the evaluation."""
        for name, value in figures.items():
            total = self._batches.setdefault(name, [0.0, 0.0])
            total[0] += value
            total[1] += 1

    @property
    def is_open(self) -> bool:
        """Whether means of an evaluation wait for its end."""
        return bool(self._values or self._batches)

    def result(self, figures: Mapping[str, float], *, general: bool) -> None:
        """Takes the results that end an evaluation: they replace its means so far.

        `general` says that their line does not name the data: it is that of the lines before.
        """
        if general and self._test:
            figures = {_of_test(name): value for name, value in figures.items()}
        known = {_spelled_alike(name): name for name in self._values}
        for name, value in figures.items():
            self._values[known.get(_spelled_alike(name), name)] = value

    def end(self, rank: int, step: int | None, into: Collector) -> None:
        """Hands over the result of the evaluation that has ended, at the last step of training."""
        batches, self._batches = self._batches, {}
        stated, self._values = self._values, {}
        values = {name: total / n for name, (total, n) in batches.items()} | stated
        self.averaged += len(batches.keys() - stated.keys()) > 0
        if step is None or not values:
            return
        into.record(Place(step, rank=rank), values)


def _of_test(name: str) -> str:
    return name if name.startswith(TESTED) else name.replace(RESULT, TESTED, 1)


def _spelled_alike(name: str) -> str:
    """A name as `acc1` and `Acc@1` share it."""
    return name.lower().replace("@", "")

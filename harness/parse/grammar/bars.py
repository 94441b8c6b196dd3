"""Full bars of Keras, which draws the last bar of an epoch twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.parse.grammar.counting import At
from harness.parse.sets import result

Figures = Mapping[str, float]


class Bar(NamedTuple):
    """A full bar: its place and epoch, the batches in it, and its figures, means since the start.

    `results` are the figures of an evaluation beside them. `drawn` says that the line has a bar,
    and not its numbers alone: those are printed once.
    """

    at: At
    epoch: float
    length: int
    trained: Figures
    results: Figures
    drawn: bool


class Due(NamedTuple):
    """What is to be recorded of an epoch: figures of training, and results of an evaluation."""

    at: At
    length: int
    trained: Figures
    results: Figures


class Bars:
    """Holds the last full bar of an epoch until a line shows that it is not drawn again.

    Keras draws a full bar when the last batch ends, and again, with the final means and the results
    of the validation, when the epoch ends. Another full bar is that of an evaluation: one with
    other batches, one that began again, or one after the results.
    """

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._due = False
        self._began_again = False
        self._evaluated: dict[str, float] = {}

    def progress(self, epoch: float | None) -> None:
        """Takes a bar that is not full."""
        self._began_again |= self._bar is not None and self._bar.epoch == epoch

    def take(self, bar: Bar) -> Due | None:
        """Takes a full bar; returns what is due of the epoch before."""
        last = self._bar
        if last is None or last.epoch != bar.epoch:
            before = self.end()
            self._bar, self._due = bar, True
            self._began_again, self._evaluated = False, {}
            return before
        if self._is_again(last, bar):
            self._bar, self._due = bar, True
        elif not last.results:
            self._evaluated, self._due = (
                {result(n, test=False): v for n, v in bar.trained.items()},
                True,
            )
        return None

    def _is_again(self, last: Bar, bar: Bar) -> bool:
        """Whether a bar is the last one, drawn again."""
        if self._began_again or last.results or bar.length != last.length:
            return False
        # the mean over one batch is final when it is first drawn
        same = bar.length > 1 or bar.trained == last.trained
        return bool(bar.results) or (bar.drawn and same)

    def end(self) -> Due | None:
        """Returns what is due of the epoch; None where all of it was returned."""
        bar, due = self._bar, self._due
        self._due = False
        if bar is None or not due:
            return None
        return Due(bar.at, bar.length, bar.trained, bar.results or self._evaluated)

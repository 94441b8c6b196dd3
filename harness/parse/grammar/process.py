"""The lines of one process: records of training at their steps, and results of evaluations."""

from __future__ import annotations

from collections.abc import Mapping

from harness.parse.collect import Collector
from harness.parse.grammar.bars import Bar, Bars, Due
from harness.parse.grammar.counting import At, Counting
from harness.parse.grammar.evaluating import Evaluating
from harness.parse.grammar.held import Held
from harness.parse.grammar.line import Parsed
from harness.parse.grammar.naming import is_loss
from harness.parse.grammar.phases import EVALUATED
from harness.parse.grammar.positions import Place as Stated
from harness.parse.line import Place
from harness.parse.sets import RESULT

Figures = Mapping[str, float]


class Process:
    """Hands over the figures of one rank of a log.

    A line without a counter goes to `held`, an evaluation's at the step that training has reached
    excepted. `announced` is the step that a line states for the results on the lines behind it,
    `begun` that of a line that begins with a step and has no figures. `placed` counts the lines of
    training with a step; `again` those that state another loss for the step of the line before, of
    which `example` describes the first.
    """

    def __init__(self, rank: int, held: Held) -> None:
        self.counting = Counting()
        self.evaluating = Evaluating()
        self.announced: int | None = None
        self.begun: int | None = None
        self.placed = 0
        self.again = 0
        self.example = ""
        self._rank = rank
        self._held = held
        self._track: tuple[str, str, int, int] | None = None
        self._last: tuple[At, Figures] | None = None
        self._bars = Bars()
        self._ended: At | None = None
        self._shown: dict[str, float] = {}

    def take(self, said: Parsed, figures: Figures, into: Collector) -> None:
        """Takes the figures of a line."""
        if not said.place.bar:
            self._end_bars(into)
        if said.phase in EVALUATED:
            self._evaluation(said, figures, into)
        else:
            self._training(said, figures, into)

    def beside(self, said: Parsed, figures: Figures, into: Collector) -> bool:
        """Takes the figures of a line without a loss; returns whether they have a step."""
        trained, evaluated = _parted(figures)
        step = self._reached(into)
        if evaluated and not trained and (step is not None or said.place.is_stated):
            self.take(said, evaluated, into)
            return True
        at = self.counting.at(said.place) if trained and said.phase not in EVALUATED else None
        if at is None and trained and self.begun is not None and self._held.lines:
            self._held.add(self._rank, self._epoch(said.place), trained, self.begun)
            return True
        if at is None or said.place.bar:
            return False
        self.evaluating.end(self._rank, step, into)
        self._record(at, figures, into)
        if not self.placed:  # a log of scores alone
            self._track = (into.reader, next(iter(trained)), self._rank, 1)
        return True

    def results(self, figures: Figures, into: Collector) -> None:
        """Takes the results of an evaluation from a line that sums up an epoch of training."""
        self._end_bars(into)
        step = self._reached(into)
        if step is not None:
            self._record(At(step), _parted(figures)[1], into)

    def close(self, into: Collector) -> None:
        """Hands over the result of an evaluation, or the bar, with which the log ends."""
        self._end_bars(into)
        self.evaluating.end(self._rank, self._reached(into), into)

    def _evaluation(self, said: Parsed, figures: Figures, into: Collector) -> None:
        """Takes a line of an evaluation: its progress, or its result."""
        place = said.place
        step = self._reached(into)
        if place.step is None and said.progress:
            means = said.means()
            if means or said.refreshed:
                self.evaluating.progress(means)
            else:
                self.evaluating.batch(_parted(figures)[1])
        elif place.is_stated:
            stated = place.counter or 0 if place.step is None else place.step
            if self.evaluating.is_open:
                self.evaluating.result(_parted(figures)[1], general=said.general)
                self.evaluating.end(self._rank, stated, into)
            else:
                self._record(At(stated), figures, into)
        elif step is None:
            self._held.add(self._rank, self._epoch(place), _parted(figures)[1], self.begun)
        elif self.evaluating.is_open:
            self.evaluating.result(figures, general=said.general)
        else:
            self._record(At(step), figures, into)

    def _training(self, said: Parsed, figures: Figures, into: Collector) -> None:
        """Takes a line of training, with results of an evaluation beside it perhaps."""
        place = said.place
        at = self.counting.at(place)
        step = self._reached(into)
        self.announced = self.announced if at is None else None
        results = all(name.startswith(RESULT) for name in said.names if is_loss(name))
        if at is None and results and self.evaluating.is_open:
            self.evaluating.result(figures, general=said.general)
        elif at is None and results and step is not None:
            self._record(At(step), figures, into)
        elif at is None:
            self.counting.epochs_ended += step is not None
            trained, evaluated = _parted(figures)
            if step is not None and evaluated:
                self._record(At(step), evaluated, into)
                figures = trained
            self._held.add(self._rank, self._epoch(place), figures, self.begun)
        elif not place.bar:
            self.evaluating.end(self._rank, step, into)
            trained, evaluated = _parted(figures)
            if said.refreshed:
                figures = {**trained, **self._changed(evaluated)}
            else:
                self._count_again(at, trained)
            self._record(at, figures, into)
            self._remember(trained, into)
        else:
            self._bar(at, said, figures, into)

    def _changed(self, results: Figures) -> Figures:
        """The results that a bar did not show before: it repeats them until the next evaluation."""
        changed = {n: v for n, v in results.items() if self._shown.get(n) != v}
        self._shown.update(changed)
        return changed

    def _epoch(self, place: Stated) -> int | None:
        """The epoch that a line states, or that a line before it began."""
        begun = self.counting.epoch
        if place.epoch is not None or begun is None or not begun.is_integer():
            return place.whole_epoch
        return int(begun)

    def _bar(self, at: At, said: Parsed, figures: Figures, into: Collector) -> None:
        """Takes a bar, whose figures are means since the epoch's start."""
        place, epoch = said.place, self.counting.epoch
        if place.counter != place.length:
            self._bars.progress(epoch)
            return
        trained, results = _parted(figures)
        if epoch is None:
            self._end_epoch(Due(at, place.length, trained, results), into)
        else:
            bar = Bar(at, epoch, place.length, trained, results, said.drawn)
            self._end_epoch(self._bars.take(bar), into)

    def _end_bars(self, into: Collector) -> None:
        """Records the bar that is held: the line after it does not draw it again."""
        self._ended = None
        self._end_epoch(self._bars.end(), into)

    def _end_epoch(self, due: Due | None, into: Collector) -> None:
        if due is not None:
            self._record(due.at, due.trained, into, window=due.length)
            self._record(due.at, due.results, into)
            self._remember(due.trained, into, window=due.length)
            self._ended = due.at

    def _record(self, at: At, figures: Figures, into: Collector, *, window: int = 1) -> None:
        into.claim(into.reader)
        if figures:
            into.record(Place(at.iteration, self._rank, at.epoch, at.total, window), figures)

    def _remember(self, trained: Figures, into: Collector, *, window: int = 1) -> None:
        """Keeps which series shows the step that training has reached."""
        self.placed += 1
        name = next(iter(trained), None)
        if name is not None:
            self._track = (into.reader, name, self._rank, window)

    def _reached(self, into: Collector) -> int | None:
        """The step that training has reached on the lines before; None before its first."""
        if self.announced is not None:
            return self.announced
        if self._ended is not None:  # its record is added to the series after this line
            return self._ended.iteration
        track = None if self._track is None else into.tracks.by_key.get(self._track)
        return None if track is None else track.last_step()

    def _count_again(self, at: At, trained: Figures) -> None:
        """Counts lines of one position with other losses: ranks that cannot be told apart."""
        last, self._last = self._last, (at, trained)
        if last is None or last[0] != at or last[1].keys() != trained.keys():
            return
        name = next((n for n in trained if trained[n] != last[1][n]), None)
        if name is not None:
            self.again += 1
            values = f"{name} {last[1][name]:g} and {trained[name]:g} at step {at.iteration}"
            self.example = self.example or values


def _parted(figures: Figures) -> tuple[dict[str, float], dict[str, float]]:
    """The figures of training, and the results of an evaluation."""
    trained = {n: v for n, v in figures.items() if not n.startswith(RESULT)}
    return trained, {n: v for n, v in figures.items() if n not in trained}

"""Reduces the runs of a history to one figure each: the mean of a series over its last records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.align.aligned import Curves, curves
from harness.align.comparable import check_allow
from harness.align.measure import figure_of_runs
from harness.errors import PolicyError
from harness.log.arrays import Floats
from harness.log.run import Run
from harness.log.wording import counted
from harness.quality.runset import mixed

VALIDATION = "val."
LAST_SHARE = 0.35
"""Share of the common records that a figure covers by default: the last stretch of `moderated`."""
NAMED = 3
FEWEST_RECORDS = 5
"""Records from which on two runs with equal values are copies."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """The figures of good runs, in the order of the runs. `values` has shape (n,).

    `last` is the number of records behind each figure, and `steps` the first and the last of their
    steps; both are None for a history of relative differences. `mixed` says in words why the runs
    do not repeat one recipe; it is empty if they do.
    """

    metric: str
    names: tuple[str, ...]
    values: Floats
    last: int | None = None
    steps: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    mixed: str = ""

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        if values.shape != (len(self.names),):
            msg = f"values {values.shape} and {len(self.names)} names"
            raise ValueError(msg)
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @property
    def relative(self) -> bool:
        """True for a history of relative differences between candidate and baseline."""
        return self.last is None

    def without(self, names: Sequence[str]) -> History:
        """Returns the history without the runs of these names, and a note that names them.

        A name is the whole name of a run or its part behind the last slash.

        Raises:
            PolicyError: no run has such a name.
        """
        kept, note = _left_out(self.names, names)
        return _of(self, kept, note) if note else self


def history_of_runs(
    runs: Sequence[Run],
    *,
    metric: str,
    rank: int = 0,
    last: int | None = None,
    allow: Sequence[str] = (),
    without: Sequence[str] = (),
) -> History:
    """Returns the figure of every run: the mean over the last `last` records that all runs share.

    By default a figure is the last record of a validation metric, and the mean over the last 35 %
    of the records of another series. Copies of a log count once. The runs named in `without` are
    left out, and those that their tracker does not call finished.

    Raises:
        AlignmentError: a run lacks the series, or the runs share no step.
        PolicyError: `allow` names no fact, `without` no run, or no run is left.
    """
    check_allow(allow)
    runs, notes = _chosen(runs, without)
    series = curves(runs, runs[:1], metric=metric, rank=rank)
    distinct, copies = _distinct(runs, series.baseline)
    if copies:
        series = curves(distinct, distinct[:1], metric=metric, rank=rank)
    other = mixed(distinct, allow=allow)
    count = min(last or default_last(metric, series.steps.size), series.steps.size)
    return History(
        metric=metric,
        names=tuple(run.source for run in distinct),
        values=figure_of_runs(series.baseline[:, -count:]),
        last=count,
        steps=(int(series.steps[-count]), int(series.steps[-1])),
        notes=(*notes, *copies, *_ends(distinct, series), *_fewer(last, count)),
        mixed=other,
    )


def history_of_differences(names: Sequence[str], values: Sequence[float]) -> History:
    """Returns the history of the relative differences of checks, in the order of time.

    The same difference, bit for bit, is the same logs checked again, and counts once.
    """
    kept = [i for i, value in enumerate(values) if value not in values[:i]]
    again = len(values) - len(kept)
    note = f"{counted(again, 'check')} repeated an earlier result bit for bit and is not counted"
    return History(
        metric="relative difference",
        names=tuple(names[i] for i in kept),
        values=np.array([values[i] for i in kept], dtype=np.float64),
        notes=(note.replace("and is", "and are") if again > 1 else note,) if again else (),
    )


def default_last(metric: str, records: int) -> int:
    """Returns the number of records that a figure covers if no number is asked for.

    >>> default_last("val.mIoU", 8), default_last("loss", 200)
    (1, 70)
    """
    return 1 if metric.startswith(VALIDATION) else max(1, round(LAST_SHARE * records))


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Returns the key that sorts names by their numbers, so that run_10 follows run_9.

    >>> sorted(["run_10", "run_9"], key=natural)
    ['run_9', 'run_10']
    """
    parts = re.split(r"([0-9]+)", name)
    return tuple((int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts))


def listed(names: Sequence[str]) -> str:
    """Returns names separated by commas; after three names, the number of the others.

    Folders are left out if the names differ without them.

    >>> listed(["runs/a", "runs/b"]), listed(["a/run", "b/run"]), listed(["a", "b", "c", "d"])
    ('a, b', 'a/run, b/run', 'a, b, c and 1 more')
    """
    ends = [name.replace("\\", "/").rsplit("/", 1)[-1] for name in names]
    names = ends if len(set(ends)) == len(set(names)) and all(ends) else names
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _chosen(runs: Sequence[Run], without: Sequence[str]) -> tuple[list[Run], list[str]]:
    """Returns the runs that count, and notes that name the others."""
    kept, note = _left_out([run.source for run in runs], without)
    notes = [note] if note else []
    left = [runs[i] for i in kept]
    ended = [run for run in left if not run.unfinished]
    open_ended = [run.source for run in left if run.unfinished]
    if open_ended:
        notes.append(f"left out, because they did not finish: {listed(open_ended)}")
    if not ended:
        msg = f"no run is left of {counted(len(runs), 'run')}"
        raise PolicyError(f"{msg}: {'; '.join(notes)}. Name runs that finished.")
    return ended, notes


def _left_out(names: Sequence[str], without: Sequence[str]) -> tuple[list[int], str]:
    """Returns the places of the names that stay, and a note on the others; empty if all stay.

    Raises:
        PolicyError: no name is as one of `without`.
    """
    called = [_called(name) for name in names]
    for name in without:
        if not any(name in one for one in called):
            msg = f"no run {name!r} in the history; its runs: {listed(names)}"
            raise PolicyError(msg)
    kept = [i for i, one in enumerate(called) if not one & set(without)]
    left = [name for i, name in enumerate(names) if i not in kept]
    note = (
        f"left out on request: {listed(left)}. The rates hold only if these runs were faulty, "
        "and not merely low or high"
    )
    return kept, note if left else ""


def _called(name: str) -> set[str]:
    """Returns what a run may be called: its name, the part behind the last slash, its label.

    >>> sorted(_called("mlflow:port [run a]")), sorted(_called("trackio:port.db!a"))
    (['a', 'mlflow:port [run a]'], ['a', 'trackio:port.db!a'])
    """
    label = re.fullmatch(r".* \[run (?P<label>.*)\]", name)
    file = name.replace("\\", "/").rsplit("/", 1)[-1]
    return {name, label["label"] if label else file, name.rpartition("!")[2]}


def _of(history: History, kept: Sequence[int], note: str) -> History:
    return History(
        metric=history.metric,
        names=tuple(history.names[i] for i in kept),
        values=history.values[list(kept)],
        last=history.last,
        steps=history.steps,
        notes=(*history.notes, note),
        mixed=history.mixed,
    )


def _distinct(runs: Sequence[Run], values: Floats) -> tuple[list[Run], tuple[str, ...]]:
    """Returns the runs without later copies, and a note that names the copies.

    A copy has the same bytes, or the same values (R, n) at every step; a few values, or a constant,
    may agree by chance.
    """
    seen: set[str | bytes] = set()
    kept: list[Run] = []
    copies: list[Run] = []
    for run, row in zip(runs, values, strict=True):
        telling = row.size >= FEWEST_RECORDS and np.ptp(row) > 0
        keys = {key for key in (run.sha256, row.tobytes() if telling else b"") if key}
        (copies if keys & seen else kept).append(run)
        seen |= keys
    names = listed([run.source for run in copies])
    return kept, (f"copies of other logs, not counted: {names}",) if copies else ()


def _ends(runs: Sequence[Run], series: Curves) -> tuple[str, ...]:
    """Returns a note on the runs that end before the others; empty if all end together."""
    ends = np.array([s.steps[-1] for s in series.baseline_series])
    early = [run.source for run, end in zip(runs, ends, strict=True) if end < ends.max()]
    if not early:
        return ()
    return (
        f"{listed(early)} ended before the others, so every figure is of the steps up to "
        f"{series.place} {series.steps[-1]}",
    )


def _fewer(asked: int | None, count: int) -> tuple[str, ...]:
    if asked is None or asked <= count:
        return ()
    return (f"the runs share {counted(count, 'record')}, fewer than the {asked} asked for",)

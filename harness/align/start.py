"""Aligns runs that began from the same start: equal weights, data and random draws.

Such runs differ by rounding alone. *Perturbed* runs of the same start, each with a benign rounding
error, show how far rounding drives two healthy runs apart, step by step. They are not seeds, so no
other rule sees them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.align.auxiliary import is_auxiliary, is_schedule, takes_resources
from harness.align.benign import showing_rounding
from harness.align.printed import half_unit
from harness.errors import PolicyError
from harness.log.arrays import Floats, Steps
from harness.log.facts import FINGERPRINTS, FactValue, RunFacts
from harness.log.run import Run, Series

SAME_START, PERTURBED, PRECISION = "same_start", "perturbed", "precision"
UNKNOWN, WEIGHTS = "unknown", "start_weights"
ARITHMETIC = (
    *("autocast", "tf32_matmul", "tf32_convolution", "matmul_precision"),
    "deterministic_kernels",
)
"""Facts on the arithmetic in force."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StartSeries:
    """One series of runs of the same start, as means over the ranks that logged it.

    `steps` has shape (n,), `baseline` (n,), `candidate` (C, n), `ours` (K, n), the perturbed runs
    of the baseline, `theirs` (L, n), those of the candidate. `printed` (n,) is half a unit of the
    last digit in which the logs print the values.
    """

    name: str
    steps: Steps
    baseline: Floats
    candidate: Floats
    ours: Floats
    theirs: Floats
    printed: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """The series of runs of the same start; the judged series is the first.

    `stated` is true if every run states its start; `assumed` says in words which part of an equal
    start no fingerprint shows, empty if the fingerprints show it. `precisions` are those of
    baseline and candidate. `envelope_at` is the precision of the baseline's perturbed runs that are
    used, empty if there are none; `left_out` says which perturbed runs are not used, and why.
    `arithmetic` says in words which stated settings of the arithmetic differ. `candidates` are the
    names of the candidate's logs.

    `begins` has the first step that each side logs. If they differ, `renumbered` is the start with
    the candidate's steps counted from the baseline's first.
    """

    series: tuple[StartSeries, ...]
    stated: bool
    precisions: tuple[str, str]
    candidates: tuple[str, ...]
    begins: tuple[int, int]
    envelope_at: str = ""
    left_out: tuple[str, ...] = ()
    assumed: str = ""
    arithmetic: tuple[str, ...] = ()
    renumbered: Start | None = None


def parted(runs: Sequence[Run], side: str) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Returns the runs themselves, and the perturbed runs of the same start.

    Raises:
        PolicyError: all runs are perturbed ones.
    """
    own = tuple(run for run in runs if PERTURBED not in run.facts)
    perturbed = tuple(run for run in runs if PERTURBED in run.facts)
    if not own:
        msg = (
            f"every run of the {side} is a perturbed one ({runs[0].source}); pass the run that "
            "they perturb as well"
        )
        raise PolicyError(msg)
    return own, perturbed


def declared(runs: Sequence[Run], *, metric: str) -> tuple[Run, ...]:
    """Returns runs that state their start: a run, and perturbed runs of the same start.

    Where no log says which runs are perturbed, all but the first are.

    Raises:
        PolicyError: the logs say that several runs are not perturbed, or a perturbed run does not
            show the rounding of the run.
    """
    own = [run for run in runs if PERTURBED not in run.facts]
    if len(own) == len(runs):
        own = own[:1]
    if len(own) != 1:
        names = ", ".join(run.source for run in own) or "none"
        msg = f"one run and perturbed runs of it make a start, but these are not perturbed: {names}"
        raise PolicyError(msg)
    _, left_out = showing_rounding(
        own[0], [run for run in runs if run is not own[0]], metric=metric
    )
    if left_out:
        msg = (
            f"a perturbed run must repeat {own[0].source} with a benign rounding, but "
            f"{left_out[0]}; repeat it, or leave it out"
        )
        raise PolicyError(msg)
    return tuple(
        _with_facts(run, {SAME_START: True} | ({} if run is own[0] else {PERTURBED: "yes"}))
        for run in runs
    )


def _with_facts(run: Run, facts: Mapping[str, FactValue]) -> Run:
    """Returns a run that also states these facts, unless its log does."""
    stated_facts = RunFacts(
        values_by_name={**facts, **run.facts.values_by_name}, lines=run.facts.lines
    )
    return replace(run, facts=stated_facts)


def stated(runs: Sequence[Run]) -> bool:
    """Returns whether every run states that it began from a given start.

    A log with a fingerprint of the initial weights states one, unless it denies `same_start`.
    """
    return all(run.facts.get(SAME_START, WEIGHTS in run.facts) is True for run in runs)


def start_of(
    baseline: Sequence[Run],
    candidate: Sequence[Run],
    ours: Sequence[Run] = (),
    theirs: Sequence[Run] = (),
    *,
    metric: str,
) -> Start | None:
    """Returns the series of the same start, given the runs and the perturbed runs of both sides.

    Further baseline runs repeat the first, and count as perturbed. Perturbed runs of another
    precision than the candidate's are left out if some have the candidate's. None if the sides
    share no step of the judged series.
    """
    first, *repeated = baseline
    precisions = precision_of(first), precision_of(candidate[0])
    ours, out = showing_rounding(first, ours, metric=metric)
    repeated, again = showing_rounding(first, repeated, metric=metric)
    if precisions[0] != precisions[1]:
        again += [
            f"{r.source} has precision {precisions[0]}, the candidate another" for r in repeated
        ]
        repeated = []
    theirs, other = showing_rounding(candidate[0], theirs, metric=metric)
    envelope = [run for run in ours if precision_of(run) == precisions[1]]
    at = precisions[1] if envelope else (precisions[0] if ours or repeated else "")
    envelope = [*(envelope or ours), *repeated]
    runs = [first, *candidate, *envelope, *theirs]
    shape = (1, len(candidate), len(envelope), len(theirs))
    names = _names(first, candidate, metric)
    found = tuple(s for name in names if (s := _series(runs, shape, name)) is not None)
    if not found or found[0].name != metric:
        return None
    begins = _first_step(first, metric), max(_first_step(run, metric) for run in candidate)
    return Start(
        series=found,
        stated=stated([first, *candidate]),
        precisions=precisions,
        candidates=tuple(run.source for run in candidate),
        begins=begins,
        envelope_at=at,
        left_out=(*out, *again, *other),
        assumed=_assumed(first, candidate),
        arithmetic=tuple(_arithmetic(first, candidate[0])),
        renumbered=_renumbered(baseline, candidate, ours, theirs, metric),
    )


def _first_step(run: Run, metric: str) -> int:
    """Returns the first step at which every rank that logs the judged series logs it."""
    curve = _over_ranks(run, metric)
    return int(curve[0][0]) if curve is not None and curve[0].size else 0


def _renumbered(
    baseline: Sequence[Run],
    candidate: Sequence[Run],
    ours: Sequence[Run],
    theirs: Sequence[Run],
    metric: str,
) -> Start | None:
    """Returns the start with the candidate's steps counted from the baseline's first step.

    None if they are.
    """
    first = _first_step(baseline[0], metric)
    if all(_first_step(run, metric) == first for run in candidate):
        return None
    moved = [[_moved(run, first, metric) for run in runs] for runs in (candidate, theirs)]
    return start_of(baseline, moved[0], ours, moved[1], metric=metric)


def _moved(run: Run, first: int, metric: str) -> Run:
    """Returns a run whose steps are moved such that it begins at the step `first`."""
    by = first - _first_step(run, metric)
    return replace(run, series=tuple(replace(s, steps=s.steps + by) for s in run.series))


def _assumed(first: Run, candidate: Sequence[Run]) -> str:
    """Returns in words what no fingerprint shows of an equal start; empty if they show it."""
    runs = (first, *candidate)
    stated_by_any = sorted(name for name in FINGERPRINTS if any(name in r.facts for r in runs))
    if not stated_by_any:
        return "no log states a fingerprint of its start"
    gaps = ((run, [name for name in stated_by_any if name not in run.facts]) for run in runs)
    return "; ".join(
        f"{run.source} does not state {', '.join(names)}" for run, names in gaps if names
    )


def precision_of(run: Run) -> str:
    """Returns the precision that a run states, or `unknown`."""
    return str(run.facts.get(PRECISION, UNKNOWN))


def _arithmetic(first: Run, candidate: Run) -> Iterator[str]:
    for name in (PRECISION, *ARITHMETIC):
        ours, theirs = first.facts.get(name), candidate.facts.get(name)
        if ours is not None and theirs is not None and ours != theirs:
            yield f"{name} is {ours} in the baseline and {theirs} in the candidate"


def _names(first: Run, candidate: Sequence[Run], metric: str) -> list[str]:
    """Returns the measured series and the schedules that the runs share, the judged one first."""
    shared = set.intersection(*({s.name for s in run.series} for run in (first, *candidate)))
    measured = sorted(name for name in shared if _is_measured(name))
    return [name for name in (metric,) if name in shared] + [n for n in measured if n != metric]


def _is_measured(name: str) -> bool:
    return (is_auxiliary(name) or is_schedule(name)) and not takes_resources(name)


def _series(runs: Sequence[Run], shape: tuple[int, int, int, int], name: str) -> StartSeries | None:
    """Returns a series of all runs on their common steps; None if a run lacks it."""
    curves = [_over_ranks(run, name) for run in runs]
    if any(curve is None for curve in curves):
        return None
    known = [curve for curve in curves if curve is not None]
    steps = known[0][0]
    for other, _, _ in known[1:]:
        steps = np.intersect1d(steps, other, assume_unique=True)
    if not steps.size:
        return None
    rows = np.stack([values[np.searchsorted(at, steps)] for at, values, _ in known])
    printed = np.max([half[np.searchsorted(at, steps)] for at, _, half in known], axis=0)
    base, cand, ours, theirs = np.split(rows, np.cumsum(shape)[:-1])
    return StartSeries(
        name=name, steps=steps, baseline=base[0], candidate=cand, ours=ours, theirs=theirs,
        printed=printed,
    )  # fmt: skip


def _over_ranks(run: Run, name: str) -> tuple[Steps, Floats, Floats] | None:
    """Returns steps, means over ranks and half of the last printed digit, each (n,)."""
    series = list(_narrowest(run, name))
    if not series:
        return None
    steps = series[0].steps
    for other in series[1:]:
        steps = np.intersect1d(steps, other.steps, assume_unique=True)
    rows = np.stack([s.values[np.searchsorted(s.steps, steps)] for s in series])
    halves = np.stack([half_unit(row) for row in rows])
    return steps, rows.mean(axis=0), halves.max(axis=0)


def _narrowest(run: Run, name: str) -> Iterator[Series]:
    """Yields the series of each rank in its narrowest window."""
    for rank in run.ranks:
        yield from run.find(name, rank)[:1]

"""A pass rests on a whole candidate, which shows all that the baseline shows where it is judged.

What one side shows and the other does not is missing evidence, never evidence of agreement: steps
at either end, series, ranks, and what a run of a side lacks that its siblings have. Each line says
whose log lacks what, and what to do. `allow` takes `series`, `series.NAME` and `ranks` to judge
without them on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.align.auxiliary import takes_resources
from harness.align.comparable import RANKS, SERIES
from harness.align.windows import interval
from harness.log.facts import CONFIG, MUST_MATCH, must_match
from harness.log.run import Run, Series
from harness.log.wording import counted

Steps = NDArray[np.int64]

WHOLE = 0.95
"""Part of what the baseline shows that a candidate must show."""
WHOLE_UNPLANNED = 0.8
"""The same of a baseline's run among its siblings where no log states the planned steps: it may
have reached a target sooner. One of 210 in public logs ends at 0.87 of nine that end together."""
SAME_LENGTH = 0.05
"""Runs of a side whose ends lie within this part of each other follow one schedule."""
NAMED = 6


def incomplete(
    baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned, allow: Sequence[str]
) -> tuple[str, ...]:
    """Why what was logged is too little to carry a pass, one line each; empty if nothing is."""
    no_ranks = any(name in allow for name in (RANKS, "all"))
    return (
        *_ends(candidate, judged),
        *_unread(candidate, judged),
        *_stops(baseline, candidate, judged),
        *_short_siblings("baseline", baseline, judged.baseline_series, judged),
        *_silent("baseline", baseline, judged, allow),
        *_silent("candidate", candidate, judged, allow),
        *incomplete_series(baseline, candidate, judged, allow),
        *_last_figures(candidate, judged),
        *(() if no_ranks else _ranks(baseline, candidate, judged)),
    )


def _ends(candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Candidate runs that cover less of the judged part than every baseline run does."""
    first, last = _covered(judged.baseline_series)
    if judged.part is not None:
        first, last = max(first, judged.part[0]), min(last, judged.part[1])
    length = last - first + 1
    for run, series in zip(candidate, judged.candidate_series, strict=True):
        begins, ends = _span(series)
        late, early = max(0, begins - first), max(0, last - ends)
        if late <= (1 - WHOLE) * length and early <= (1 - WHOLE) * length:
            continue
        where = f"begins at step {begins}" if late > early else f"ends at step {ends}"
        other = f"from step {first}" if late > early else f"to step {last}"
        share = max(0.0, 1 - (late + early) / length)
        advice = "" if late > early else f", or judge that part on purpose with --until {ends}"
        yield (
            f"{run.source} {where}, and the baseline goes {other}: it shows {share:.0%} of the "
            f"run. Run it to the end{advice}"
        )


def _unread(candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Candidate runs whose last record could not be read, where the end is judged."""
    if judged.part is not None:
        return
    words = ("loss", "step", "iter", judged.metric.rpartition(".")[2].lower())
    for run in candidate:
        end = run.unread_end
        if end is not None and any(word in end.text.lower() for word in words):
            yield (
                f"{run.source}:{end.line}: the last record cannot be read ({end.reason}): what the "
                "run ended with is not known"
            )


def _stops(baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Candidate runs whose judged series ends before other figures of the same records do.

    Its last values could not be read, or were not printed.
    """
    if judged.part is not None or judged.metric.startswith("val."):
        return
    usual = max(
        _goes_on(run, s, judged) for run, s in zip(baseline, judged.baseline_series, strict=True)
    )
    for run, series in zip(candidate, judged.candidate_series, strict=True):
        more = _goes_on(run, series, judged)
        if more > usual:
            yield (
                f"{run.source}: {judged.metric} ends at step {series.steps[-1]}, and {more} later "
                "records of the same log have other figures and none of it"
            )


def _goes_on(run: Run, series: Series, judged: Aligned) -> int:
    """How many records of other training series lie behind the last judged one."""
    return max(
        (
            int(np.count_nonzero(s.steps > series.steps[-1]))
            for s in run.series
            if s.rank == judged.rank and not s.name.startswith(("val.", "test."))
        ),
        default=0,
    )


def _span(series: Series) -> tuple[int, int]:
    """The first and last step that a series stands for: a coarse record covers those around it."""
    stride, _ = interval(series.steps)
    reach = max(stride, series.window) - 1
    return max(0, int(series.steps[0]) - reach), int(series.steps[-1]) + max(0, stride - 1)


def _covered(several: Sequence[Series]) -> tuple[int, int]:
    """The steps that every one of several series has behind it: recorded ones at both ends."""
    return max(int(s.steps[0]) for s in several), min(int(s.steps[-1]) for s in several)


def _short_siblings(
    side: str, runs: Sequence[Run], several: Sequence[Series], judged: Aligned
) -> Iterator[str]:
    """Runs that end before their siblings, which all end together: they cut the others short."""
    ends = np.array([int(s.steps[-1]) for s in several])
    if judged.part is not None:
        ends = np.minimum(ends, judged.part[1])
    planned = any(run.facts.get("planned_steps") is not None for run in runs)
    least = WHOLE if planned else WHOLE_UNPLANNED
    for i, (run, end) in enumerate(zip(runs, ends.tolist(), strict=True)):
        others = np.delete(ends, i)
        if others.size < 1 or others.min() < (1 - SAME_LENGTH) * others.max():
            continue
        if end + _span(several[i])[1] - int(several[i].steps[-1]) < least * int(others.min()):
            yield (
                f"{side} {run.source} ends at step {end}, its siblings at step {others.min()}: it "
                "cuts what can be judged short. Leave it out, or run it to the end"
            )


def _silent(side: str, runs: Sequence[Run], judged: Aligned, allow: Sequence[str]) -> Iterator[str]:
    """Runs that do not say or log what their siblings do."""
    if len(runs) < 2:
        return
    stated = {name for run in runs for name in run.facts if name in MUST_MATCH}
    configured = any(_config(run) for run in runs)
    for run in runs:
        lacks = [name for name in MUST_MATCH if name in stated and run.facts.get(name) is None]
        lacks = [name for name in lacks if name not in allow and "all" not in allow]
        if lacks:
            yield (
                f"{side} {run.source} does not state {listed(lacks)}, which its siblings do: not "
                "shown to be the same experiment. Give its whole log, or leave it out"
            )
        elif configured and not _config(run) and "all" not in allow:
            yield (
                f"{side} {run.source} prints no config, which its siblings do: not shown to be the "
                "same experiment. Give its whole log, or leave it out"
            )
    for name in _weighty({s.name for run in runs for s in run.series if s.rank == judged.rank}):
        lacking = [run.source for run in runs if not run.find(name, judged.rank)]
        if lacking and not _waived(name, allow):
            yield (
                f"{side} {listed(lacking)} logs no {name}, which its siblings do: give the whole "
                f"log, leave it out, or allow {SERIES}.{name}"
            )


def _config(run: Run) -> bool:
    return any(name.startswith(CONFIG) and must_match(name) for name in run.facts)


def incomplete_series(
    baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned, allow: Sequence[str]
) -> Iterator[str]:
    """Validation, schedules, parts of the loss and norms that the candidate lacks or logs in part.

    A series counts if every baseline run that shares its steps logs it.
    """
    names = _weighty({s.name for run in baseline for s in run.series if s.rank == judged.rank})
    for name in names:
        if name == judged.metric or _waived(name, allow):
            continue
        having = [run for run in baseline if run.find(name, judged.rank)]
        expected = _expected(having, name, judged)
        for run in candidate:
            steps = _steps(run, name, judged.rank)
            if not steps.size:
                others = [other for other in candidate if other.find(name, judged.rank)]
                if not others:
                    yield _lacking(run, name, judged.rank, baseline)
            elif expected.size and (text := _partly(steps, expected, name)):
                yield f"{run.source} {text}; log it as the baseline does, or allow {SERIES}.{name}"


def _last_figures(candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Judged validation figures that the candidate lacks where the baseline has one."""
    if not judged.metric.startswith("val.") or judged.part is not None:
        return
    expected = judged.baseline_series[0].steps
    for series in judged.baseline_series[1:]:
        expected = np.intersect1d(expected, series.steps, assume_unique=True)
    for run, series in zip(candidate, judged.candidate_series, strict=True):
        if expected.size and (text := _partly(series.steps, expected, judged.metric)):
            yield f"{run.source} {text}; log it as the baseline does"


def _weighty(names: Iterable[str]) -> list[str]:
    """Names of series but those of speed and bookkeeping; validation first."""
    kept = [name for name in names if not takes_resources(name)]
    return sorted(kept, key=lambda name: (not name.startswith("val."), name))


def _waived(name: str, allow: Sequence[str]) -> bool:
    return any(item in {SERIES, f"{SERIES}.{name}", "all"} for item in allow)


def _steps(run: Run, name: str, rank: int) -> Steps:
    """Every step at which a run logs a series, whatever the window."""
    found = [s.steps for s in run.find(name, rank)]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _expected(having: Sequence[Run], name: str, judged: Aligned) -> Steps:
    """The judged steps at which all these runs log a series; validation at any, up to the end."""
    steps = _steps(having[0], name, judged.rank)
    for run in having[1:]:
        steps = np.intersect1d(steps, _steps(run, name, judged.rank), assume_unique=True)
    if not name.startswith("val."):
        return np.intersect1d(steps, judged.steps, assume_unique=True)
    first, last = _covered(judged.baseline_series)
    if judged.part is not None:
        first, last = judged.part
    start = 0 if judged.last is None and judged.part is None else int(judged.steps[0])
    return steps[(steps >= min(start, first)) & (steps <= last + judged.window)]


def _partly(steps: Steps, expected: Steps, name: str) -> str:
    """What a candidate's steps of a series lack, in words; empty if nothing that matters."""
    got = np.isin(expected, steps)
    if not got.any():
        return (
            f"logs {name} at other steps than the baseline, first at {steps[0]} where the "
            f"baseline's is at {expected[0]}"
        )
    validation = name.startswith("val.")
    if got.mean() >= WHOLE and (got[-1] or not validation):
        return ""
    return (
        f"logs {name} at {np.count_nonzero(got)} of the {counted(expected.size, 'step')} at "
        "which the "
        f"baseline does; the first that is missing is step {expected[~got][0]}"
    )


def _lacking(run: Run, name: str, rank: int, baseline: Sequence[Run]) -> str:
    known = {s.name for base in baseline for s in base.series}
    own = sorted({s.name for s in run.series if s.rank == rank} - known)
    near = next((other for other in own if _alike(other, name)), None)
    hint = f" ({near!r} is: the same under another name?)" if near else ""
    return (
        f"{run.source} logs no {name}, which the baseline does{hint}: log it, or allow "
        f"{SERIES}.{name}"
    )


def _alike(a: str, b: str) -> bool:
    """Whether one name holds the other, letters and digits alone, case aside."""
    left, right = (re.sub(r"[^a-z0-9]", "", name.lower()) for name in (a, b))
    return left in right or right in left


def _ranks(baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Ranks that should have logged the judged series and did not, or in part."""
    runs = (*baseline, *candidate)
    missing = {id(run): _missing(run, judged.metric) for run in runs}
    for run in runs:
        if missing[id(run)]:
            of = run.facts.get("world_size") or max(_of(run, judged.metric)) + 1
            yield (
                f"{run.source}: rank {listed(map(str, missing[id(run)]))} of {of} logged no "
                f"{judged.metric}"
            )
        yield from _in_part(run, judged)
    sizes = [{run.facts.get("world_size") for run in side} for side in (baseline, candidate)]
    if sizes[0] != sizes[1] and None not in sizes[0] | sizes[1]:
        return  # two experiments, or waived: other ranks are to be expected
    shown = set.intersection(*(set(_of(run, judged.metric)) for run in baseline))
    for run in candidate:
        lacks = sorted(shown - set(_of(run, judged.metric)) - set(missing[id(run)]))
        if lacks:
            yield (
                f"{run.source} logs {judged.metric} of {len(shown) - len(lacks)} of the "
                f"{counted(len(shown), 'rank')} that the baseline shows, not of rank "
                f"{listed(map(str, lacks))}: lines of a rank are missing"
            )


def _of(run: Run, metric: str) -> dict[int, Series]:
    """The series of this name by rank, the longest where a rank has several windows."""
    found: dict[int, Series] = {}
    for series in run.series:
        if series.name == metric and len(series) > len(found.get(series.rank, ())):
            found[series.rank] = series
    return found


def _missing(run: Run, metric: str) -> list[int]:
    """Ranks of a run that logs several, and not these; a log of one rank is its own kind."""
    shown = set(_of(run, metric))
    if len(shown) < 2:
        return []
    world = run.facts.get("world_size")
    expected = max(shown) + 1
    if isinstance(world, int) and not isinstance(world, bool) and world <= 10**6:
        expected = max(expected, world)
    return sorted(set(range(expected)) - shown)


def _in_part(run: Run, judged: Aligned) -> Iterator[str]:
    """Ranks that lack judged steps which other ranks of the run have."""
    for rank, series in sorted(_of(run, judged.metric).items()):
        if rank == judged.rank:
            continue
        got = np.isin(judged.steps, series.steps)
        ends = int(series.steps[-1])
        if ends < int(judged.steps[-1]) and ends < int(judged.steps[-2:][0]):
            yield (
                f"{run.source}: rank {rank} stops at step {ends}, before the last common step "
                f"{judged.steps[-1]}: it died, or its lines are lost"
            )
        elif got.mean() < WHOLE:
            yield (
                f"{run.source}: rank {rank} logs {judged.metric} at {np.count_nonzero(got)} of "
                f"{counted(judged.steps.size, 'judged step')}: its lines are lost"
            )


def listed(items: Iterable[str]) -> str:
    """Returns names by comma; past six the rest is counted."""
    every = list(items)
    rest = len(every) - NAMED
    return ", ".join(every[:NAMED]) + (f" and {rest} more" if rest > 0 else "")

"""Checks that the candidate is complete: a pass requires everything that the baseline logs.

Steps at either end, series and ranks that one side lacks are missing evidence, never evidence of
agreement. The same holds for a run that lacks what the other runs of its side have. Each line says
which log lacks what, and what to do. `allow` takes `series`, `series.NAME` and `ranks` to judge
without them on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from harness.align.aligned import Aligned
from harness.align.auxiliary import takes_resources
from harness.align.comparable import RANKS, SERIES
from harness.align.windows import interval
from harness.log.arrays import Steps
from harness.log.facts import CONFIG, MUST_MATCH, must_match
from harness.log.run import Run, Series
from harness.log.wording import counted

WHOLE = 0.95
"""Fraction of the baseline's records that a candidate must have."""
WHOLE_UNPLANNED = 0.8
"""The same for a baseline run among the others if no log states the planned steps: the run may have
reached a target sooner. Of 210 public logs, a single run ends at 0.87 of the nine others."""
SAME_LENGTH = 0.05
"""Runs whose last steps differ by at most this fraction follow one schedule."""
NAMED = 6


def incomplete(
    baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned, allow: Sequence[str]
) -> tuple[str, ...]:
    """Returns why the logs are too incomplete for a pass, one line each; empty without a reason."""
    no_ranks = any(name in allow for name in (RANKS, "all"))
    return (
        *_ends(candidate, judged),
        *_unread(candidate, judged),
        *_unfinished(candidate, judged),
        *_stops(baseline, candidate, judged),
        *_short_siblings("baseline", baseline, judged.baseline_series, judged),
        *_silent("baseline", baseline, judged, allow),
        *_silent("candidate", candidate, judged, allow),
        *incomplete_series(baseline, candidate, judged, allow),
        *_last_figures(candidate, judged),
        *(() if no_ranks else _ranks(baseline, candidate, judged)),
    )


def _ends(candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Yields candidate runs that cover less of the judged part than every baseline run."""
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
            f"{run.source} {where}, but the baseline goes {other}: the log covers {share:.0%} of "
            f"the run. Log the whole run{advice}"
        )


def _unread(candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Yields candidate runs whose last record cannot be read, if the end is judged."""
    if judged.part is not None:
        return
    words = ("loss", "step", "iter", judged.metric.rpartition(".")[2].lower())
    for run in candidate:
        end = run.unread_end
        if end is not None and any(word in end.text.lower() for word in words):
            yield (
                f"{run.source}:{end.line}: the last record cannot be read ({end.reason}), so the "
                "end of the run is unknown"
            )


def _unfinished(candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Yields candidate runs that did not finish, as their tracker says, if the end is judged."""
    if judged.part is None:
        for run in candidate:
            if run.unfinished:
                yield (
                    f"{run.source}: {run.unfinished}, so the end of the run is unknown. Let it "
                    "finish, or judge a part on purpose with --until STEP"
                )


def _stops(baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Yields candidate runs whose judged series ends before their other series.

    Its last values cannot be read, or were not printed.
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
                f"{run.source}: {judged.metric} ends at step {series.steps[-1]}, but {more} later "
                "records of the same log have other values"
            )


def _goes_on(run: Run, series: Series, judged: Aligned) -> int:
    """Returns how many records of another training series follow the last judged record."""
    return max(
        (
            int(np.count_nonzero(s.steps > series.steps[-1]))
            for s in run.series
            if s.rank == judged.rank and not s.name.startswith(("val.", "test."))
        ),
        default=0,
    )


def _span(series: Series) -> tuple[int, int]:
    """Returns the first and last step that a series covers, as a coarse record covers many."""
    stride, _ = interval(series.steps)
    reach = max(stride, series.window) - 1
    return max(0, int(series.steps[0]) - reach), int(series.steps[-1]) + max(0, stride - 1)


def _covered(series: Sequence[Series]) -> tuple[int, int]:
    """Returns the first and last step of the range that all series cover, by their records."""
    return max(int(s.steps[0]) for s in series), min(int(s.steps[-1]) for s in series)


def _short_siblings(
    side: str, runs: Sequence[Run], series: Sequence[Series], judged: Aligned
) -> Iterator[str]:
    """Yields runs that end before all others of their side and so shorten the common steps."""
    ends = np.array([int(s.steps[-1]) for s in series])
    if judged.part is not None:
        ends = np.minimum(ends, judged.part[1])
    planned = any(run.facts.get("planned_steps") is not None for run in runs)
    least = WHOLE if planned else WHOLE_UNPLANNED
    for i, (run, end) in enumerate(zip(runs, ends.tolist(), strict=True)):
        others = np.delete(ends, i)
        if others.size < 1 or others.min() < (1 - SAME_LENGTH) * others.max():
            continue
        if end + _span(series[i])[1] - int(series[i].steps[-1]) < least * int(others.min()):
            yield (
                f"{side} {run.source} ends at step {end}, the other runs at step {others.min()}: "
                "it shortens the common steps. Leave it out, or run it to the end"
            )


def _silent(side: str, runs: Sequence[Run], judged: Aligned, allow: Sequence[str]) -> Iterator[str]:
    """Yields runs that lack facts, a config or series that other runs of their side have."""
    if len(runs) < 2:
        return
    stated = {name for run in runs for name in run.facts if name in MUST_MATCH}
    configured = any(_config(run) for run in runs)
    for run in runs:
        lacks = [name for name in MUST_MATCH if name in stated and run.facts.get(name) is None]
        lacks = [name for name in lacks if name not in allow and "all" not in allow]
        if lacks:
            yield (
                f"{side} {run.source} does not state {listed(lacks)}, but other runs do: it may be "
                "another experiment. Pass its whole log, or leave it out"
            )
        elif configured and not _config(run) and "all" not in allow:
            yield (
                f"{side} {run.source} prints no config, but other runs do: it may be another "
                "experiment. Pass its whole log, or leave it out"
            )
    for name in _weighty({s.name for run in runs for s in run.series if s.rank == judged.rank}):
        lacking = [run.source for run in runs if not run.find(name, judged.rank)]
        if lacking and not _waived(name, allow):
            yield (
                f"{side} {listed(lacking)} logs no {name}, but other runs do: pass the whole log, "
                f"leave it out, or allow {SERIES}.{name}"
            )


def _config(run: Run) -> bool:
    return any(name.startswith(CONFIG) and must_match(name) for name in run.facts)


def incomplete_series(
    baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned, allow: Sequence[str]
) -> Iterator[str]:
    """Yields series that the candidate lacks or logs at fewer steps than the baseline.

    A step counts if every baseline run that logs the series has it.
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
    """Yields candidates that lack judged validation figures which the baseline has."""
    if not judged.metric.startswith("val.") or judged.part is not None:
        return
    expected = judged.baseline_series[0].steps
    for series in judged.baseline_series[1:]:
        expected = np.intersect1d(expected, series.steps, assume_unique=True)
    for run, series in zip(candidate, judged.candidate_series, strict=True):
        if expected.size and (text := _partly(series.steps, expected, judged.metric)):
            yield f"{run.source} {text}; log it as the baseline does"


def _weighty(names: Iterable[str]) -> list[str]:
    """Returns the names of series without speed and bookkeeping, validation first."""
    kept = [name for name in names if not takes_resources(name)]
    return sorted(kept, key=lambda name: (not name.startswith("val."), name))


def _waived(name: str, allow: Sequence[str]) -> bool:
    return any(item in {SERIES, f"{SERIES}.{name}", "all"} for item in allow)


def _steps(run: Run, name: str, rank: int) -> Steps:
    """Returns every step at which a run logs a series, over all windows."""
    steps = [s.steps for s in run.find(name, rank)]
    return np.unique(np.concatenate(steps)) if steps else np.zeros(0, dtype=np.int64)


def _expected(having: Sequence[Run], name: str, judged: Aligned) -> Steps:
    """Returns the judged steps at which all these runs log a series.

    Validation may have other steps than the judged series, so all its steps in that range count.
    """
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
    """Returns in words which steps of a series a candidate lacks; empty if it has enough."""
    got = np.isin(expected, steps)
    if not got.any():
        return (
            f"logs {name} at other steps than the baseline, first at {steps[0]}, but the baseline "
            f"at {expected[0]}"
        )
    validation = name.startswith("val.")
    if got.mean() >= WHOLE and (got[-1] or not validation):
        return ""
    return (
        f"logs {name} at {np.count_nonzero(got)} of the {counted(expected.size, 'step')} at which "
        f"the baseline does; the first missing step is {expected[~got][0]}"
    )


def _lacking(run: Run, name: str, rank: int, baseline: Sequence[Run]) -> str:
    known = {s.name for base in baseline for s in base.series}
    own = sorted({s.name for s in run.series if s.rank == rank} - known)
    near = next((other for other in own if _alike(other, name)), None)
    hint = f" ({near!r} may be the same series under another name)" if near else ""
    return (
        f"{run.source} logs no {name}, but the baseline does{hint}: log it, or allow "
        f"{SERIES}.{name}"
    )


def _alike(a: str, b: str) -> bool:
    """Returns whether a name contains the other, by letters and digits, ignoring case."""
    left, right = (re.sub(r"[^a-z0-9]", "", name.lower()) for name in (a, b))
    return left in right or right in left


def _ranks(baseline: Sequence[Run], candidate: Sequence[Run], judged: Aligned) -> Iterator[str]:
    """Yields ranks that should have logged the judged series but did not, or only in part."""
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
        return  # different experiments, or waived: the ranks are expected to differ
    shown = set.intersection(*(set(_of(run, judged.metric)) for run in baseline))
    for run in candidate:
        lacks = sorted(shown - set(_of(run, judged.metric)) - set(missing[id(run)]))
        if lacks:
            yield (
                f"{run.source} logs {judged.metric} of {len(shown) - len(lacks)} of the "
                f"{counted(len(shown), 'rank')} that the baseline logs, not of rank "
                f"{listed(map(str, lacks))}: lines of a rank are missing"
            )


def _of(run: Run, metric: str) -> dict[int, Series]:
    """Returns the series of this name by rank, the longest if a rank has several windows."""
    by_rank: dict[int, Series] = {}
    for series in run.series:
        if series.name == metric and len(series) > len(by_rank.get(series.rank, ())):
            by_rank[series.rank] = series
    return by_rank


def _missing(run: Run, metric: str) -> list[int]:
    """Returns the ranks that a run of several ranks does not log.

    Empty for a run of a single rank: many trainings log rank 0 only.
    """
    shown = set(_of(run, metric))
    if len(shown) < 2:
        return []
    world = run.facts.get("world_size")
    expected = max(shown) + 1
    if isinstance(world, int) and not isinstance(world, bool) and world <= 10**6:
        expected = max(expected, world)
    return sorted(set(range(expected)) - shown)


def _in_part(run: Run, judged: Aligned) -> Iterator[str]:
    """Yields ranks that lack judged steps which other ranks of the run have."""
    for rank, series in sorted(_of(run, judged.metric).items()):
        if rank == judged.rank:
            continue
        got = np.isin(judged.steps, series.steps)
        ends = int(series.steps[-1])
        if ends < int(judged.steps[-1]) and ends < int(judged.steps[-2:][0]):
            yield (
                f"{run.source}: rank {rank} stops at step {ends}, before the last common step "
                f"{judged.steps[-1]}: it crashed, or its lines are lost"
            )
        elif got.mean() < WHOLE:
            yield (
                f"{run.source}: rank {rank} logs {judged.metric} at {np.count_nonzero(got)} of "
                f"{counted(judged.steps.size, 'judged step')}: its lines are lost"
            )


def listed(items: Iterable[str]) -> str:
    """Returns names with commas; after the sixth, the number of the others."""
    every = list(items)
    rest = len(every) - NAMED
    return ", ".join(every[:NAMED]) + (f" and {rest} more" if rest > 0 else "")

"""Error rates of the rules: false alarms if nothing differs, and detection if something does.

An ensemble is a set of runs of one task that differ by seed; the command calls it a system, as
MLPerf does. Two halves of an ensemble do not differ, and neither do two of its runs. The facts
state how two ensembles differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned, Curves, align
from harness.align.auxiliary import with_auxiliary
from harness.align.comparable import Comparability, blocking, compare_facts
from harness.comparison.judges import Judge, judges
from harness.log.run import Run
from harness.rules import Verdict

AnyCurves = TypeVar("AnyCurves", bound=Curves)
HALVES = "halves of a system"
SINGLES = "two runs of a system"
SAME = "same facts"
SPLITTING = frozenset({"world_size", "batch_per_device", "grad_accumulation"})
"""Facts whose product is the effective batch: they may differ if the product agrees."""
MOST_SINGLES = 100
HEADS = MappingProxyType(
    {
        "ensemble: loss alone": "ensemble: loss",
        "ensemble": "ensemble",
        "seed-variation": "seed-variation",
        "equivalence 2 %": "equiv. 2 %",
        "equivalence 0.5 %": "equiv. 0.5 %",
        "two-sided": "two-sided",
        "|mean| <= 2 %": "|mean| 2 %",
        "per step 5 %, 1 % forgiven": "per step 5 %",
        "one-sided 5 % of the last 50 (published)": "published",
        "bitwise": "bitwise",
    }
)
"""The judges of the table, in the order of its columns, with the headings."""
NAMED = MappingProxyType({"effective_batch": "batch size", "schedule": "schedule"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """A set of runs that differ by seed."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How many comparisons of a kind a rule failed and passed."""

    rule: str
    kind: str
    comparisons: int
    failed: int
    passed: int

    @property
    def failed_share(self) -> float:
        """The fraction that failed; if nothing differs, the false-alarm rate."""
        return self.failed / self.comparisons

    @property
    def passed_share(self) -> float:
        """The fraction that passed; the rest was inconclusive."""
        return self.passed / self.comparisons


def table_judges(*, permutations: int, seed: int) -> Mapping[str, Judge]:
    """Returns the judges of the table by the headings of their columns.

    `seed-variation` judges a single candidate run, its usual case under `default`.
    """
    every = judges(permutations=permutations, seed=seed)
    seed_variation = every["seed-variation"]
    rules = {head: every[name] for name, head in HEADS.items()}
    return {**rules, "seed-variation": lambda aligned: seed_variation(_one_candidate(aligned))}


def kind_of(rows: Sequence[Comparability]) -> str:
    """Returns the first fact that must match but differs between two ensembles."""
    differing = {row.fact: row for row in rows if row.kind == "differs"}
    if "effective_batch" in differing:
        return NAMED["effective_batch"]
    rate = differing.get("learning_rate")
    if rate is not None:
        return _ratio(rate)
    rest = [name for name in differing if name not in SPLITTING]
    return NAMED.get(rest[0], rest[0]) if rest else SAME


def _ratio(row: Comparability) -> str:
    values = (row.baseline, row.candidate)
    if not all(isinstance(v, int | float) and v > 0 for v in values):
        return "learning rate"
    low, high = sorted(float(v) for v in values)  # type: ignore[arg-type]
    return f"learning rate x{high / low:.2f}"


@dataclass(slots=True)
class _Tally:
    """Counts verdicts by rule and kind while comparisons come in."""

    rules: Mapping[str, Judge]
    counts: dict[tuple[str, str], list[int]]

    def add(self, kind: str, aligned: Aligned) -> None:
        for name, judge in self.rules.items():
            self.note(name, kind, judge(aligned))

    def note(self, name: str, kind: str, verdict: Verdict) -> None:
        count = self.counts.setdefault((name, kind), [0, 0, 0])
        count[0] += 1
        count[1] += verdict in {Verdict.FAIL, Verdict.INCOMPARABLE}
        count[2] += verdict is Verdict.PASS

    def rows(self) -> tuple[Row, ...]:
        return tuple(
            Row(rule=rule, kind=kind, comparisons=n, failed=failed, passed=passed)
            for (rule, kind), (n, failed, passed) in self.counts.items()
        )


def error_rates(
    ensembles: Sequence[Ensemble],
    *,
    draws: int = 2000,
    permutations: int = 1000,
    seed: int = 1,
    metric: str = "loss",
    tick: Callable[[], object] = lambda: None,
) -> tuple[Row, ...]:
    """Returns the rates of every rule on pairs of ensembles, half-splits and pairs of runs.

    `draws` is the number of half-splits. At most 100 pairs of runs are drawn, which suffice because
    the conventions fail nearly all of them. `tick` is called once per comparison. The same seed
    gives the same table.
    """
    rng = np.random.default_rng(seed)
    tally = _Tally(rules=table_judges(permutations=permutations, seed=seed), counts={})
    whole = [_together(ensemble, metric) for ensemble in ensembles]
    for _ in range(draws):
        drawn = whole[int(rng.integers(len(whole)))]
        order = rng.permutation(drawn.baseline.shape[0])
        tally.add(HALVES, _taken(drawn, *np.array_split(order, 2)))
        tick()
    for _ in range(min(draws, MOST_SINGLES)):
        runs = ensembles[int(rng.integers(len(ensembles)))].runs
        first, second = (runs[i] for i in rng.permutation(len(runs))[:2])
        tally.add(SINGLES, align([first], [second], metric=metric))
        tick()
    for left, right in itertools.combinations(ensembles, 2):
        rows = compare_facts([r.facts for r in left.runs], [r.facts for r in right.runs])
        kind = kind_of(rows)
        refused = Verdict.INCOMPARABLE if blocking(rows) else Verdict.PASS
        tally.note("facts", kind, refused)
        both = align(left.runs, right.runs, metric=metric)
        tally.add(kind, with_auxiliary(both, left.runs, right.runs))
        tick()
    return tally.rows()


def comparisons(ensembles: int, draws: int) -> int:
    """Returns the number of comparisons that `error_rates` makes."""
    return draws + min(draws, MOST_SINGLES) + ensembles * (ensembles - 1) // 2


def _together(ensemble: Ensemble, metric: str) -> Aligned:
    """Returns all runs of an ensemble, aligned with themselves, with their other series."""
    both = align(ensemble.runs, ensemble.runs, metric=metric)
    return with_auxiliary(both, ensemble.runs, ensemble.runs)


def _taken(aligned: Aligned, left: NDArray[np.intp], right: NDArray[np.intp]) -> Aligned:
    """Returns the runs `left` of an ensemble as the baseline, and `right` as the candidate."""

    def taken(series: Sequence[Curves]) -> tuple[Curves, ...]:
        return tuple(_curves(other, left, right) for other in series)

    return replace(
        _curves(aligned, left, right),
        schedules=taken(aligned.schedules),
        validation=taken(aligned.validation),
        auxiliary=taken(aligned.auxiliary),
    )


def _curves(curves: AnyCurves, left: NDArray[np.intp], right: NDArray[np.intp]) -> AnyCurves:
    """Returns one series of the runs `left` as the baseline, and `right` as the candidate."""
    return replace(
        curves,
        baseline=curves.baseline[left],
        candidate=curves.candidate[right],
        baseline_series=tuple(curves.baseline_series[i] for i in left),
        candidate_series=tuple(curves.candidate_series[i] for i in right),
    )


def _one_candidate(aligned: Aligned) -> Aligned:
    """Returns the aligned series with the first candidate run alone."""
    return _taken(aligned, np.arange(aligned.baseline.shape[0]), np.arange(1))

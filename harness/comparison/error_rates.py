"""Error rates of the rules: false alarms where nothing differs, and detection of what does.

An ensemble is a set of runs of one task that differ by seed; the command calls it a system, as
MLPerf does. Nothing differs between two halves of an ensemble, nor between two of its runs; the
facts state what differs between two ensembles.
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
"""How an effective batch is put together: no change of the experiment where the product agrees."""
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
"""The judges of the table, in its order, with the heads of their columns."""
NAMED = MappingProxyType({"effective_batch": "batch size", "schedule": "schedule"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """A set of runs that differ by seed."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How often a rule failed and passed the comparisons of one kind."""

    rule: str
    kind: str
    comparisons: int
    failed: int
    passed: int

    @property
    def failed_share(self) -> float:
        """The fraction that failed; with nothing different, the rate of false alarms."""
        return self.failed / self.comparisons

    @property
    def passed_share(self) -> float:
        """The fraction that passed; the rest was left open."""
        return self.passed / self.comparisons


def asked(*, permutations: int, seed: int) -> Mapping[str, Judge]:
    """Returns the judges of the table by the heads of their columns.

    `seed-variation` is asked about one candidate run, as `default` asks it.
    """
    every = judges(permutations=permutations, seed=seed)
    another = every["seed-variation"]
    rules = {head: every[name] for name, head in HEADS.items()}
    return {**rules, "seed-variation": lambda aligned: another(_one_candidate(aligned))}


def kind_of(rows: Sequence[Comparability]) -> str:
    """What differs between two ensembles, by the first fact that decides the experiment."""
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
    """The table: every rule on every pair of ensembles, on `draws` half-splits and pairs of runs.

    `tick` is called once a comparison. Pairs of single runs are at most 100, which are enough for
    conventions that fail nearly all of them. The same seed gives the same table.
    """
    rng = np.random.default_rng(seed)
    tally = _Tally(rules=asked(permutations=permutations, seed=seed), counts={})
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
    """How many comparisons `error_rates` will make."""
    return draws + min(draws, MOST_SINGLES) + ensembles * (ensembles - 1) // 2


def _together(ensemble: Ensemble, metric: str) -> Aligned:
    """All runs of an ensemble on their common steps, on both sides, with their other series."""
    both = align(ensemble.runs, ensemble.runs, metric=metric)
    return with_auxiliary(both, ensemble.runs, ensemble.runs)


def _taken(aligned: Aligned, left: NDArray[np.intp], right: NDArray[np.intp]) -> Aligned:
    """Some runs of an ensemble against others."""

    def taken(series: Sequence[Curves]) -> tuple[Curves, ...]:
        return tuple(_some(other, left, right) for other in series)

    return replace(
        _some(aligned, left, right),
        schedules=taken(aligned.schedules),
        validation=taken(aligned.validation),
        auxiliary=taken(aligned.auxiliary),
    )


def _some(one: AnyCurves, left: NDArray[np.intp], right: NDArray[np.intp]) -> AnyCurves:
    """Some runs of one series of an ensemble against others."""
    return replace(
        one,
        baseline=one.baseline[left],
        candidate=one.candidate[right],
        baseline_series=tuple(one.baseline_series[i] for i in left),
        candidate_series=tuple(one.candidate_series[i] for i in right),
    )


def _one_candidate(aligned: Aligned) -> Aligned:
    """The baseline against the first candidate run."""
    return _taken(aligned, np.arange(aligned.baseline.shape[0]), np.arange(1))

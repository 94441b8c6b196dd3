"""Learns the constants of `moderated`, and measures the rule on families it did not learn from.

    python -m benchmarks.few_runs SEED_FAMILIES_FOLDER [--draws N]

The folder holds groups of runs that share a recipe and differ by seed: `index.json` (key, family,
task, recipe) and `curves.npz` (key: losses (runs, records), key_steps). The prior is fitted to the
other families for each family's verdicts (leave one family out). A healthy comparison takes all
runs from one group. A wrong recipe takes the sides from two groups of one task whose recipes differ
and whose mean losses differ by more than 2 %. Every family has the same weight. Intervals are 95 %,
from 2,000 bootstrap samples of the groups in each family.
"""

from __future__ import annotations

import argparse
import itertools
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from benchmarks.power import as_runs
from harness.align.aligned import Aligned, align
from harness.rules import Verdict, rule_call
from harness.rules.moderated import with_prior
from harness.stats.seed_prior import Prior
from harness.stats.stretches import batch_means, cuts, levels

Floats = NDArray[np.float64]
SIZES = ((1, 1), (2, 1), (3, 1), (4, 1), (2, 2))
DIFFERENT = 0.02
"""Relative difference of the mean losses of two recipes from which one is wrong for the other."""
PAIRS = 40
"""Pairs of recipes of one task."""
RECORDS = 50
BOOTSTRAPS = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Runs (N, n) of one recipe that differ by seed, at steps (n,)."""

    name: str
    family: str
    task: str
    recipe: str
    curves: Floats
    steps: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A verdict of a comparison whose candidate is `healthy` or not."""

    family: str
    group: str
    size: tuple[int, int]
    healthy: bool
    rule: str
    verdict: Verdict


def groups(folder: Path) -> list[Group]:
    """The groups with two runs or more whose losses are finite and positive."""
    curves = np.load(folder / "curves.npz")
    found = []
    for one in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        losses = curves[one["key"]].astype(np.float64)
        losses = losses[(losses > 0).all(axis=1) & np.isfinite(losses).all(axis=1)]
        if losses.shape[0] > 1 and losses.shape[1] >= RECORDS:
            recipe = json.dumps(one["recipe"], sort_keys=True)
            found.append(
                Group(name=one["key"], family=one["family"], task=one["task"], recipe=recipe,
                      curves=losses, steps=curves[f"{one['key']}_steps"])
            )  # fmt: skip
    return found


# The prior


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ratios:
    """Variances between runs over squared batch-means errors of one run, with their weights."""

    ratio: Floats
    degrees: Floats
    weight: Floats


def ratios(found: Sequence[Group]) -> Ratios:
    """The ratios of a family: of every group, stretch and run; the weights add up to 1."""
    rows = []
    for group in found:
        n = group.curves.shape[0]
        for cut in cuts(group.curves.shape[1]):
            level = levels(group.curves[:, cut])
            between = float(level.var(ddof=1)) / float(level.mean()) ** 2
            errors = batch_means(group.curves[:, cut])
            rows += [(between / error**2, n - 1, 1 / n) for error in errors if error > 0 < between]
    ratio, degrees, weight = np.array(rows).T
    return Ratios(ratio=ratio, degrees=degrees, weight=weight / weight.sum())


def learned(families: Sequence[Ratios]) -> Prior:
    """The prior of the greatest likelihood: ratio / prior.ratio^2 is F(degrees, prior.degrees)."""

    def loss(given: Floats) -> float:
        scale, degrees = np.exp(2 * given[0]), np.exp(given[1])
        parts = (
            f.weight @ (stats.f.logpdf(f.ratio / scale, f.degrees, degrees) - np.log(scale))
            for f in families
        )
        return -float(sum(parts))

    best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead").x
    return Prior(ratio=float(np.exp(best[0])), degrees=float(np.exp(best[1])))


def priors(found: Sequence[Group]) -> Mapping[str, Prior]:
    """The prior of all families, under an empty name, and of all but each."""
    by_family = {
        name: ratios([group for group in found if group.family == name])
        for name in sorted({group.family for group in found})
    }
    return {
        name: learned([one for other, one in by_family.items() if other != name])
        for name in ("", *by_family)
    }


# Comparisons

Comparison = tuple[str, str, bool, Floats, Floats]
"""Family, group, whether the candidate is healthy, and both sides."""


def healthy(found: Sequence[Group], size: tuple[int, int], draws: int) -> Iterator[Comparison]:
    """Random runs of one group on both sides."""
    b, c = size
    for group in found:
        n = group.curves.shape[0]
        rng = np.random.default_rng([zlib.crc32(group.name.encode()), b, c])
        for _ in range(draws if b + c <= n else 0):
            order = rng.permutation(n)
            yield (group.family, group.name, True, group.curves[order[:b]],
                   group.curves[order[b : b + c]])  # fmt: skip


def wrong(found: Sequence[Group], size: tuple[int, int]) -> Iterator[Comparison]:
    """Random runs of two groups of one task whose recipes and mean losses differ."""
    b, c = size
    tasks: dict[str, list[Group]] = defaultdict(list)
    for group in found:
        tasks[group.task].append(group)
    for task, mine in tasks.items():
        rng = np.random.default_rng([zlib.crc32(task.encode()), b, c])
        pairs = [
            pair for pair in itertools.permutations(mine, 2) if pair[0].recipe != pair[1].recipe
        ]
        rng.shuffle(pairs)
        for base, cand in pairs[:PAIRS]:
            _, i, j = np.intersect1d(base.steps, cand.steps, return_indices=True)
            ours, theirs = base.curves[:, i], cand.curves[:, j]
            enough = i.size >= RECORDS and ours.shape[0] >= b and theirs.shape[0] >= c
            if enough and abs(float(theirs.mean() / ours.mean()) - 1) > DIFFERENT:
                yield (base.family, base.name, False, rng.permutation(ours)[:b],
                       rng.permutation(theirs)[:c])  # fmt: skip


Rule = Callable[[Aligned], Verdict]


def rules(prior: Prior) -> Mapping[str, Rule]:
    """The rules that are compared; `moderated` with a prior and its default limits."""
    limits = rule_call("moderated", {}).in_force
    equivalence = rule_call("equivalence", {})
    return {
        "moderated": lambda a: with_prior(a, prior, **limits).verdict,
        "equivalence": lambda a: equivalence(a).verdict,
    }


def asked(learnt: Mapping[str, Prior], size: tuple[int, int], one: Comparison) -> list[Counted]:
    """The verdicts on a comparison by rules that did not learn from its family."""
    family, group, good, baseline, candidate = one
    aligned = align(as_runs(baseline), as_runs(candidate))
    return [
        Counted(family=family, group=group, size=size, healthy=good, rule=name,
                verdict=rule(aligned))
        for name, rule in rules(learnt[family]).items()
    ]  # fmt: skip


def measured(found: Sequence[Group], learnt: Mapping[str, Prior], draws: int) -> list[Counted]:
    """Every verdict."""
    counts: list[Counted] = []
    with ProcessPoolExecutor() as pool:
        for size in SIZES:
            every = [*healthy(found, size, draws), *wrong(found, size)]
            for verdicts in pool.map(partial(asked, learnt, size), every, chunksize=64):
                counts.extend(verdicts)
    return counts


# Tables


def share(counts: Sequence[Counted], verdict: Verdict) -> float:
    """The mean over families of the share of a verdict."""
    by_family: dict[str, list[bool]] = defaultdict(list)
    for one in counts:
        by_family[one.family].append(one.verdict is verdict)
    return float(np.mean([np.mean(several) for several in by_family.values()]))


def interval(counts: Sequence[Counted], verdict: Verdict) -> tuple[float, float]:
    """The bootstrap interval of `share`: groups are drawn with replacement within families."""
    hits: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for one in counts:
        hits[one.family][one.group].append(one.verdict is verdict)
    rng, means = np.random.default_rng(1), []
    for by_group in hits.values():
        sums = np.array([(sum(several), len(several)) for several in by_group.values()])
        drawn = sums[rng.integers(len(sums), size=(BOOTSTRAPS, len(sums)))].sum(axis=1)
        means.append(drawn[:, 0] / drawn[:, 1])
    low, high = np.quantile(np.mean(means, axis=0), [0.025, 0.975])
    return float(low), float(high)


def chosen(
    counts: Sequence[Counted], rule: str, size: tuple[int, int], *, good: bool
) -> list[Counted]:
    """The verdicts of a rule at a size on healthy candidates, or on wrong recipes."""
    return [c for c in counts if (c.rule, c.size, c.healthy) == (rule, size, good)]


def print_priors(learnt: Mapping[str, Prior]) -> None:
    """The prior of all families, and without each."""
    print("| learned from | ratio | degrees |\n|---|---|---|")
    for name, prior in learnt.items():
        who = f"all but {name}" if name else "all families"
        print(f"| {who} | {prior.ratio:.2f} | {prior.degrees:.2f} |")


def print_rates(counts: Sequence[Counted]) -> None:
    """Failed with its interval, and passed, by size and rule."""
    print("\n| runs | rule | healthy: fail | healthy: pass | wrong: fail | wrong: pass |")
    print("|---|---|---|---|---|---|")
    for size, rule in itertools.product(SIZES, rules(Prior(ratio=1, degrees=1))):
        good, bad = (chosen(counts, rule, size, good=g) for g in (True, False))
        low, high = interval(good, Verdict.FAIL)
        cells = (
            f"{share(good, Verdict.FAIL):.1%} ({low:.1%} to {high:.1%})",
            f"{share(good, Verdict.PASS):.0%}",
            f"{share(bad, Verdict.FAIL):.0%}",
            f"{share(bad, Verdict.PASS):.1%}",
        )
        print(f"| {size[0]} v {size[1]} | {rule} | {' | '.join(cells)} |")


def print_families(counts: Sequence[Counted], good: bool) -> None:
    """Failed / open / passed by `moderated`, by family and size; failed with its upper bound."""
    print(
        f"\n| {'healthy' if good else 'wrong recipe'} | "
        + " | ".join(f"{b} v {c}" for b, c in SIZES)
    )
    print("|---|" + "---|" * len(SIZES))
    for family in sorted({c.family for c in counts}):
        cells = []
        for size in SIZES:
            mine = [c for c in chosen(counts, "moderated", size, good=good) if c.family == family]
            cells.append(_cell(mine) if mine else "-")
        print(f"| {family} | {' | '.join(cells)} |")


def _cell(mine: Sequence[Counted]) -> str:
    fail, passed = share(mine, Verdict.FAIL), share(mine, Verdict.PASS)
    return f"{100 * fail:.0f} / {100 * (1 - fail - passed):.0f} / {100 * passed:.0f}"


def main() -> None:
    """Prints the constants and the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=10, help="comparisons of a group, per size")
    given = parser.parse_args()
    found = groups(given.folder)
    learnt = priors(found)
    print_priors(learnt)
    counts = measured(found, learnt, given.draws)
    print_rates(counts)
    for good in (True, False):
        print_families(counts, good)


if __name__ == "__main__":
    main()

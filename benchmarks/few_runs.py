"""Learns the constants of `moderated`, and measures the rule on families it did not learn from.

    python -m benchmarks.few_runs SEED_FAMILIES_FOLDER [--draws N]
    python -m benchmarks.few_runs --device cpu|cuda     the network of this project, with faults

The folder holds groups of runs that share a recipe and differ by seed: `index.json` (key, family,
task, recipe) and `curves.npz` (key: losses (runs, records), key_steps). The prior is fitted to the
other families for each family's verdicts (leave one family out). A healthy comparison takes all
runs from one group. A wrong recipe takes the sides from two groups of one task whose recipes differ
and whose mean losses differ by more than 2 %. Every family has the same weight. Intervals are 95 %,
from 2,000 bootstrap samples of the groups in each family. On the network of this project, benign
variations are healthy, and faults that cost more than a point of mIoU are wrong; only the loss is
compared.
"""

from __future__ import annotations

import argparse
import itertools
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.defects.corpus import Trained
from benchmarks.defects.score import by_setting, plans
from benchmarks.power import as_runs
from benchmarks.seed_prior import RECORDS, Group, groups, priors
from harness.align.aligned import Aligned, align
from harness.rules import Verdict, rule_call
from harness.rules.moderated import with_prior
from harness.stats.seed_prior import PRIOR, Prior

Floats = NDArray[np.float64]
SIZES = ((1, 1), (2, 1), (3, 1), (4, 1), (2, 2))
DIFFERENT = 0.02
"""Relative difference of the mean losses of two recipes from which one is wrong for the other."""
PAIRS = 40
"""Pairs of recipes of one task."""
BOOTSTRAPS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A verdict of a comparison whose candidate is `healthy` or not."""

    family: str
    group: str
    size: tuple[int, int]
    healthy: bool
    rule: str
    verdict: Verdict


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


def own_network(device: str, size: tuple[int, int], draws: int) -> Iterator[Comparison]:
    """Random runs of each setting of the corpus against random seeds of its baseline."""
    b, c = size
    runs = by_setting(device)
    settings = {plan.setting: plan for plan in plans(runs, runs, device, size=(1, 1))}
    for name, plan in settings.items():
        base, cand = _losses(runs[plan.reference]), _losses(runs[name])
        rng = np.random.default_rng([zlib.crc32(name.encode()), b, c])
        for _ in range(draws if plan.group != "harmless" and len(cand) >= c else 0):
            yield (device, name, plan.group == "benign", rng.permutation(base)[:b],
                   rng.permutation(cand)[:c])  # fmt: skip


def _losses(trained: Sequence[Trained]) -> Floats:
    chosen = [one.run for one in trained]
    return align(chosen, chosen).baseline


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


def measured(
    learnt: Mapping[str, Prior], every: Mapping[tuple[int, int], Sequence[Comparison]]
) -> list[Counted]:
    """Every verdict on the comparisons of each size."""
    counts: list[Counted] = []
    with ProcessPoolExecutor() as pool:
        for size, several in every.items():
            for verdicts in pool.map(partial(asked, learnt, size), several, chunksize=64):
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


def print_families(counts: Sequence[Counted], *, good: bool) -> None:
    """Failed / open / passed by `moderated`, by family and size, in percent."""
    print(
        f"\n| {'healthy' if good else 'wrong recipe'} | "
        + " | ".join(f"{b} v {c}" for b, c in SIZES)
        + " |"
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
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--draws", type=int, default=10, help="comparisons of a group, per size")
    parser.add_argument("--device", choices=("cpu", "cuda"))
    given = parser.parse_args()
    if given.device is not None:
        every = {size: [*own_network(given.device, size, given.draws)] for size in SIZES}
        print_rates(measured({given.device: PRIOR}, every))
        return
    if given.folder is None:
        parser.error("expected SEED_FAMILIES_FOLDER or --device")
    found = groups(given.folder)
    learnt = priors(found)
    print_priors(learnt)
    counts = measured(
        learnt, {size: [*healthy(found, size, given.draws), *wrong(found, size)] for size in SIZES}
    )
    print_rates(counts)
    for good in (True, False):
        print_families(counts, good=good)


if __name__ == "__main__":
    main()

"""How often `seed-variation` errs on seeds that are not as it takes them: simulated, and real ones.

python -m benchmarks.levels [--draws N] [--half tuning|reported]
python -m benchmarks.levels --data FOLDER [--half ..]    families of runs that differ by seed
python -m benchmarks.levels --resolution [--data FOLDER] what each resolution leaves open

The settings of the rule were chosen on the half `tuning`: the simulation's first seed, and every
second family in the order of their names. The tables in `docs/explanation/measurements.md` are of
the half `reported`.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.defects.score import by_setting, made, plans
from harness.align.aligned import Aligned, align
from harness.rules import Verdict, rule_call
from harness.storage.logs import read_run

Floats = NDArray[np.float64]
Rng = np.random.Generator

SIZES = ((5, 1), (10, 1), (5, 3), (10, 3), (5, 5), (5, 10), (10, 10))
SEEDS = {"tuning": 0, "reported": 1}
RECORDS = 200
SPREAD, NOISE = 0.03, 0.1
"""Standard deviations of a seed's level and of a record, in parts of the loss."""
LATE = 15
"""Records by which a seed that learns late lags."""
RESOLUTIONS = (0.02, 0.05, 0.1, 0.2)
SPLITS = 10
"""Random splits of a group of ten runs."""


def _normal(rng: Rng, runs: int) -> Floats:
    return _curves(rng.standard_normal(runs), rng.standard_normal((runs, RECORDS)))


def _autoregressive(rng: Rng, runs: int) -> Floats:
    moves = rng.standard_normal((runs, RECORDS))
    for i in range(1, RECORDS):
        moves[:, i] = 0.6 * moves[:, i - 1] + 0.8 * moves[:, i]
    return _curves(rng.standard_normal(runs), moves)


def _heavy_steps(rng: Rng, runs: int) -> Floats:
    moves = rng.standard_t(3, (runs, RECORDS)) / math.sqrt(3)
    return _curves(rng.standard_normal(runs), moves)


def _lognormal_steps(rng: Rng, runs: int) -> Floats:
    moves = np.exp(rng.standard_normal((runs, RECORDS)))
    size = math.sqrt(math.e * (math.e - 1))
    return _curves(rng.standard_normal(runs), (moves - math.exp(0.5)) / size)


def _heavy_seeds(rng: Rng, runs: int) -> Floats:
    own = rng.standard_t(3, runs) / math.sqrt(3)
    return _curves(own, rng.standard_normal((runs, RECORDS)))


def _late_seeds(rng: Rng, runs: int) -> Floats:
    late = np.where(rng.random(runs) < 0.1, LATE, 0)
    return _curves(rng.standard_normal(runs), rng.standard_normal((runs, RECORDS)), late=late)


def _mixed_seeds(rng: Rng, runs: int) -> Floats:
    own = rng.standard_normal(runs) * np.where(rng.random(runs) < 0.2, 3, 1)
    return _curves(own, rng.standard_normal((runs, RECORDS)))


def _heteroscedastic(rng: Rng, runs: int) -> Floats:
    moves = rng.standard_normal((runs, RECORDS)) * np.linspace(2, 0.3, RECORDS)
    return _curves(rng.standard_normal(runs), moves)


def _curves(own: Floats, moves: Floats, *, late: NDArray[np.int64] | None = None) -> Floats:
    """Loss curves (runs, RECORDS) from seeds' levels (runs,) and moves (runs, RECORDS)."""
    steps = np.arange(RECORDS)[None, :] - (0 if late is None else late[:, None])
    mean = 0.5 + 3 * np.exp(-np.maximum(steps, 0) / 40)
    curves: Floats = mean * np.exp(SPREAD * own[:, None]) * np.maximum(1 + NOISE * moves, 0.01)
    return curves


SCENARIOS: Mapping[str, Callable[[Rng, int], Floats]] = {
    "normal": _normal,
    "AR 0.6": _autoregressive,
    "steps t, 3 df": _heavy_steps,
    "steps lognormal": _lognormal_steps,
    "seeds t, 3 df": _heavy_seeds,
    "10 % late seeds": _late_seeds,
    "mixture of seeds": _mixed_seeds,
    "heteroscedastic": _heteroscedastic,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Verdicts on comparisons of healthy runs."""

    fail: int
    open: int
    passed: int

    @property
    def comparisons(self) -> int:
        """All of them."""
        return self.fail + self.open + self.passed

    def __str__(self) -> str:
        """Failed with its 95 % interval (Clopper-Pearson), left open and passed, in percent."""
        n = self.comparisons
        test = stats.binomtest(self.fail, n).proportion_ci(method="exact")
        shares = f"{100 * self.fail / n:.1f} ({100 * test.low:.1f}-{100 * test.high:.1f})"
        return f"{shares} / {100 * self.open / n:.0f} / {100 * self.passed / n:.0f}"


def rates(verdicts: Sequence[Verdict]) -> Rates:
    """The verdicts counted."""
    count = Counter(verdicts)
    return Rates(
        fail=count[Verdict.FAIL], open=count[Verdict.INCONCLUSIVE], passed=count[Verdict.PASS]
    )


def aligned_of(baseline: Floats, candidate: Floats) -> Aligned:
    """Curves (B, n) and (C, n) as the rule takes them."""
    none = np.zeros(0, dtype=np.int64)
    return Aligned(
        metric="loss", rank=0, window=1, steps=np.arange(baseline.shape[1]), baseline=baseline,
        candidate=candidate, baseline_only=none, candidate_only=none, missing=none, lag=None,
        baseline_series=(), candidate_series=(),
    )  # fmt: skip


def asked(baseline: Floats, candidate: Floats, *, rule: str, resolution: float) -> Verdict:
    """The rule's verdict; `default` has no limits."""
    limits = {} if rule == "default" else {"resolution": resolution}
    return rule_call(rule, limits)(aligned_of(baseline, candidate)).verdict


def simulated(scenario: str, size: tuple[int, int], draws: int, seed: int, rule: str) -> Rates:
    """The rates of one scenario and size."""
    b, c = size
    rng = np.random.default_rng([seed, b, c, zlib.crc32(scenario.encode())])
    found = []
    for _ in range(draws):
        curves = SCENARIOS[scenario](rng, b + c)
        found.append(asked(curves[:b], curves[b:], rule=rule, resolution=0.1))
    return rates(found)


# Real runs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Runs (N, n) of one recipe that differ by seed."""

    name: str
    family: str
    curves: Floats


def groups(folder: Path) -> Iterator[Group]:
    """The groups of `seed_families`, and of `mlperf/llama2_70b_lora` beside it."""
    shelf = folder / "seed_families"
    curves = np.load(shelf / "curves.npz")
    for one in json.loads((shelf / "index.json").read_text(encoding="utf-8")):
        yield _finite(Group(name=one["key"], family=one["family"], curves=curves[one["key"]]))
    for system in sorted((folder / "mlperf" / "llama2_70b_lora").glob("*/")):
        runs = [read_run(path) for path in sorted(system.glob("*.xz"))]
        whole = align(runs, runs).baseline
        yield _finite(Group(name=system.name, family="llama2_70b_lora", curves=whole))


def _finite(group: Group) -> Group:
    curves = group.curves.astype(np.float64)
    return replace(group, curves=curves[np.isfinite(curves).all(axis=1)])


def half_of(found: Sequence[Group], half: str) -> list[Group]:
    """Every second family in the order of their names, the first of them in `reported`."""
    names = sorted({group.family for group in found})
    chosen = names[::2] if half == "reported" else names[1::2]
    return [group for group in found if group.family in chosen]


def comparisons(group: Group) -> Iterator[tuple[str, Floats, Floats]]:
    """Each run against all others, and of ten runs random splits; by size."""
    n = group.curves.shape[0]
    for i in range(n):
        yield f"{n - 1} v 1", np.delete(group.curves, i, axis=0), group.curves[i : i + 1]
    if n < 10:
        return
    rng = np.random.default_rng(zlib.crc32(group.name.encode()))
    for _ in range(SPLITS):
        for b, c in ((5, 1), (5, 3), (7, 3), (5, 5)):
            order = rng.permutation(n)
            yield f"{b} v {c}", group.curves[order[:b]], group.curves[order[b : b + c]]


def real(found: Sequence[Group], *, resolution: float, rule: str) -> dict[tuple[str, str], Rates]:
    """The rates by family and size; groups too small for the rule are left out."""
    verdicts: dict[tuple[str, str], list[Verdict]] = {}
    for group in found:
        if group.curves.shape[0] < 6:
            continue
        for size, baseline, candidate in comparisons(group):
            verdict = asked(baseline, candidate, rule=rule, resolution=resolution)
            verdicts.setdefault((group.family, size), []).append(verdict)
    return {key: rates(several) for key, several in verdicts.items()}


# Resolution


def corpus_at(device: str, resolution: float, *, alone: bool) -> tuple[float, float]:
    """Shares of benign runs left open and of costly faults passed, 10 v 1, settings alike."""
    runs, call = by_setting(device), rule_call("seed-variation", {"resolution": resolution})
    verdicts: dict[tuple[str, str], list[Verdict]] = {}
    for plan in plans(runs, runs, device, size=(10, 1)):
        if plan.group != "harmless":
            one = made(plan, runs, runs).aligned
            one = replace(one, schedules=(), validation=(), auxiliary=()) if alone else one
            verdicts.setdefault((plan.group, plan.setting), []).append(call(one).verdict)

    def share(group: str, wanted: Verdict) -> float:
        mine = [several for (g, _), several in verdicts.items() if g == group]
        return float(np.mean([np.mean([v is wanted for v in several]) for several in mine]))

    return share("benign", Verdict.INCONCLUSIVE), share("costly", Verdict.PASS)


# Tables


def print_levels(draws: int, half: str, rule: str) -> None:
    """The simulated rates."""
    print("| seeds | " + " | ".join(f"{b} v {c}" for b, c in SIZES) + " |")
    print("|---|" + "---|" * len(SIZES))
    with ProcessPoolExecutor() as pool:
        jobs = {
            name: [pool.submit(simulated, name, s, draws, SEEDS[half], rule) for s in SIZES]
            for name in SCENARIOS
        }
        for name, row in jobs.items():
            print(f"| {name} | " + " | ".join(str(job.result()) for job in row) + " |", flush=True)


def print_real(folder: Path, half: str, rule: str) -> None:
    """The rates on real runs, by family and size."""
    print("| family | size | comparisons | fail / open / pass |\n|---|---|---|---|")
    for (family, size), one in real(
        half_of([*groups(folder)], half), resolution=0.1, rule=rule
    ).items():
        print(f"| {family} | {size} | {one.comparisons} | {one} |")


def print_resolution(folder: Path | None) -> None:
    """What each resolution leaves open and lets through."""
    found = [] if folder is None else [*groups(folder)]
    for resolution in RESOLUTIONS:
        cells = []
        for device in ("cpu", "cuda"):
            for alone in (False, True):
                still_open, passed = corpus_at(device, resolution, alone=alone)
                what = "loss alone" if alone else "all"
                cells.append(f"{device} {what}: open {still_open:.0%}, costly passed {passed:.0%}")
        by_family = real(found, resolution=resolution, rule="seed-variation")
        for (family, size), one in by_family.items():
            if size in {"9 v 1", "5 v 1"}:
                cells.append(f"{family} {size}: open {one.open / one.comparisons:.0%}")
        print(f"{resolution:.0%}\n  " + "\n  ".join(cells))


def main() -> None:
    """Prints the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--half", choices=tuple(SEEDS), default="reported")
    parser.add_argument("--rule", choices=("seed-variation", "default"), default="seed-variation")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--resolution", action="store_true")
    given = parser.parse_args()
    if given.resolution:
        print_resolution(given.data)
    elif given.data is not None:
        print_real(given.data, given.half, given.rule)
    else:
        print_levels(given.draws, given.half, given.rule)


if __name__ == "__main__":
    main()

"""Measures the error rates of `final-metric`, on simulated runs and on real ones.

    python -m benchmarks.final_metric [SEED_FAMILIES_FOLDER] [--draws 1000] [--seed 1]

As in the published results, three groups of three runs show the spread; a further group is the
published result (n runs) and the candidate (m runs). Simulated runs have a known difference and a
known distribution of the same spread, or a candidate whose spread is 1.5 times that. The real runs
are groups of runs that share a recipe and differ by seed (`index.json`, `curves.npz`); their figure
is the last loss, relative to its group's mean. The four groups are of one family with different
recipes, so the rates show what it costs that the spread is that of other recipes. Rates are in
percent, with their standard errors.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.seed_prior import groups
from harness.align.aligned import Aligned
from harness.log.published import Published, Spread
from harness.log.run import Series
from harness.rules import Finding, Verdict
from harness.rules.final_metric import final_metric
from harness.stats.final_figure import noticed, pooled
from harness.stats.power import spread_factor

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
LEVEL, SPREAD, MARGIN = 0.05, 0.0064, 0.025
SHOWING = (3, 3)
"""Groups that show the spread, and the runs of each."""
SIZES = ((1, 1), (1, 3), (3, 1), (3, 3), (3, 5))
"""Published runs and candidate runs."""
METRIC, LEVEL_OF_FIGURE = "val.mIoU", 0.78
WIDER = 1.5


def _standard(draw: Draw, mean: float, spread: float) -> Draw:
    return lambda rng, n: (draw(rng, n) - mean) / spread


DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "uniform": _standard(lambda rng, n: rng.random(n), 0.5, math.sqrt(1 / 12)),
    "logistic": _standard(lambda rng, n: rng.logistic(size=n), 0.0, math.pi / math.sqrt(3)),
    "Student t, 5": _standard(lambda rng, n: rng.standard_t(5, n), 0.0, math.sqrt(5 / 3)),
    "gamma, skewness 1": _standard(lambda rng, n: rng.gamma(4, size=n), 4.0, 2.0),
    "one run in ten 3 points lower": lambda rng, n: (
        rng.standard_normal(n) - 3 / 0.64 * (rng.random(n) < 0.1)
    ),
}
"""Distributions of a run's figure, all but the last with the spread 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The fractions of comparisons that fail and pass."""

    failed: float
    passed: float
    draws: int

    @property
    def text(self) -> str:
        """Both fractions in percent with their standard errors."""
        return " / ".join(
            f"{100 * p:.1f} ± {100 * math.sqrt(p * (1 - p) / self.draws):.1f}"
            for p in (self.failed, self.passed)
        )


def aligned_figures(published: Floats, candidate: Floats, spread: Spread) -> Aligned:
    """Returns final figures (n,) and (m,) as the rule takes them."""
    step = np.array([0])

    def series(values: Floats) -> tuple[Series, ...]:
        return tuple(Series(name=METRIC, rank=0, steps=step, values=np.array([v])) for v in values)

    return Aligned(
        metric=METRIC,
        rank=0,
        window=1,
        steps=step,
        baseline=published[:, None],
        candidate=candidate[:, None],
        baseline_only=step[:0],
        candidate_only=step[:0],
        missing=step[:0],
        baseline_series=series(published),
        candidate_series=series(candidate),
        lag=None,
        published=Published(
            name="published/simulated", source="", url="", spreads={METRIC: spread}
        ),
    )


def judged(shown: Sequence[Floats], published: Floats, candidate: Floats) -> Finding:
    """Returns the finding on figures, with the spread that other groups of runs show."""
    value, degrees = pooled(shown)
    spread = Spread(value=value, degrees=degrees, names=("simulated",))
    return final_metric(aligned_figures(published, candidate, spread), margin=MARGIN, level=LEVEL)


def simulated(
    draw: Draw, size: tuple[int, int], *, shift: float, wider: float, draws: int, seed: int
) -> Rates:
    """Returns the rates of runs whose candidate is `shift` lower and spreads `wider` times."""
    rng = np.random.default_rng([seed, *size])
    n, m = size
    verdicts = []
    for _ in range(draws):
        shown = [SPREAD * draw(rng, SHOWING[1]) for _ in range(SHOWING[0])]
        base = LEVEL_OF_FIGURE + SPREAD * draw(rng, n)
        cand = LEVEL_OF_FIGURE - shift + wider * SPREAD * draw(rng, m)
        verdicts.append(judged(shown, base, cand).verdict)
    return _rates(verdicts)


def _rates(verdicts: Sequence[Verdict]) -> Rates:
    count = len(verdicts)
    failed, passed = (verdicts.count(v) / count for v in (Verdict.FAIL, Verdict.PASS))
    return Rates(failed=failed, passed=passed, draws=count)


def stated_shift(size: tuple[int, int]) -> float:
    """Returns the difference that a comparison of this size says it notices with 80 %."""
    degrees = SHOWING[0] * (SHOWING[1] - 1) + size[1] - 1
    error = SPREAD * spread_factor(*size)
    return noticed(error, degrees, margin=MARGIN, level=LEVEL, power=0.8)


def real(
    folder: Path, size: tuple[int, int], *, draws: int, seed: int
) -> Iterator[tuple[str, Rates]]:
    """Yields the rates on equal runs by family: the last losses, relative to their group's mean.

    They are scaled so that the family's median spread is `SPREAD`; the test does not depend on it.
    """
    by_family: dict[str, list[Floats]] = defaultdict(list)
    for group in groups(folder):
        last = group.curves[:, -1]
        by_family[group.family].append(last / last.mean())
    rng = np.random.default_rng([seed, *size])
    for family, figures in sorted(by_family.items()):
        showing = [f for f in figures if f.size >= SHOWING[1] and np.ptp(f) > 0]
        judging = [i for i, f in enumerate(showing) if f.size >= sum(size)]
        if len(showing) <= SHOWING[0] or not judging:
            continue
        scale = SPREAD / float(np.median([f.std(ddof=1) for f in showing]))
        verdicts = []
        for _ in range(draws):
            at = int(rng.choice(judging))
            others = rng.choice([i for i in range(len(showing)) if i != at], SHOWING[0], False)
            shown = [scale * rng.permutation(showing[i])[: SHOWING[1]] for i in others]
            runs = LEVEL_OF_FIGURE + scale * (rng.permutation(showing[at]) - 1)
            verdicts.append(judged(shown, runs[: size[0]], runs[size[0] : sum(size)]).verdict)
        yield family, _rates(verdicts)


def main() -> None:
    """Prints every table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="groups of runs by seed")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    options = {"draws": args.draws, "seed": args.seed}
    heads = [f"{n} against {m}" for n, m in SIZES]
    for title, shift, wider in (
        ("equal", lambda _: 0.0, 1.0),
        ("lower by the margin", lambda _: MARGIN, 1.0),
        ("lower by what is said to be noticed with 80 %", stated_shift, 1.0),
        ("equal, candidate spreads 1.5 times as much", lambda _: 0.0, WIDER),
    ):
        print(f"\n{title}: fails / passes, in percent\n\n| distribution | {' | '.join(heads)} |")
        print("|---" * (len(SIZES) + 1) + "|")
        for name, draw in DISTRIBUTIONS.items():
            rates = (
                simulated(draw, size, shift=shift(size), wider=wider, **options) for size in SIZES
            )
            print(f"| {name} | {' | '.join(r.text for r in rates)} |", flush=True)
    if args.folder is not None:
        cells = {s: dict(real(args.folder, s, **options)) for s in SIZES}
        print(f"\nreal, equal: fails / passes, in percent\n\n| family | {' | '.join(heads)} |")
        print("|---" * (len(SIZES) + 1) + "|")
        for family in sorted({f for by in cells.values() for f in by}):
            row = (cells[s][family].text if family in cells[s] else "-" for s in SIZES)
            print(f"| {family} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()

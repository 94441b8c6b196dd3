"""Do the p-values of the project's tests hold where the correction for many ports uses them?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.few_runs import Comparison, healthy, wrong
from benchmarks.power import as_runs
from benchmarks.seed_prior import groups
from harness.align.aligned import align
from harness.rules import rule_call

LEVELS = (0.05, 0.01, 0.001, 0.0001)
CASES = (("moderated", (2, 1)), ("moderated", (3, 2)), ("seed-variation", (5, 1)))
"""Rules with the numbers of runs per side."""


def tails(folder: Path, draws: int) -> Iterator[tuple[str, str, int, tuple[float, ...]]]:
    """Yields the share of p-values at or below each level, as means over families."""
    found = groups(folder)
    for rule, size in CASES:
        for kind, comparisons in (
            ("healthy", healthy(found, size, draws)), ("wrong recipe", wrong(found, size))
        ):  # fmt: skip
            p_values: dict[str, list[float]] = {}
            for comparison in comparisons:
                p_values.setdefault(comparison[0], []).append(_p(rule, comparison))
            shares = [
                [np.mean(np.array(p) <= level) for level in LEVELS] for p in p_values.values()
            ]
            count = sum(map(len, p_values.values()))
            name = f"{rule}, {size[0]} v {size[1]}"
            yield name, kind, count, tuple(np.mean(shares, axis=0).tolist())


def _p(rule: str, comparison: Comparison) -> float:
    *_, base, cand = comparison
    finding = rule_call(rule, {})(align(as_runs(base), as_runs(cand)))
    return 1.0 if finding.p_value is None else finding.p_value

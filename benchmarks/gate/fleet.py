"""False discoveries among simulated ports that share baselines, with and without the correction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.comparison.fleet import controlled
from harness.comparison.result import PortResult

PORTS, SHARED = 1000, 10
"""Ports of a check, and ports that share a baseline."""
SEEDS, LEVEL, SHARE = 10, 0.01, 0.05
SHIFT = 8.0
"""Shift of a broken port in spreads of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Means over checks, each without and with the correction.

    `false` counts good ports that fail, `share` is their share of all failures, and `found` the
    share of the broken ports that fail.
    """

    broken: int
    false: tuple[float, float]
    share: tuple[float, float]
    found: tuple[float, float]


def fleets(checks: int, seed: int) -> Iterator[Fleet]:
    """Yields a row for each number of broken ports among 1,000."""
    for broken in (0, 1, 10, 100):
        rng = np.random.default_rng([seed, broken])
        rows = np.array([_check(rng, broken) for _ in range(checks)])
        false, share, found = rows.mean(axis=0)
        yield Fleet(broken=broken, false=tuple(false), share=tuple(share), found=tuple(found))


def _check(rng: np.random.Generator, broken: int) -> list[tuple[float, float]]:
    """Returns pairs without and with the correction: false failures, their share, found."""
    base = rng.standard_normal((PORTS // SHARED, SEEDS))
    ports = rng.standard_normal(PORTS)
    bad = rng.permutation(PORTS)[:broken]
    ports[bad] += SHIFT
    mean, spread = (np.repeat(x, SHARED) for x in (base.mean(axis=1), base.std(axis=1, ddof=1)))
    t = (ports - mean) / (spread * np.sqrt(1 + 1 / SEEDS))
    p_values = 2 * stats.t.sf(np.abs(t), SEEDS - 1)
    results = [
        PortResult(
            port=str(i), verdict="fail" if p <= LEVEL else "pass", p_value=float(p), level=LEVEL
        )
        for i, p in enumerate(p_values)
    ]
    pairs = []
    for checked in (results, controlled(results, SHARE)):
        failed = {i for i, result in enumerate(checked) if result.verdict == "fail"}
        right = len(failed & set(bad.tolist()))
        wrong = len(failed) - right
        pairs.append((wrong, wrong / max(len(failed), 1), right / max(broken, 1)))
    return list(zip(*pairs, strict=True))

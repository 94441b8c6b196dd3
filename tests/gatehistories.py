"""Figures of good runs without drift and outliers, for the tests of gates."""

import numpy as np
from scipy import stats

from harness.gate.checks import order_tests


def normal(n, *, seed=0, mean=0.7, spread=0.01):
    """Figures at the expected places of a normal sample, in random order: no drift, no outlier."""
    ranked = stats.norm.ppf((np.arange(n) + 0.5) / n)
    ranked = mean + spread * ranked / ranked.std(ddof=1)
    for attempt in range(100):
        values = np.random.default_rng([seed, attempt]).permutation(ranked)
        _, trend, wander = order_tests(values)
        if trend > 0.2 and 0.2 < wander < 0.8:
            return values
    raise AssertionError

"""The block bootstrap's closed form and automatic block length, beside `arch` and by hand."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from harness.stats.blocks import automatic_length, error_of_mean

bootstrap = pytest.importorskip("arch.bootstrap", reason="the oracle is in the extra [dev]")


def remembering(seed, n, phi):
    """An AR(1) of n values."""
    return lfilter([1.0], [1.0, -phi], np.random.default_rng(seed).standard_normal(n))


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(11, 2500),
    phi=st.floats(-0.95, 0.99),
    scale=st.floats(-8, 8),
)
def test_the_automatic_length_is_that_of_arch(seed, n, phi, scale):
    values = remembering(seed, n, phi) * 10.0**scale
    theirs = float(bootstrap.optimal_block_length(values)["circular"].iloc[0])
    assert automatic_length(values) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(("n", "block"), [(200, 15), (200, 20), (67, 14), (97, 10), (50, 1)])
def test_the_error_is_that_of_resampling(n, block):
    """Ten times 999 resamples of arch; their mean lies within 3 of its standard errors, or 1 %."""
    values = remembering(n + block, n, 0.5)
    drawn = [
        bootstrap.CircularBlockBootstrap(block, values, seed=seed).apply(np.mean, 999).std()
        for seed in range(10)
    ]
    spread = np.std(drawn, ddof=1) / math.sqrt(10)
    assert error_of_mean(values, block) == pytest.approx(
        np.mean(drawn), abs=max(3 * spread, 0.01 * np.mean(drawn))
    )


@pytest.mark.parametrize(("n", "block"), [(6, 2), (6, 4), (7, 3), (5, 5), (4, 1)])
def test_the_error_is_that_of_all_resamples(n, block):
    """Every choice of starts, resampled in full."""
    values = np.random.default_rng(n).standard_normal(n)
    count = -(-n // block)
    starts = np.stack(np.meshgrid(*[np.arange(n)] * count), axis=-1).reshape(-1, count)
    places = (starts[:, :, None] + np.arange(block)) % n
    means = values[places].reshape(starts.shape[0], -1)[:, :n].mean(axis=1)
    assert error_of_mean(values, block) == pytest.approx(means.std(), rel=1e-12)


def test_values_without_variance_have_no_automatic_length():
    assert math.isnan(automatic_length(np.ones(60)))


def test_one_run_a_side_is_judged_without_the_bootstraps_library():
    probe = (
        "import sys; sys.modules['arch'] = None\n"
        "import numpy as np\n"
        "from harness.stats.interval import from_pair\n"
        "noise = np.random.default_rng(0).standard_normal((2, 80))\n"
        "assert from_pair(5 + noise[0], 5 + noise[1]).error > 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

"""The circular block bootstrap of a mean in closed form, and the choice of its block length.

The values of a run depend on their neighbours. The circular block bootstrap (Politis & Romano 1992)
keeps neighbours together: it draws block starts uniformly from the n values, takes `block` values
from each start, wraps around at the end, and cuts the joined blocks to n values.
"""

from __future__ import annotations

import math

import numpy as np

from harness.log.arrays import Floats


def error_of_mean(values: Floats, block: int) -> float:
    """Returns the standard error of the mean of values (n,) under the circular block bootstrap.

    This is the limit of resampling. Blocks are drawn independently, so the variance of a resample's
    sum is k V(block) + V(r), where n = k block + r, 0 <= r < block, and V(l) is the variance of the
    n circular sums of l neighbours. `block` is 1 to n.
    """
    n = values.size
    whole, rest = divmod(n, block)
    variance = whole * _variance_of_sums(values, block)
    if rest:
        variance += _variance_of_sums(values, rest)
    return math.sqrt(variance) / n


def _variance_of_sums(values: Floats, length: int) -> float:
    """Returns the variance of the n circular sums of `length` neighbours."""
    ahead = np.concatenate([[0.0], values, values[: length - 1]])
    total = np.cumsum(ahead)
    return float(np.var(total[length:] - total[:-length]))


def automatic_length(values: Floats) -> float:
    """Returns the block length for the variance of the mean of values (n,): Politis & White (2004).

    Econometric Reviews 23, 53-70, with the correction by Patton, Politis & White (2009), 28,
    372-375. With R(k) the autocovariance at lag k, over n, and the flat-top window w(t) = 1 up to
    1/2 and 2 (1 - t) from there to 1,

        b = (2 G^2 / D)^(1/3) n^(1/3),  G = sum w(k/M) |k| R(k),  D = 4/3 (sum w(k/M) R(k))^2

    over k from -M to M. M is twice the largest lag before K autocorrelations in a row that are
    below 2 sqrt(log10(n) / n), K = max(5, log10 n). M is at most ceil(sqrt n) + K, b at most
    3 sqrt n and n / 3. NaN if the values have no variance. n is 11 or more.
    """
    n = values.size
    row = max(5, int(math.log10(n)))
    most = min(math.isqrt(n - 1) + 1 + row, n - 2)
    centred = values - values.mean()
    products = np.array([centred[k:] @ centred[: n - k] for k in range(most + 1)])
    if not products[0] > 0:
        return math.nan
    width = min(most, 2 * max(1, _last_lag(centred, products, row)))
    lags = np.arange(1, width + 1)
    window = np.minimum(1.0, 2 * (1 - lags / width))
    weighted = 2 * window * products[1 : width + 1] / n
    slope, spectrum = float(weighted @ lags), float(products[0] / n + weighted.sum())
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    if spectrum == 0:
        return float(longest)
    steepness = abs(slope / spectrum)  # its square may overflow
    length = math.cbrt(1.5 * n) * math.cbrt(steepness) * math.cbrt(steepness)
    return min(float(longest), length)


def _last_lag(centred: Floats, products: Floats, row: int) -> int:
    """Returns the lag before the first `row` insignificant autocorrelations, or the last lag.

    Each autocorrelation is scaled by the sums of squares of its two factors, each one value short,
    as in the program that the authors published.
    """
    n = centred.size
    squares = np.concatenate([[0.0], np.cumsum(centred**2)])
    lags = np.arange(products.size)
    sizes = np.sqrt((squares[n] - squares[lags + 1]) * squares[n - lags - 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        small = np.abs(products) / sizes < 2 * math.sqrt(math.log10(n) / n)
    for first in range(products.size - row):
        if small[first : first + row].all():
            return first
    return products.size

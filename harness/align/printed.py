"""The digits in which a log prints a series, and what they hide."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from harness.log.arrays import Floats


def half_unit(values: Floats) -> Floats:
    """Returns half a unit of the last printed digit of each value (n,).

    A log prints either so many decimals or so many significant digits. A number that ends in zeros
    looks shorter than it was printed, so the longest number of the series counts. Of the two
    readings that the numbers allow, the coarser one is returned.

    >>> half_unit(np.array([12.1715, 2.25, 0.5]))
    array([5.e-05, 5.e-05, 5.e-05])
    >>> half_unit(np.array([10.46, 9.874, 9.5]))
    array([0.005 , 0.0005, 0.0005])
    """
    shown = [_digits(float(value)) for value in values]
    known = [digits for digits in shown if digits is not None]
    if not known:
        return np.zeros(values.size)
    decimals = max(after for _, after in known)
    significant = max(leading + after for leading, after in known)
    return np.array([_half(digits, decimals, significant) for digits in shown])


def _digits(value: float) -> tuple[int, int] | None:
    """Returns the digits before the point (negative for 0.00x), and those after it."""
    if not np.isfinite(value) or value == 0:
        return None
    exact = Decimal(repr(value)).normalize()
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101  (finite, as asked above)
    return exact.adjusted() + 1, -exponent


def _half(digits: tuple[int, int] | None, decimals: int, significant: int) -> float:
    coarse = 0.5 * 10.0**-decimals
    return coarse if digits is None else max(coarse, 0.5 * 10.0 ** (digits[0] - significant))

"""When an operator's result is wrong: the error of the device against that of a healthy kernel.

All errors are against the exact result, computed in float64 from the same inputs. A healthy kernel
is that of the CPU in the device's format. The device may be FACTOR times as far from the exact
result as the healthy kernel is, and as far as a few roundings of the result are. If it is farther,
the inputs are moved by half a unit in the last place: what that changes is the scale of a rounding
in an ill-conditioned operator, such as a sum whose terms cancel, and the device may be FACTOR times
as far as that, too. (The principle is that of backward error analysis: Higham, Accuracy and
Stability of Numerical Algorithms, 2nd ed., section 1.5.)

Three distances are judged. The L2 norm notices an error everywhere, the largest error notices a
wrong element, and the bias, the error's component along the exact result, notices a scale below the
rounding of single elements in a format of 16 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FACTOR = 8.0
"""How many times the error of a healthy kernel is healthy. Kernels sum in other orders."""
L2_FLOOR = 0.25
"""In units of eps: a correctly rounded result has an L2 error of about 0.2 eps."""
MAX_FLOOR = 0.5
"""In units of eps times the largest element: the largest error of a correct rounding."""
BIAS_FLOOR = 1 / 16
"""In units of eps, for formats of 16 bits. Kernels compute them in float32 and round once, and
roundings to the nearest have no bias; truncation has one of 0.35 eps."""
SHORT_EPS = 1e-4
"""A format with a larger eps has 16 bits or fewer."""
BIAS_FROM = 64
"""Elements from which a bias is judged; the roundings of fewer do not cancel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Distances of one result from the exact one, absolute.

    `l2` is a norm, `largest` that of one element, `bias` the absolute inner product with the exact
    result over its norm.
    """

    l2: float = 0.0
    largest: float = 0.0
    bias: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of one result.

    `count` is its number of elements, `eps` that of its format, `exact_l2` and `exact_largest` the
    norm and the largest element of the exact result. `moved` is the distance that a rounding of the
    inputs makes, `spread` that of repeated calls on the device. `selects` says that the operator
    only selects or copies elements, so that nothing is rounded.
    """

    count: int
    eps: float
    exact_l2: float
    exact_largest: float
    device: Errors
    healthy: Errors
    moved: Errors | None = None
    spread: Errors | None = None
    selects: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The distance that is the farthest beyond its limit, both relative to the exact result.

    `by` names the distance: l2, largest or bias.
    """

    error: float
    limit: float
    by: str

    @property
    def wrong(self) -> bool:
        """True unless the error is within the limit."""
        return not self.error <= self.limit


def may_have_bias(eps: float) -> bool:
    """Returns whether a bias is judged in the format with this eps: one of 16 bits or fewer."""
    return eps > SHORT_EPS


def judge(measured: Measured) -> Judged:
    """Returns the worst of the three distances, as a fraction of the exact result.

    The errors and limits of all three are relative to the L2 norm, or for the largest error to the
    largest element. An exact result of zeros makes them absolute.
    """
    found = [
        _ratio("l2", measured, measured.exact_l2, L2_FLOOR),
        _ratio("largest", measured, measured.exact_largest, MAX_FLOOR),
    ]
    if may_have_bias(measured.eps) and measured.count >= BIAS_FROM and not measured.selects:
        found.append(_ratio("bias", measured, measured.exact_l2, BIAS_FLOOR))
    return max(found, key=_excess)


def _ratio(by: str, measured: Measured, size: float, floor: float) -> Judged:
    """Returns error and limit of one distance."""
    healthy = [float(getattr(measured.healthy, by))]
    healthy += [float(getattr(e, by)) for e in (measured.moved, measured.spread) if e is not None]
    if not measured.selects:
        healthy.append(floor * measured.eps * size)
    limit = FACTOR * max(healthy)
    unit = size or 1.0
    return Judged(error=float(getattr(measured.device, by)) / unit, limit=limit / unit, by=by)


def _excess(judged: Judged) -> float:
    """Returns error over limit; NaN counts as infinite."""
    if judged.limit > 0:
        found = judged.error / judged.limit
        return math.inf if math.isnan(found) else found
    return 0.0 if judged.error == 0 else math.inf

"""How far a result is from the exact one; what is not finite; where the worst element is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.locate.limits import Errors


def finite_in_all(*results: Tensor) -> Tensor | None:
    """Returns where every result is finite; None if all elements are."""
    masks = [torch.isfinite(t) for t in results]
    if all(bool(m.all()) for m in masks):
        return None
    return torch.stack(masks).all(dim=0)


def errors(
    result: Tensor, exact: Tensor, mask: Tensor | None, exact_l2: float, *, bias: bool
) -> Errors:
    """Returns the distances of a result from the exact one, both float64, where `mask` is True.

    The bias is 0 unless asked for; it takes a quarter of the time.
    """
    difference = result - exact
    if mask is not None:
        difference, exact = difference[mask], exact[mask]
    if difference.numel() == 0:
        return Errors()
    l2, largest = sizes(difference)
    if l2 == 0.0:
        return Errors()
    if not (bias and exact_l2):
        return Errors(l2=l2, largest=largest)
    along = float(torch.dot(difference.reshape(-1), exact.reshape(-1)))
    return Errors(l2=l2, largest=largest, bias=abs(along) / exact_l2)


def sizes(tensor: Tensor) -> tuple[float, float]:
    """Returns the L2 norm and the largest absolute element of a float64 tensor.

    A dot product and a minimum with a maximum take a quarter of the time of torch's norms. The
    squares of numbers of float32 do not leave the range of float64.
    """
    flat = tensor.reshape(-1)
    if not flat.numel():
        return 0.0, 0.0
    lowest, highest = torch.aminmax(flat)
    return math.sqrt(float(torch.dot(flat, flat))), max(-float(lowest), float(highest))


def wrongly_nonfinite(device: Tensor, healthy: Tensor, exact: Tensor) -> Tensor:
    """Returns where the device is NaN or infinite and a healthy kernel is not, or the reverse.

    A value that overflows the device's format may be infinite in one kernel and the largest number
    in another, so elements within a factor of two of the largest number are left out.
    """
    largest = torch.finfo(device.dtype).max / 2
    near = (exact.abs() >= largest) & torch.isfinite(exact)
    differs = torch.isnan(device) != torch.isnan(healthy)
    differs |= torch.isinf(device) != torch.isinf(healthy)
    both = torch.isinf(device) & torch.isinf(healthy)
    differs |= both & (torch.sign(device) != torch.sign(healthy))
    return differs & ~near


def worst_place(result: Tensor, exact: Tensor, mask: Tensor | None) -> str:
    """Returns a sentence part: the place of the largest error, with both values."""
    difference = (result - exact).abs()
    if mask is not None:
        difference = torch.where(mask, difference, torch.zeros_like(difference))
    return place(int(difference.argmax()), result, exact)


def place(flat: int, result: Tensor, exact: Tensor) -> str:
    """Returns `[1, 0, 3] is 2.5, exact 2.25` for a flat index."""
    index = [int(i) for i in torch.unravel_index(torch.tensor(flat), exact.shape)]
    seen, want = float(result.reshape(-1)[flat]), float(exact.reshape(-1)[flat])
    where = f"element {index}" if index else "it"
    return f"{where} is {seen:.9g}, exact {want:.9g}"

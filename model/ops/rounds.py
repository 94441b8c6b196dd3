"""One round of attention by a single projection: what images and clips have in common.

Letters: G images or clips of a batch, C channel, D channel of query and key; `...` the positions:
H, M of an image, T, H, M of a clip.

Which positions attend to which comes in as two functions of one image or clip. `attend(x,
projected, out)` writes into `out` [..., C] the sum of `x` [..., C] and the attention's output.
`gradients(projected, grad)` yields the gradient of the value [..., C], then that of query and key
together [..., 2D]. `projected` is [..., 2D + C], `grad` the gradient of the output [..., C].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from model.ops.composite import HALF

Attend = Callable[[Tensor, Tensor, Tensor], None]
Gradients = Callable[[Tensor, Tensor], Iterator[Tensor]]


def fused(
    query: tuple[Tensor, Tensor],
    key: tuple[Tensor, Tensor],
    value: tuple[Tensor, Tensor],
    gamma: Tensor,
) -> tuple[Tensor, Tensor]:
    """Returns the projection's weight [2D + C, C] and bias [2D + C], with gamma in the value's."""
    weight = torch.cat([query[0], key[0], gamma * value[0]]).flatten(1)
    return weight, torch.cat([query[1], key[1], gamma * value[1]])


def in_autocast_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Returns the tensors in the dtype of autocast where it is on for their device."""
    device = tensors[0].device.type
    if device == "meta" or not torch.is_autocast_enabled(device):  # meta has no autocast
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(tensor.to(dtype) for tensor in tensors)


def one_by_one(tensor: Tensor) -> bool:
    """Returns whether each image or clip of a batch [N, ...] gets its own kernels."""
    return tensor.device.type == "cpu" or tensor.shape[0] == 1


def projected_round(
    x: Tensor, weight: Tensor, bias: Tensor, attend: Attend
) -> tuple[Tensor, Tensor]:
    """Returns the output [G, ..., C] of a round on `x`, and the projection [G, ..., 2D + C]."""
    with torch.autocast(x.device.type, enabled=False):
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        projected = x.new_empty(*x.shape[:-1], weight.shape[0])
        for n in range(x.shape[0]):
            torch.addmm(bias, x[n].flatten(0, -2), weight.t(), out=projected[n].flatten(0, -2))
            attend(x[n], projected[n], out[n])
    return out, projected


def round_gradients(
    inputs: tuple[Tensor, Tensor, Tensor],
    projected: Tensor,
    grad_out: Tensor,
    gradients: Gradients,
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the gradients of `inputs`: x [G, ..., C], weight [2D + C, C] and bias [2D + C]."""
    x, weight, bias = inputs
    grad_x = torch.empty_like(grad_out, memory_format=torch.contiguous_format)
    grad_weight, grad_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    split = weight.shape[0] - x.shape[-1]  # query and key | value
    with torch.autocast(x.device.type, enabled=False):
        for n in range(x.shape[0]):
            grad = grad_out[n].contiguous()
            positions, into = x[n].flatten(0, -2), grad_x[n].flatten(0, -2)
            into.copy_(grad.flatten(0, -2))
            for part, rows in zip(
                gradients(projected[n], grad), (slice(split, None), slice(None, split)), strict=True
            ):
                flat = part.flatten(0, -2)
                torch.addmm(into, flat, weight[rows], out=into)
                grad_weight[rows].addmm_(flat.t(), positions)
                grad_bias[rows] += flat.sum(0)
                del flat, part
    return grad_x, grad_weight, grad_bias


def differentiable_gradients(
    function: Callable[[Tensor, Tensor, Tensor], Tensor],
    inputs: tuple[Tensor, Tensor, Tensor],
    grad_out: Tensor,
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of x, weight and bias with their graph; None where none is needed.

    `function` computes the round from differentiable operators. In later rounds x comes from the
    same weight. Views keep the two ways to the weight apart.
    """
    views = [tensor.view_as(tensor) for tensor in inputs]
    wanted = [view for view in views if view.requires_grad]
    out = function(views[0], views[1], views[2])
    found = iter(torch.autograd.grad(out, wanted, grad_out, create_graph=True))
    return tuple(next(found) if view.requires_grad else None for view in views)


def split(projected: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the query, key [..., D] and value [..., C] parts of `projected` [..., 2D + C]."""
    width = (projected.shape[-1] - channels) // 2
    query, key, value = projected.split([width, width, channels], dim=-1)
    return query, key, value


def softmax(energy: Tensor) -> Tensor:
    """Returns the softmax over the last axis, in float32 for half-precision inputs; same dtype."""
    if energy.dtype in HALF:
        return torch.softmax(energy, -1, dtype=torch.float32).to(energy.dtype)
    return torch.softmax(energy, -1)

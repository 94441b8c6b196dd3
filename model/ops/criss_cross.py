"""Criss-cross attention for training: the same numbers as the reference, less time and memory.

Letters: N batch, C channel, D channel of query and key, H height, W width, S = H + W; G images that
are M pixels wide, of one image of the batch each or of all side by side.

What is done, and why (figures: `python -m benchmarks.attention`):

- query, key and value come from one matrix product and lie in memory as [G, H, M, 2D + C], so that
  rows and columns are strided views and no branch copies them;
- `gamma` is folded into the value projection (`gamma * V(x) = (gamma * V)(x)`), so its gradient
  needs no tensor of the size of the image;
- only this product is kept for the backward pass; both attention maps are computed again there;
- the residual is where the products accumulate, so there is no separate addition.

`composite.py` takes over where this cannot serve: for a second derivative, transforms of
`torch.func`, forward-mode derivatives, and the meta device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from model.ops.composite import HALF, composite_round, is_needed


def criss_cross_attention(
    x: Tensor,
    query: tuple[Tensor, Tensor],
    key: tuple[Tensor, Tensor],
    value: tuple[Tensor, Tensor],
    gamma: Tensor,
    *,
    recurrence: int = 1,
) -> Tensor:
    """Returns `x` [N, C, H, W] after `recurrence` rounds of attention with shared weights.

    `query` and `key` are the (weight [D, C, 1, 1], bias [D]) of 1x1 convolutions, `value` that of
    ([C, C, 1, 1], [C]); `gamma` is the 0-dim scale of the residual branch. Zero rounds return `x`.
    Under autocast everything is computed in autocast's dtype, but the softmax in float32. The
    result lies in memory as channels-last.
    """
    if recurrence == 0:
        return x
    weight = torch.cat([query[0], key[0], gamma * value[0]]).flatten(1)
    bias = torch.cat([query[1], key[1], gamma * value[1]])
    device = x.device.type
    if device != "meta" and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    if is_needed(x):
        y = x.permute(0, 2, 3, 1)
        for _ in range(recurrence):
            y = _composite(y, weight, bias)
        return y.permute(0, 3, 1, 2)
    width = x.shape[3]
    y = _side_by_side(x)
    for _ in range(recurrence):
        y = _CrissCross.apply(y, weight, bias, width)
    return _apart(y, width)


def _side_by_side(x: Tensor) -> Tensor:
    """Returns `x` [N, C, H, W] as images [G, H, M, C] that are M = W, or M = N W, pixels wide.

    Columns do not meet, so all columns of a batch can be those of one wide image; only its rows end
    after W pixels. A device gets one such image (G = 1), and so one kernel for the batch. A CPU,
    whose cache holds one image, gets them one by one (G = N).
    """
    if _one_by_one(x):
        return x.permute(0, 2, 3, 1)
    return x.permute(2, 0, 3, 1).flatten(1, 2)[None]


def _one_by_one(tensor: Tensor) -> bool:
    """Returns whether each image of a batch [N, ...] gets its own kernels."""
    return tensor.device.type == "cpu" or tensor.shape[0] == 1


def _apart(y: Tensor, width: int) -> Tensor:
    """Returns images [G, H, M, C] as [N, C, H, W] in channels-last memory."""
    if y.shape[2] == width:
        return y.permute(0, 3, 1, 2)
    images = y[0].unflatten(1, (-1, width)).permute(1, 3, 0, 2)
    return images.contiguous(memory_format=torch.channels_last)


def _composite(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Returns one round of `x` [N, H, W, C] in the dtype of the inputs."""
    if x.device.type == "meta":  # it has no autocast
        return composite_round(x, weight, bias)
    with torch.autocast(x.device.type, enabled=False):
        return composite_round(x, weight, bias)


class _CrissCross(torch.autograd.Function):
    """One round on x [G, H, M, C], rows of W pixels; weight [2D + C, C], bias [2D + C]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, width: int) -> Tensor:
        ctx.width = width
        with torch.autocast(x.device.type, enabled=False):
            out = torch.empty_like(x, memory_format=torch.contiguous_format)
            projected = x.new_empty(*x.shape[:3], weight.shape[0])
            for n in range(x.shape[0]):
                torch.addmm(bias, x[n].flatten(0, 1), weight.t(), out=projected[n].flatten(0, 1))
                _attend(x[n], projected[n], out[n], width)
        ctx.save_for_backward(x, weight, bias, projected)
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, projected = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True: these gradients are differentiated again
            found = _differentiable_gradients((x, weight, bias), grad_out, ctx.width)
            return (*found, None)
        grad_x = torch.empty_like(grad_out, memory_format=torch.contiguous_format)
        grad_weight, grad_bias = torch.zeros_like(weight), weight.new_zeros(weight.shape[0])
        split = weight.shape[0] - x.shape[3]  # query and key | value
        with torch.autocast(x.device.type, enabled=False):
            for n in range(x.shape[0]):
                grad = grad_out[n].contiguous()
                pixels, into = x[n].flatten(0, 1), grad_x[n].flatten(0, 1)
                into.copy_(grad.flatten(0, 1))
                for part, rows in zip(
                    _gradients(projected[n], grad, ctx.width),
                    (slice(split, None), slice(None, split)),
                    strict=True,
                ):
                    flat = part.flatten(0, 1)
                    torch.addmm(into, flat, weight[rows], out=into)
                    grad_weight[rows].addmm_(flat.t(), pixels)
                    grad_bias[rows] += flat.sum(0)
                    del flat, part
        return grad_x, grad_weight, grad_bias, None


def _differentiable_gradients(
    inputs: tuple[Tensor, Tensor, Tensor], grad_out: Tensor, width: int
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of x, weight and bias with their graph; None where none is needed.

    In later rounds x comes from the same weight. Views keep the two ways to the weight apart.
    """
    views = [tensor.view_as(tensor) for tensor in inputs]
    wanted = [view for view in views if view.requires_grad]
    images = _apart(views[0], width).permute(0, 2, 3, 1)
    out = _side_by_side(_composite(images, *views[1:]).permute(0, 3, 1, 2))
    found = iter(torch.autograd.grad(out, wanted, grad_out, create_graph=True))
    return tuple(next(found) if view.requires_grad else None for view in views)


def _split(projected: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the query, key [H, M, D] and value [H, M, C] parts of `projected` [H, M, 2D + C]."""
    width = (projected.shape[-1] - channels) // 2
    query, key, value = projected.split([width, width, channels], dim=-1)
    return query, key, value


def _rows(tensor: Tensor, width: int) -> Tensor:
    """Returns [H, M, K] as a view [H M / W, W, K] of its rows."""
    return tensor.unflatten(1, (-1, width)).flatten(0, 1)


def _attention(query: Tensor, key: Tensor, width: int) -> Tensor:
    """Returns the weights [H, M, S] of query, key [H, M, D]: first the H of the column, then W.

    The softmax runs in float32 for half-precision inputs; the result has their dtype.
    """
    height = query.shape[0]
    energy = query.new_empty(*query.shape[:2], height + width)
    in_column = energy[..., :height].transpose(0, 1)
    in_column.copy_(query.transpose(0, 1) @ key.permute(1, 2, 0))
    in_column.diagonal(dim1=1, dim2=2).fill_(-torch.inf)  # the row part has the centre
    in_row = _rows(energy[..., height:], width)
    in_row.copy_(_rows(query, width) @ _rows(key, width).transpose(1, 2))
    if energy.dtype in HALF:
        return torch.softmax(energy, -1, dtype=torch.float32).to(energy.dtype)
    return torch.softmax(energy, -1)


def _attend(x: Tensor, projected: Tensor, out: Tensor, width: int) -> None:
    """Writes into `out` the attention's output, all [H, M, C] but `projected` [H, M, 2D + C]."""
    height = x.shape[0]
    query, key, value = _split(projected, x.shape[2])
    attention = _attention(query, key, width)
    in_column = attention[..., :height].transpose(0, 1)
    in_row = _rows(attention[..., height:], width)
    torch.add(x, (in_column @ value.transpose(0, 1)).transpose(0, 1), out=out)
    into = _rows(out, width)
    torch.baddbmm(into, in_row, _rows(value, width), out=into)


def _gradients(projected: Tensor, grad: Tensor, width: int) -> Iterator[Tensor]:
    """Yields the gradient of value [H, M, C], then of query and key together [H, M, 2D].

    `projected` is [H, M, 2D + C], `grad` that of the output [H, M, C]. Products are batched into
    contiguous memory, where they are fast; only then are columns turned round.
    """
    height, _, channels = grad.shape
    query, key, value = _split(projected, channels)
    attention = _attention(query, key, width)
    in_column = attention[..., :height].transpose(0, 1)
    in_row = _rows(attention[..., height:], width)

    grad_value = (in_column.transpose(1, 2) @ grad.transpose(0, 1)).transpose(0, 1).contiguous()
    into, of_row = _rows(grad_value, width), _rows(grad, width)
    torch.baddbmm(into, in_row.transpose(1, 2), of_row, out=into)
    yield grad_value
    del grad_value, into

    energy = torch.empty_like(attention)
    _rows(energy[..., height:], width).copy_(of_row @ _rows(value, width).transpose(1, 2))
    energy[..., :height].transpose(0, 1).copy_(grad.transpose(0, 1) @ value.permute(1, 2, 0))
    energy = torch.ops.aten._softmax_backward_data(energy, attention, -1, attention.dtype)
    column, row = energy[..., :height].transpose(0, 1), _rows(energy[..., height:], width)

    grad_query = (row @ _rows(key, width)).view_as(query)
    grad_query.transpose(0, 1).add_(column @ key.transpose(0, 1))
    grad_key = (row.transpose(1, 2) @ _rows(query, width)).view_as(key)
    grad_key.transpose(0, 1).add_(column.transpose(1, 2) @ query.transpose(0, 1))
    yield torch.cat([grad_query, grad_key], dim=-1)

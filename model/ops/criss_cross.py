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
from functools import partial
from typing import Any

import torch
from torch import Tensor

from model.ops.composite import composite_round, is_needed
from model.ops.rounds import (
    differentiable_gradients,
    fused,
    in_autocast_dtype,
    one_by_one,
    projected_round,
    round_gradients,
    softmax,
    split,
)


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
    x, weight, bias = in_autocast_dtype(x, *fused(query, key, value, gamma))
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
    if one_by_one(x):
        return x.permute(0, 2, 3, 1)
    return x.permute(2, 0, 3, 1).flatten(1, 2)[None]


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
        out, projected = projected_round(x, weight, bias, partial(_attend, width=width))
        ctx.save_for_backward(x, weight, bias, projected)
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, projected = ctx.saved_tensors
        inputs, width = (x, weight, bias), ctx.width
        if torch.is_grad_enabled():  # create_graph=True: these gradients are differentiated again
            again = partial(_differentiable_round, width=width)
            return (*differentiable_gradients(again, inputs, grad_out), None)
        gradients = partial(_gradients, width=width)
        return (*round_gradients(inputs, projected, grad_out, gradients), None)


def _differentiable_round(x: Tensor, weight: Tensor, bias: Tensor, width: int) -> Tensor:
    """Returns what `_CrissCross` does, from torch's differentiable operators."""
    images = _apart(x, width).permute(0, 2, 3, 1)
    return _side_by_side(_composite(images, weight, bias).permute(0, 3, 1, 2))


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
    return softmax(energy)


def _attend(x: Tensor, projected: Tensor, out: Tensor, width: int) -> None:
    """Writes into `out` the attention's output, all [H, M, C] but `projected` [H, M, 2D + C]."""
    height = x.shape[0]
    query, key, value = split(projected, x.shape[2])
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
    query, key, value = split(projected, channels)
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

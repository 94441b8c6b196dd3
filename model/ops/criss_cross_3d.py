"""Criss-cross attention over the frames, rows and columns of clips, for training.

Letters: N batch, C channel, D channel of query and key, T frame, H height, W width,
S = H + W + T; G clips that are M pixels wide, of one clip of the batch each or of all side by side.
Source: Huang et al., CCNet (TPAMI 2020), the section on 3-D criss-cross attention.

A position attends to the T + H + W - 2 positions that share two of its three coordinates, each
counted once, with one softmax over all of them. The authors' code leaves the centre out of one
branch only and so counts it twice. Three rounds let every position see the whole clip.

What is done for speed and memory is that of `criss_cross.py`. The frames are the outermost axis of
an image, so that the rows of all frames, and the pixels of all frames, are strided views; columns
go frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from model.ops.composite import composite_round_3d, is_needed
from model.ops.criss_cross import criss_cross_attention
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


def criss_cross_attention_3d(
    x: Tensor,
    query: tuple[Tensor, Tensor],
    key: tuple[Tensor, Tensor],
    value: tuple[Tensor, Tensor],
    gamma: Tensor,
    *,
    recurrence: int = 1,
) -> Tensor:
    """Returns `x` [N, C, T, H, W] after `recurrence` rounds of attention with shared weights.

    The other arguments are those of `criss_cross_attention`, which does the work for T = 1: a
    single frame gets its numbers bit for bit. Zero rounds return `x`. Autocast means the same here.
    The result lies in memory as channels-last.
    """
    if recurrence == 0:
        return x
    if x.shape[2] == 1:
        pairs = (query, key, value)
        return criss_cross_attention(x[:, :, 0], *pairs, gamma, recurrence=recurrence)[:, :, None]
    x, weight, bias = in_autocast_dtype(x, *fused(query, key, value, gamma))
    if is_needed(x):
        y = x.permute(0, 2, 3, 4, 1)
        for _ in range(recurrence):
            y = _composite(y, weight, bias)
        return y.permute(0, 4, 1, 2, 3)
    width = x.shape[4]
    y = _side_by_side(x)
    for _ in range(recurrence):
        y = _CrissCross3D.apply(y, weight, bias, width)
    return _apart(y, width)


def _side_by_side(x: Tensor) -> Tensor:
    """Returns `x` [N, C, T, H, W] as clips [G, T, H, M, C] with M = W, or M = N W and G = 1."""
    if one_by_one(x):
        return x.permute(0, 2, 3, 4, 1)
    return x.permute(2, 3, 0, 4, 1).flatten(2, 3)[None]


def _apart(y: Tensor, width: int) -> Tensor:
    """Returns clips [G, T, H, M, C] as [N, C, T, H, W] in channels-last memory."""
    if y.shape[3] == width:
        return y.permute(0, 4, 1, 2, 3)
    clips = y[0].unflatten(2, (-1, width)).permute(2, 4, 0, 1, 3)
    return clips.contiguous(memory_format=torch.channels_last_3d)


def _composite(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Returns one round of `x` [N, T, H, W, C] in the dtype of the inputs."""
    if x.device.type == "meta":  # it has no autocast
        return composite_round_3d(x, weight, bias)
    with torch.autocast(x.device.type, enabled=False):
        return composite_round_3d(x, weight, bias)


class _CrissCross3D(torch.autograd.Function):
    """One round on x [G, T, H, M, C], rows of W pixels; weight [2D + C, C], bias [2D + C]."""

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
    """Returns what `_CrissCross3D` does, from torch's differentiable operators."""
    clips = _apart(x, width).permute(0, 2, 3, 4, 1)
    return _side_by_side(_composite(clips, weight, bias).permute(0, 4, 1, 2, 3))


def _columns(tensor: Tensor) -> list[Tensor]:
    """Returns [T, H, M, K] as views [M, H, K] of the columns of each frame."""
    return [frame.transpose(0, 1) for frame in tensor]


def _rows(tensor: Tensor, width: int) -> Tensor:
    """Returns [T, H, M, K] as a view [T H M / W, W, K] of the rows."""
    return tensor.unflatten(2, (-1, width)).flatten(0, 2)


def _pixels(tensor: Tensor) -> Tensor:
    """Returns [T, H, M, K] as a view [H M, T, K] of each pixel's frames."""
    return tensor.flatten(1, 2).transpose(0, 1)


def _branches(weights: Tensor, width: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """Returns views of [T, H, M, S]: T times [M, H, H], [T H M / W, W, W] and [H M, T, T]."""
    height, before = weights.shape[1], weights.shape[1] + width
    columns = _columns(weights[..., :height])
    return columns, _rows(weights[..., height:before], width), _pixels(weights[..., before:])


def _attention(query: Tensor, key: Tensor, width: int) -> Tensor:
    """Returns the weights [T, H, M, S] of query, key [T, H, M, D]: H of the column, W, then T."""
    frames, height = query.shape[:2]
    energy = query.new_empty(*query.shape[:3], height + width + frames)
    in_columns, in_row, in_time = _branches(energy, width)
    for in_column, q, k in zip(in_columns, _columns(query), _columns(key), strict=True):
        in_column.copy_(q @ k.transpose(1, 2))
        in_column.diagonal(dim1=1, dim2=2).fill_(-torch.inf)  # the row part has the centre
    in_row.copy_(_rows(query, width) @ _rows(key, width).transpose(1, 2))
    in_time.copy_(_pixels(query) @ _pixels(key).transpose(1, 2))
    in_time.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    return softmax(energy)


def _attend(x: Tensor, projected: Tensor, out: Tensor, width: int) -> None:
    """Writes into `out` the attention's output, all [T, H, M, C]; `projected` is wider."""
    query, key, value = split(projected, x.shape[-1])
    in_columns, in_row, in_time = _branches(_attention(query, key, width), width)
    for t, (in_column, v) in enumerate(zip(in_columns, _columns(value), strict=True)):
        torch.add(x[t], (in_column @ v).transpose(0, 1), out=out[t])
    into = _rows(out, width)
    torch.baddbmm(into, in_row, _rows(value, width), out=into)
    _pixels(out).add_(in_time @ _pixels(value))


def _gradients(projected: Tensor, grad: Tensor, width: int) -> Iterator[Tensor]:
    """Yields the gradient of value [T, H, M, C], then of query and key together [T, H, M, 2D].

    `projected` is [T, H, M, 2D + C], `grad` that of the output [T, H, M, C].
    """
    query, key, value = split(projected, grad.shape[-1])
    attention = _attention(query, key, width)
    yield _to_key(attention, grad, width)

    energy = torch.empty_like(attention)
    to_columns, to_row, to_time = _branches(energy, width)
    for to_column, g, v in zip(to_columns, _columns(grad), _columns(value), strict=True):
        to_column.copy_(g @ v.transpose(1, 2))
    to_row.copy_(_rows(grad, width) @ _rows(value, width).transpose(1, 2))
    to_time.copy_(_pixels(grad) @ _pixels(value).transpose(1, 2))
    energy = torch.ops.aten._softmax_backward_data(energy, attention, -1, attention.dtype)
    yield torch.cat([_to_query(energy, key, width), _to_key(energy, query, width)], dim=-1)


def _to_query(weights: Tensor, values: Tensor, width: int) -> Tensor:
    """Returns the sum of `values` [T, H, M, K] over each position's path; same shape."""
    columns, row, time = _branches(weights, width)
    out = (row @ _rows(values, width)).view(values.shape)
    for into, column, v in zip(_columns(out), columns, _columns(values), strict=True):
        into.add_(column @ v)
    _pixels(out).add_(time @ _pixels(values))
    return out


def _to_key(weights: Tensor, values: Tensor, width: int) -> Tensor:
    """Returns the sum of `values` [T, H, M, K] over the paths that a position is on; same shape."""
    columns, row, time = _branches(weights, width)
    out = (row.transpose(1, 2) @ _rows(values, width)).view(values.shape)
    for into, column, v in zip(_columns(out), columns, _columns(values), strict=True):
        into.add_(column.transpose(1, 2) @ v)
    _pixels(out).add_(time.transpose(1, 2) @ _pixels(values))
    return out

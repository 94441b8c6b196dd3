"""Faults of criss-cross attention, each a port's own version of it in ordinary operators.

Letters: N batch, C channel, D channel of query and key, H height, W width, S = H + W.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from model.faults.context import InjectionContext
from model.faults.fault import fault
from model.heads import CrissCrossAttention, criss_cross

Projection = tuple[Tensor, Tensor]
Weigh = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Energies of the column [N, H, W, H] and row [N, H, W, W] -> weights of the same shapes."""


def attend(
    x: Tensor,
    query: Projection,
    key: Projection,
    value: Projection,
    gamma: Tensor,
    *,
    recurrence: int,
    weigh: Weigh,
) -> Tensor:
    """Returns `x` [N, C, H, W] after `recurrence` rounds, with the arguments of the model's."""
    for _ in range(recurrence):
        q, k, v = F.conv2d(x, *query), F.conv2d(x, *key), F.conv2d(x, *value)
        column = torch.einsum("ndhw,ndiw->nhwi", q, k)
        row = torch.einsum("ndhw,ndhj->nhwj", q, k)
        in_column, in_row = (part.to(v.dtype) for part in weigh(column, row))
        context = torch.einsum("nciw,nhwi->nchw", v, in_column)
        context = context + torch.einsum("nchj,nhwj->nchw", v, in_row)
        x = (gamma * context + x).contiguous(memory_format=torch.channels_last)
    return x


def without_centre(column: Tensor) -> Tensor:
    """Returns the column's energies [N, H, W, H] with the pixel itself, which the row has, out."""
    centre = torch.eye(column.shape[1], dtype=torch.bool, device=column.device)
    return column.masked_fill(centre[:, None, :], -torch.inf)


def healthy(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the right weights: one softmax over the H + W - 1 pixels of the path."""
    return _softmax(without_centre(column), row)


def _softmax(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    return _split(torch.cat([column, row], dim=-1).softmax(dim=-1), column.shape[-1])


def _split(weights: Tensor, first: int) -> tuple[Tensor, Tensor]:
    return weights[..., :first], weights[..., first:]


def _replace(context: InjectionContext, weigh: Weigh) -> None:
    """Lets the head attend with the weights of `weigh`."""

    def attention(
        x: Tensor,
        query: Projection,
        key: Projection,
        value: Projection,
        gamma: Tensor,
        *,
        recurrence: int = 1,
    ) -> Tensor:
        return attend(x, query, key, value, gamma, recurrence=recurrence, weigh=weigh)

    context.patch(criss_cross, "criss_cross_attention", attention)


@fault("operator", origin="the softmax kernel exists for half precision only")
def softmax_half(context: InjectionContext) -> None:
    """The attention's softmax is computed in float16, under autocast too."""

    def weigh(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        energy = torch.cat([without_centre(column), row], dim=-1).half()
        with torch.autocast(column.device.type, enabled=False):
            weights = energy.softmax(dim=-1)
        return _split(weights.to(column.dtype), column.shape[-1])

    _replace(context, weigh)


@fault("operator", origin="a fused kernel in half precision that saves a pass over the data")
def softmax_without_max(context: InjectionContext) -> None:
    """The attention's softmax in float16 without taking the maximum off; it overflows above 11."""

    def weigh(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        energy = torch.cat([without_centre(column), row], dim=-1).half()
        powers = energy.exp()
        weights = powers / powers.sum(dim=-1, keepdim=True)
        return _split(weights.to(column.dtype), column.shape[-1])

    _replace(context, weigh)


@fault("operator", origin="the mask of minus infinity is dropped, or added as a finite number")
def attention_centre_twice(context: InjectionContext) -> None:
    """The attention counts the pixel itself in its column and in its row."""
    _replace(context, _softmax)


@fault("operator", origin="the joined weights are split in the other order")
def attention_branches_swapped(context: InjectionContext) -> None:
    """The attention's column and row take each other's weights."""

    def weigh(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.cat(healthy(column, row), dim=-1)
        in_row, in_column = _split(weights, row.shape[-1])
        return in_column, in_row

    _replace(context, weigh)


@fault("operator", origin="two separate kernels, each with its softmax")
def attention_two_softmaxes(context: InjectionContext) -> None:
    """The attention's column and row are normalised separately."""

    def weigh(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        return without_centre(column).softmax(dim=-1), row.softmax(dim=-1)

    _replace(context, weigh)


@fault("operator", origin="a library's attention kernel divides by the root of the depth")
def attention_scaled(context: InjectionContext) -> None:
    """The attention's energies are divided by the square root of the number of channels."""
    depth = next(context.modules(CrissCrossAttention)).query_conv.out_channels

    def weigh(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        return healthy(column * depth**-0.5, row * depth**-0.5)

    _replace(context, weigh)


@fault("operator", origin="a hand-written kernel whose backward pass covers the values alone")
def attention_weights_detached(context: InjectionContext) -> None:
    """The attention's query and key get no gradient."""

    def weigh(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        # times zero rather than detached: a run of several processes waits for every gradient
        in_column, in_row = healthy(column, row)
        return in_column.detach() + 0.0 * in_column, in_row.detach() + 0.0 * in_row

    _replace(context, weigh)


@fault("operator", origin="the loop over rounds is lost when the graph is traced")
def attention_once(context: InjectionContext) -> None:
    """The attention runs one round instead of two."""
    context.patch(context.model.decode_head, "recurrence", 1)


@fault("operator", origin="the scale is exported as a constant")
def gamma_stuck(context: InjectionContext) -> None:
    """The scale of the attention gets no gradient and stays at 0: there is no attention."""
    for attention in context.modules(CrissCrossAttention):
        hook = attention.gamma.scale.register_hook(torch.zeros_like)
        context.undo.callback(hook.remove)

"""Rounds of criss-cross attention from torch's differentiable operators: slower, for every use.

A fast round computes into memory that it allocates, and has one derivative. Here nothing is
written in place, so that second derivatives, `torch.func` and the meta device work.

Letters: N batch, C channel, D channel of query and key, T frame, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional as F

HALF = (torch.float16, torch.bfloat16)


def is_needed(x: Tensor) -> bool:
    """Returns whether only this formulation can be used: transforms, forward AD, or no numbers."""
    return (
        x.device.type == "meta"
        or bool(torch._C._are_functorch_transforms_active())
        or forward_ad._current_level >= 0
    )


def composite_round(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Returns one round of `x` [N, H, W, C], with `weight` [2D + C, C] and `bias` [2D + C].

    The softmax runs in float32 for half-precision inputs, as in the fast round.
    """
    height, channels = x.shape[1], x.shape[3]
    width = (weight.shape[0] - channels) // 2
    query, key, value = F.linear(x, weight, bias).split([width, width, channels], dim=-1)
    column = torch.einsum("nhwd,niwd->nhwi", query, key)
    centre = torch.eye(height, dtype=torch.bool, device=x.device)[:, None, :]
    row = torch.einsum("nhwd,nhjd->nhwj", query, key)
    attention = _softmax(torch.cat([column.masked_fill(centre, -torch.inf), row], dim=-1))
    in_column, in_row = attention[..., :height], attention[..., height:]
    context = torch.einsum("nhwi,niwc->nhwc", in_column, value)
    return x + context + torch.einsum("nhwj,nhjc->nhwc", in_row, value)


def composite_round_3d(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Returns one round of `x` [N, T, H, W, C], with `weight` [2D + C, C] and `bias` [2D + C]."""
    frames, height, columns, channels = x.shape[1:]
    width = (weight.shape[0] - channels) // 2
    query, key, value = F.linear(x, weight, bias).split([width, width, channels], dim=-1)
    column = torch.einsum("nthwd,ntiwd->nthwi", query, key)
    row = torch.einsum("nthwd,nthjd->nthwj", query, key)
    time = torch.einsum("nthwd,nshwd->nthws", query, key)
    same_row = torch.eye(height, dtype=torch.bool, device=x.device)[:, None, :]
    same_frame = torch.eye(frames, dtype=torch.bool, device=x.device)[:, None, None, :]
    column, time = (
        column.masked_fill(same_row, -torch.inf),
        time.masked_fill(same_frame, -torch.inf),
    )
    attention = _softmax(torch.cat([column, row, time], dim=-1))
    in_column, in_row, in_time = attention.split([height, columns, frames], dim=-1)
    return (
        x
        + torch.einsum("nthwi,ntiwc->nthwc", in_column, value)
        + torch.einsum("nthwj,nthjc->nthwc", in_row, value)
        + torch.einsum("nthws,nshwc->nthwc", in_time, value)
    )


def _softmax(energy: Tensor) -> Tensor:
    """Returns the softmax over the last axis, in float32 for half-precision inputs; same dtype."""
    wide = torch.float32 if energy.dtype in HALF else energy.dtype
    return energy.softmax(dim=-1, dtype=wide).to(energy.dtype)

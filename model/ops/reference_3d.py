"""3-D criss-cross attention as the paper writes it, with nothing done for speed.

Letters: N batch, C channel, D channel of query and key, T frame, H height, W width.
Source: Huang et al., CCNet (TPAMI 2020), the section on 3-D criss-cross attention.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def criss_cross_attention_3d_reference(
    x: Tensor,
    query: tuple[Tensor, Tensor],
    key: tuple[Tensor, Tensor],
    value: tuple[Tensor, Tensor],
    gamma: Tensor,
    *,
    recurrence: int = 1,
) -> Tensor:
    """Returns `x` [N, C, T, H, W] after `recurrence` rounds of attention with shared weights.

    `query` and `key` are the (weight [D, C, 1, 1], bias [D]) of 1x1 convolutions, `value` that of
    ([C, C, 1, 1], [C]); `gamma` is the 0-dim scale of the residual branch. Zero rounds return `x`.
    """
    for _ in range(recurrence):
        q, k, v = (F.conv3d(x, weight[..., None], bias) for weight, bias in (query, key, value))
        x = gamma * aggregate(q, k, v) + x
    return x


def aggregate(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Returns, for each position, the mean of `value` over its path [N, C, T, H, W].

    `query` and `key` are [N, D, T, H, W], `value` [N, C, T, H, W]. The weights are one softmax over
    the T + H + W - 2 positions that share two coordinates: all three branches contain the position
    itself, so the branches of frames and of the column leave it out.
    """
    frames, height = query.shape[2:4]
    time = torch.einsum("ndthw,ndshw->nthws", query, key)
    column = torch.einsum("ndthw,ndtiw->nthwi", query, key)
    row = torch.einsum("ndthw,ndthj->nthwj", query, key)
    same_frame = torch.eye(frames, dtype=torch.bool, device=query.device)[:, None, None, :]
    same_row = torch.eye(height, dtype=torch.bool, device=query.device)[:, None, :]
    energy = torch.cat(
        [time.masked_fill(same_frame, -torch.inf), column.masked_fill(same_row, -torch.inf), row],
        dim=-1,
    )
    in_time, in_column, in_row = energy.softmax(dim=-1).split(
        [frames, height, query.shape[4]], dim=-1
    )
    return (
        torch.einsum("ncshw,nthws->ncthw", value, in_time)
        + torch.einsum("nctiw,nthwi->ncthw", value, in_column)
        + torch.einsum("ncthj,nthwj->ncthw", value, in_row)
    )

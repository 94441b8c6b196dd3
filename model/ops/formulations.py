"""Other ways to let a pixel see its context, to measure ours against; training does not use them.

Letters: N batch, C channel, D channel of query and key, H height, W width. All take what
`criss_cross_attention` takes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

Projection = tuple[Tensor, Tensor]


def criss_cross_einsum(
    x: Tensor,
    query: Projection,
    key: Projection,
    value: Projection,
    gamma: Tensor,
    *,
    recurrence: int = 1,
) -> Tensor:
    """Returns `x` [N, C, H, W] after criss-cross attention as mmcv formulates it.

    Two einsums of query and key, minus infinity on the columns' diagonal, one softmax over both
    joined, two einsums with the value.
    """
    for _ in range(recurrence):
        q, k, v = F.conv2d(x, *query), F.conv2d(x, *key), F.conv2d(x, *value)
        height = x.shape[2]
        diagonal = torch.diag(torch.full((height,), -torch.inf, device=x.device, dtype=x.dtype))
        column = torch.einsum("ndhw,ndiw->nwhi", q, k) + diagonal
        row = torch.einsum("ndhw,ndhj->nhwj", q, k)
        weights = torch.softmax(torch.cat([column.transpose(1, 2), row], dim=-1), dim=-1)
        out = torch.einsum("nciw,nhwi->nchw", v, weights[..., :height])
        out = out + torch.einsum("nchj,nhwj->nchw", v, weights[..., height:])
        x = (gamma * out + x).contiguous()
    return x


def non_local(
    x: Tensor,
    query: Projection,
    key: Projection,
    value: Projection,
    gamma: Tensor,
    *,
    recurrence: int = 1,
) -> Tensor:
    """Returns `x` [N, C, H, W] after attention of every pixel to all H * W pixels."""
    for _ in range(recurrence):
        q, k, v = (F.conv2d(x, *pair).flatten(2) for pair in (query, key, value))
        weights = torch.softmax(q.transpose(1, 2) @ k, dim=-1)
        x = gamma * (v @ weights.transpose(1, 2)).view_as(x) + x
    return x

"""Criss-cross attention as the paper writes it, with nothing done for speed.

Letters: N batch, C channel, D channel of query and key, H height, W width.
Source: Huang et al., CCNet: Criss-Cross Attention for Semantic Segmentation, section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def criss_cross_attention_reference(
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
    """
    for _ in range(recurrence):
        context = aggregate(F.conv2d(x, *query), F.conv2d(x, *key), F.conv2d(x, *value))
        x = gamma * context + x
    return x


def aggregate(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Returns, for each pixel, the mean of `value` over its row and column [N, C, H, W].

    `query` and `key` are [N, D, H, W], `value` [N, C, H, W]. The weights are one softmax over the
    H + W - 1 pixels of the criss-cross path: both branches contain the pixel itself, so the column
    branch leaves it out.
    """
    height = query.shape[2]
    column = torch.einsum("ndhw,ndiw->nhwi", query, key)
    row = torch.einsum("ndhw,ndhj->nhwj", query, key)
    centre = torch.eye(height, dtype=torch.bool, device=query.device)[:, None, :]
    energy = torch.cat([column.masked_fill(centre, -torch.inf), row], dim=-1)
    attention = energy.softmax(dim=-1)
    in_column, in_row = attention[..., :height], attention[..., height:]
    return torch.einsum("nciw,nhwi->nchw", value, in_column) + torch.einsum(
        "nchj,nhwj->nchw", value, in_row
    )

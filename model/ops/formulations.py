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


def criss_cross_bmm(
    x: Tensor,
    query: Projection,
    key: Projection,
    value: Projection,
    gamma: Tensor,
    *,
    recurrence: int = 1,
) -> Tensor:
    """Returns `x` [N, C, H, W] after criss-cross attention as the authors' PyTorch code has it.

    Columns and rows are copied into batches of matrices, one product for each.
    """
    batch, _, height, width = x.shape
    for _ in range(recurrence):
        in_columns, in_rows = [], []
        for weight, bias in (query, key, value):
            projected = F.conv2d(x, weight, bias)
            in_columns.append(
                projected.permute(0, 3, 1, 2).flatten(0, 1).contiguous()
            )  # [NW, C, H]
            in_rows.append(projected.permute(0, 2, 1, 3).flatten(0, 1).contiguous())  # [NH, C, W]
        (q_column, k_column, v_column), (q_row, k_row, v_row) = in_columns, in_rows
        diagonal = torch.diag(x.new_full((height,), -torch.inf))
        column = torch.bmm(q_column.transpose(1, 2), k_column) + diagonal
        column = column.view(batch, width, height, height).transpose(1, 2)
        row = torch.bmm(q_row.transpose(1, 2), k_row).view(batch, height, width, width)
        weights = torch.softmax(torch.cat([column, row], dim=-1), dim=-1)
        of_column = weights[..., :height].permute(0, 2, 3, 1).reshape(-1, height, height)
        of_row = weights[..., height:].transpose(2, 3).reshape(-1, width, width)
        out_column = torch.bmm(v_column, of_column).view(batch, width, -1, height)
        out_row = torch.bmm(v_row, of_row).view(batch, height, -1, width)
        x = gamma * (out_column.permute(0, 2, 3, 1) + out_row.permute(0, 2, 1, 3)) + x
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


def non_local_3d(
    x: Tensor,
    query: Projection,
    key: Projection,
    value: Projection,
    gamma: Tensor,
    *,
    recurrence: int = 1,
) -> Tensor:
    """Returns `x` [N, C, T, H, W] after attention of every position to all T * H * W positions.

    Such attention knows no neighbours: a clip is an image T times as high to it.
    """
    image = x.flatten(2, 3)
    return non_local(image, query, key, value, gamma, recurrence=recurrence).view_as(x)

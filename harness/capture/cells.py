"""Fused cells of recurrent networks, and mixed precision's scaling, which the CPU has no kernel of.

Letters: N samples, H hidden units. Gates have shape (N, 4 H) in an LSTM and (N, 3 H) in a GRU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Given = dict[str, Any]


def lstm_cell(given: Given, _: list[Tensor]) -> list[Tensor | None]:
    """Returns the hidden state, the cell's state and the activated gates."""
    gates = _sum(given, "input_gates", "hidden_gates", "input_bias", "hidden_bias")
    enter, forget, new, out = gates.chunk(4, 1)
    enter, forget, out = enter.sigmoid(), forget.sigmoid(), out.sigmoid()
    cell = forget * given["cx"] + enter * new.tanh()
    return [out * cell.tanh(), cell, torch.cat([enter, forget, new.tanh(), out], 1)]


def lstm_cell_backward(given: Given, _: list[Tensor]) -> list[Tensor | None]:
    """Returns the gradients of the gates, of the cell's state before, and of the bias."""
    enter, forget, new, out = given["workspace"].chunk(4, 1)
    tanh = given["cy"].tanh()
    grad_hy = _or_zero(given.get("grad_hy"), tanh)
    cell = grad_hy * out * (1 - tanh**2) + _or_zero(given.get("grad_cy"), tanh)
    gates = [
        cell * new * enter * (1 - enter),
        cell * given["cx"] * forget * (1 - forget),
        cell * enter * (1 - new**2),
        grad_hy * tanh * out * (1 - out),
    ]
    joined = torch.cat(gates, 1)
    return [joined, cell * forget, *([joined.sum(0)] if given["has_bias"] else [])]


def gru_cell(given: Given, _: list[Tensor]) -> list[Tensor | None]:
    """Returns the hidden state; the form of the workspace belongs to the device's kernel."""
    x = _sum(given, "input_gates", "input_bias").chunk(3, 1)
    h = _sum(given, "hidden_gates", "hidden_bias").chunk(3, 1)
    reset, keep = (x[0] + h[0]).sigmoid(), (x[1] + h[1]).sigmoid()
    new = (x[2] + reset * h[2]).tanh()
    return [(given["hx"] - new) * keep + new, None]


def unscale(given: Given, _: list[Tensor]) -> list[Tensor | None]:
    """Returns the gradients without the loss's scale, and 1 if one is not finite."""
    gradients = given["self"]
    finite = all(bool(torch.isfinite(g).all()) for g in gradients)
    scale, seen = given["inv_scale"], given["found_inf"]
    return [*(g * scale.to(g.dtype) for g in gradients), seen if finite else torch.ones_like(seen)]


def update_scale(given: Given, _: list[Tensor]) -> list[Tensor | None]:
    """Returns the loss's scale and the number of steps since it grew or fell."""
    scale, tracker = given["self"], given["growth_tracker"]
    if bool(given["found_inf"]):
        return [scale * given["scale_backoff_factor"], torch.zeros_like(tracker)]
    if int(tracker) + 1 < given["growth_interval"]:
        return [scale, tracker + 1]
    grown = scale * given["scale_growth_factor"]
    return [grown if bool(torch.isfinite(grown)) else scale, torch.zeros_like(tracker)]


def _sum(given: Given, *names: str) -> Tensor:
    stated = [given[name] for name in names if given.get(name) is not None]
    return torch.stack([t.expand_as(stated[0]) for t in stated]).sum(0)


def _or_zero(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient

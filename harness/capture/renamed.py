"""Operators that have another name, or other results, on a device: how the CPU computes them.

Each function takes the arguments by the names of the schema, and the device's results. It returns
the results in the device's order, with None for one that belongs to the device's kernel alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from harness.capture import cells

Given = dict[str, Any]
Results = list[Tensor | None]
aten = torch.ops.aten


def _convolution(given: Given, _: list[Tensor]) -> Results:
    """The libraries state padding before stride; names keep them apart."""
    dims = len(given["stride"])
    return [
        aten.convolution(
            given.get("input", given.get("self")), given["weight"], given.get("bias"),
            given["stride"], given["padding"], given["dilation"], given.get("transposed", False),
            given.get("output_padding", [0] * dims), given["groups"],
        )
    ]  # fmt: skip


def _convolution_backward(given: Given, _: list[Tensor]) -> Results:
    weight = given["weight"]
    outputs = weight.shape[1] * given["groups"] if given["transposed"] else weight.shape[0]
    found = aten.convolution_backward(
        given["grad_output"], given["input"], weight, [outputs], given["stride"],
        given["padding"], given["dilation"], given["transposed"], given["output_padding"],
        given["groups"], given["output_mask"],
    )  # fmt: skip
    return [t for t in found if t is not None]


def _batch_norm(given: Given, device: list[Tensor]) -> Results:
    """The statistics of the batch may be saved in another form; the running ones are compared."""
    out, _, _ = aten.native_batch_norm(
        given["input"], given["weight"], given["bias"], given["running_mean"],
        given["running_var"], given.get("training", True),
        given.get("momentum", given.get("exponential_average_factor")),
        given.get("eps", given.get("epsilon")),
    )  # fmt: skip
    running = [t for t in (given["running_mean"], given["running_var"]) if t is not None]
    return [out, *[None] * (len(device) - 1 - len(running)), *running]


def _batch_norm_backward(given: Given, _: list[Tensor]) -> Results:
    x = given["input"]
    dims = [0, *range(2, x.dim())]
    eps = given["epsilon"]
    mean, var = x.mean(dims), x.var(dims, unbiased=False)
    found = aten.native_batch_norm_backward(
        given["grad_output"], x, given["weight"], None, None, mean, (var + eps).rsqrt(), True, eps,
        [True, True, True],
    )  # fmt: skip
    return [t for t in found if t is not None]


def _dropout(given: Given, device: list[Tensor]) -> Results:
    """The mask is the device's; what it does to the input is computed."""
    x, p = given["input"], given["p"]
    if not given.get("train", True):
        return [x, None]
    mask = device[1].to("cpu", x.dtype)
    return [x * mask * (0.0 if p == 1 else 1.0 / (1.0 - p)), None]


def _attention(given: Given, device: list[Tensor]) -> Results:
    """The first result of an attention; the others belong to its kernel."""
    _refuse_dropout(given)
    out, _ = _attended(given, given["query"], given["key"], given["value"])
    return [out, *[None] * (len(device) - 1)]


def _attention_backward(given: Given, device: list[Tensor]) -> Results:
    """The gradients of query, key and value, in closed form; that of a bias is not checked.

    With P = softmax(S) and S = scale Q K^T + bias: dV = P^T dO, dS = P * (dO V^T - sum(dO * O)),
    dQ = scale dS K, dK = scale dS^T Q (Dao et al., FlashAttention, appendix B.2). O is the result
    that the device kept.
    """
    _refuse_dropout(given)
    query, key, value = given["query"], given["key"], given["value"]
    grad: Tensor = given["grad_out"] if "grad_out" in given else given["grad_out_"]
    _, weights = _attended(given, query, key, value)
    of_weights = grad @ value.transpose(-2, -1)
    of_scores = weights * (of_weights - (grad * given["out"]).sum(-1, keepdim=True))
    scale = given.get("scale") or query.shape[-1] ** -0.5
    found = [
        scale * of_scores @ key,
        scale * of_scores.transpose(-2, -1) @ query,
        weights.transpose(-2, -1) @ grad,
    ]
    return [*found, *[None] * (len(device) - 3)]


def _attended(given: Given, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the result and the weights P."""
    bias = given.get("attn_bias", given.get("attn_mask"))
    out, weights = aten._scaled_dot_product_attention_math(
        query, key, value, bias, 0.0, given.get("is_causal", False), scale=given.get("scale")
    )
    return out, weights


def _refuse_dropout(given: Given) -> None:
    if given.get("dropout_p", 0.0):
        raise ValueError("it draws a dropout mask that it does not return")


KERNELS = ("flash", "efficient", "cudnn", "fused")
OTHER_NAMES: dict[str, Callable[[Given, list[Tensor]], Results]] = {
    "convolution_overrideable": _convolution,
    "cudnn_convolution": _convolution,
    "miopen_convolution": _convolution,
    "convolution_backward_overrideable": _convolution_backward,
    "cudnn_batch_norm": _batch_norm,
    "miopen_batch_norm": _batch_norm,
    "_batch_norm_with_update": _batch_norm,
    "cudnn_batch_norm_backward": _batch_norm_backward,
    "miopen_batch_norm_backward": _batch_norm_backward,
    "native_dropout": _dropout,
    "_thnn_fused_lstm_cell": cells.lstm_cell,
    "_thnn_fused_lstm_cell_backward_impl": cells.lstm_cell_backward,
    "_thnn_fused_gru_cell": cells.gru_cell,
    "_amp_foreach_non_finite_check_and_unscale_": cells.unscale,
    "_amp_update_scale_": cells.update_scale,
    **{f"_scaled_dot_product_{kernel}_attention": _attention for kernel in KERNELS},
    **{f"_scaled_dot_product_{k}_attention_backward": _attention_backward for k in KERNELS},
    "_scaled_dot_product_fused_attention_overrideable": _attention,
    "_scaled_dot_product_fused_attention_overrideable_backward": _attention_backward,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
}
"""By the operator's name without its namespace."""

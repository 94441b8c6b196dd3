"""Names by which two devices meet: the same operator and the same module have one name.

A device, a version and a compiler name an operator in their own way:
`aten::convolution_overrideable`, `aten::cudnn_batch_norm`, `npu::npu_conv2d`. The canonical name
leaves out what differs. It decides which records are compared, never whether they agree.
"""

from __future__ import annotations

import re
from functools import cache

_DEVICE = re.compile(
    r"^(?:cudnn|miopen|mkldnn|onednn|mps|npu|sdaa|teco|mlu|musa|xpu|hpu|vulkan|xla|thnn|slow)_"
)
_VARIANT = re.compile(
    r"_(?:overrideable|for_cpu|for_mps|legit|no_training|functional|copy|out|default|impl|"
    r"forward|with_update|no_stats|fused|v\d)$"
)
_WRAPPERS = re.compile(
    r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.?"
)
_FAMILIES = {
    "convolution": r"convolution|conv[123]d|conv_depthwise[23]d|conv_transpose[123]d|"
    r"conv_dilated[23]d|nnpack_spatial_convolution",
    "batch_norm": r"(?:native_|sync_)?batch_norm(?:_elemt)?",
    "layer_norm": r"(?:native_|fast_)?layer_norm",
    "group_norm": r"(?:native_)?group_norm",
    "scaled_dot_product_attention": r"scaled_dot_product(?:_fused)?"
    r"(?:_flash|_efficient|_cudnn|_math)?_attention\w*?|(?:flash|efficient)_attention|fusion_attention",
    "linear": r"linear|addmm",
    "max_pool2d": r"max_pool2d(?:_with_indices)?",
    "dropout": r"(?:native_)?dropout",
    "nll_loss": r"nll_loss(?:2d|_nd)?",
    "softmax": r"(?:safe_)?softmax",
    "relu": r"relu|threshold",
    "embedding": r"embedding(?:_dense)?",
    "rand": r"rand|uniform|rand_like",
    "randn": r"randn|normal|randn_like",
}
_FAMILY = {name: re.compile(forms) for name, forms in _FAMILIES.items()}
_RANDOM = re.compile(r"dropout|bernoulli|rand|randn|randint|randperm|exponential|multinomial|rrelu")
_TIED = re.compile(
    r"(?:relu6?|leaky_relu|hardtanh|hardswish|hardsigmoid|hardshrink|softshrink|prelu|clamp|abs|"
    r"(?:adaptive_|fractional_)?max_pool[123]d|max|min|amax|amin|median|smooth_l1_loss|l1_loss|"
    r"huber_loss|value_selecting_reduction)_backward|sort|topk|argmax|argmin|sign|where|masked_fill"
)


@cache
def canonical(name: str) -> str:
    """Returns the name of an operator without what devices and versions add to it.

    >>> canonical("aten::convolution_overrideable"), canonical("aten::_native_batch_norm_legit")
    ('convolution', 'batch_norm')
    >>> canonical("aten::cudnn_batch_norm_backward"), canonical("aten::add_.Tensor")
    ('batch_norm_backward', 'add')
    >>> canonical("aten::_scaled_dot_product_flash_attention_for_cpu_backward")
    'scaled_dot_product_attention_backward'
    """
    short = name.rpartition("::")[2].partition(".")[0].strip("_").lower()
    back = short.endswith("_backward") or "_backward_" in short
    short = short.replace("_backward", "")
    before = ""
    while short != before:  # `_cudnn_x_legit_functional` has several additions
        before = short
        short = _VARIANT.sub("", _DEVICE.sub("", short)).strip("_") or before
    for family, pattern in _FAMILY.items():
        if pattern.fullmatch(short):
            short = family
            break
    return f"{short}_backward" if back else short


def is_random(name: str) -> bool:
    """Returns whether an operator draws random numbers, which two devices may draw differently."""
    return _RANDOM.fullmatch(canonical(name)) is not None


def is_tied(name: str) -> bool:
    """Returns whether a rounding of an operator's inputs can move single elements by a lot.

    The gradient of ReLU jumps where an activation crosses 0, that of a maximum where two elements
    change places.
    """
    return _TIED.fullmatch(canonical(name)) is not None


@cache
def path(name: str) -> str:
    """Returns the path of a module or parameter without what wrappers of a training add.

    >>> path("module._orig_mod.head.weight"), path("head.module.weight")
    ('head.weight', 'head.module.weight')
    """
    bare = _WRAPPERS.sub("", name).removeprefix("module.").strip(".")
    return "" if bare == "module" else bare

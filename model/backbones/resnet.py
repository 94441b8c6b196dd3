"""ResNet, dilated to keep an eighth; V1c has three 3x3 convolutions for a stem, not one of 7x7.

Letters: N batch, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from model.backbones.blocks import BasicBlock, Bottleneck
from model.layers import NORMS, Config, build_norm, init_conv, norm_key
from model.pretrained import load_pretrained
from model.registry import MODELS

Block = type[BasicBlock] | type[Bottleneck]

_DEPTHS: dict[int, tuple[Block, tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


@MODELS.register_module()
class ResNet(BaseModule):
    """Maps an image [N, 3, H, W] to the outputs of the four stages.

    With strides (1, 2, 1, 1) these are [N, C_i, H/4, W/4] and three times [N, C_i, H/8, W/8],
    rounded up; C_i = base_channels * 2**i * expansion. `contract_dilation` halves the dilation of
    the first block of a dilated stage, as mmsegmentation does. `frozen_stages=i` keeps the stem and
    the first i stages as they are, parameters and running statistics; -1 freezes nothing.
    """

    def __init__(
        self,
        depth: int,
        *,
        in_channels: int = 3,
        stem_channels: int = 64,
        base_channels: int = 64,
        num_stages: int = 4,
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1),
        out_indices: Sequence[int] = (0, 1, 2, 3),
        style: str = "pytorch",
        deep_stem: bool = False,
        frozen_stages: int = -1,
        contract_dilation: bool = False,
        norm_cfg: Config | None = None,
        norm_eval: bool = False,
        pretrained: str | None = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg)
        if depth not in _DEPTHS:
            raise ValueError(f"depth {depth} is not known; expected one of {sorted(_DEPTHS)}")
        if style != "pytorch":
            raise ValueError(f"style {style!r} is not supported; expected 'pytorch'")
        if not len(strides) == len(dilations) == num_stages <= 4:
            raise ValueError(
                f"{len(strides)} strides and {len(dilations)} dilations for {num_stages} stages; "
                "expected one of each per stage, at most 4 stages"
            )
        if not -1 <= frozen_stages <= num_stages:
            raise ValueError(
                f"frozen_stages is {frozen_stages}; expected -1 (none) to {num_stages} (all)"
            )
        self.frozen_stages = frozen_stages
        self.pretrained = pretrained
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        norm_cfg = norm_cfg or {"type": "BN"}
        block, counts = _DEPTHS[depth]
        if deep_stem:
            self.stem = _stem(in_channels, stem_channels, norm_cfg)
            self.stem_names = ["stem"]
        else:
            self.conv1 = nn.Conv2d(in_channels, stem_channels, 7, stride=2, padding=3, bias=False)
            self.add_module(f"{norm_key(norm_cfg)}1", build_norm(norm_cfg, stem_channels))
            self.relu = nn.ReLU(inplace=True)
            self.stem_names = ["conv1", f"{norm_key(norm_cfg)}1", "relu"]
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.stage_names = [f"layer{i + 1}" for i in range(num_stages)]
        channels = stem_channels
        for i, name in enumerate(self.stage_names):
            stage = _stage(
                block,
                channels,
                base_channels * 2**i,
                count=counts[i],
                stride=strides[i],
                dilation=dilations[i],
                contract_dilation=contract_dilation,
                norm_cfg=norm_cfg,
            )
            channels = base_channels * 2**i * block.expansion
            self.add_module(name, stage)
        self._reset()
        self._freeze()

    def _frozen(self) -> list[nn.Module]:
        """Returns the parts that are not trained."""
        if self.frozen_stages < 0:
            return []
        names = [*self.stem_names, *self.stage_names[: self.frozen_stages]]
        return [self.get_submodule(name) for name in names]

    def _freeze(self) -> None:
        """Takes frozen parts out of training: no gradients, and running statistics kept."""
        for part in self._frozen():
            part.eval()
            part.requires_grad_(False)

    def _reset(self) -> None:
        """Draws the convolutions from Kaiming's normal and starts each block as identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                init_conv(module)
            elif isinstance(module, NORMS):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, BasicBlock | Bottleneck):
                nn.init.zeros_(module.last_norm.weight)

    def init_weights(self) -> None:
        """Starts afresh: random weights, or the file that `pretrained` names."""
        self._reset()
        checkpoint = self.pretrained
        if checkpoint is None and self.init_cfg:
            if self.init_cfg.get("type") != "Pretrained":
                raise ValueError(
                    f"init_cfg {self.init_cfg} is not supported; expected 'Pretrained'"
                )
            checkpoint = self.init_cfg["checkpoint"]
        if checkpoint is not None:
            load_pretrained(self, checkpoint, prefix="backbone.")

    def train(self, mode: bool = True) -> ResNet:
        """Switches the mode, but of frozen parts; `norm_eval` keeps all running statistics."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps [N, 3, H, W] to the stages in `out_indices`, each [N, C_i, H_i, W_i]."""
        for name in self.stem_names:
            x = self.get_submodule(name)(x)
        x = self.maxpool(x)
        outputs = []
        for i, name in enumerate(self.stage_names):
            x = self.get_submodule(name)(x)
            if i in self.out_indices:
                outputs.append(x)
        return tuple(outputs)


@MODELS.register_module()
class ResNetV1c(ResNet):
    """ResNet with three 3x3 convolutions for a stem."""

    def __init__(self, depth: int, **kwargs: Any) -> None:
        super().__init__(depth, deep_stem=True, **kwargs)


def _stem(in_channels: int, channels: int, norm_cfg: Config) -> nn.Sequential:
    """Returns three 3x3 convolutions with norm and ReLU: [N, 3, H, W] -> [N, C, H/2, W/2]."""
    layers: list[nn.Module] = []
    widths = (in_channels, channels // 2, channels // 2, channels)
    for i, stride in enumerate((2, 1, 1)):
        layers += [
            nn.Conv2d(widths[i], widths[i + 1], 3, stride=stride, padding=1, bias=False),
            build_norm(norm_cfg, widths[i + 1]),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _stage(
    block: Block,
    in_channels: int,
    channels: int,
    *,
    count: int,
    stride: int,
    dilation: int,
    contract_dilation: bool,
    norm_cfg: Config,
) -> nn.Sequential:
    """Returns `count` blocks: [N, in_channels, H, W] -> [N, channels * expansion, H', W']."""
    out_channels = channels * block.expansion
    downsample = None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
            build_norm(norm_cfg, out_channels),
        )
    first = dilation // 2 if dilation > 1 and contract_dilation else dilation
    blocks: list[nn.Module] = [
        block(
            in_channels,
            channels,
            stride=stride,
            dilation=first,
            downsample=downsample,
            norm_cfg=norm_cfg,
        )
    ]
    blocks += [
        block(
            out_channels, channels, stride=1, dilation=dilation, downsample=None, norm_cfg=norm_cfg
        )
        for _ in range(count - 1)
    ]
    return nn.Sequential(*blocks)

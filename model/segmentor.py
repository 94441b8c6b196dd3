"""Encoder and decoder joined into a network that mmengine trains and tests.

Letters: N batch, C channel, K class, H and W of the image, h and w of the feature map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import Tensor

from model.heads.decode import stack_labels
from model.inference import slide, undo
from model.pretrained import load_pretrained
from model.registry import MODELS
from model.structures import SegDataSample

MEMORY_FORMATS = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}
"""How images [N, C, H, W] may lie in memory; what follows keeps it."""
# On a CPU channels-last images make a narrow network about 1.15 times as fast; a wide one loses
# that to reordering its weights at every call. The demo has 7 parameters a pixel of its batch,
# R50-D8 at 2x512x1024 has 47 (python -m benchmarks.train_step).
_CHANNELS_LAST_PARAMETERS_PER_PIXEL = 20


@MODELS.register_module()
class EncoderDecoder(BaseModel):
    """Backbone, decode head and, in training, an auxiliary head.

    `memory_format` is 'channels_last' or 'contiguous'; None takes what is faster on a CPU, and
    leaves images as they come on a device. `mode='tensor'` gives class scores [N, K, h, w] before
    any resize, 'loss' a dict of losses, 'predict' one `SegDataSample` an image. `test_cfg` is
    `dict(mode='whole')` or
    `dict(mode='slide', crop_size=(H, W), stride=(H, W))`.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        decode_head: dict[str, Any],
        *,
        auxiliary_head: dict[str, Any] | Sequence[dict[str, Any]] | None = None,
        train_cfg: dict[str, Any] | None = None,
        test_cfg: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        pretrained: str | None = None,
        memory_format: str | None = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if memory_format is not None and memory_format not in MEMORY_FORMATS:
            raise ValueError(
                f"memory_format is {memory_format!r}; expected {' or '.join(MEMORY_FORMATS)}"
            )
        self.memory_format = memory_format
        if pretrained is not None:
            if backbone.get("pretrained") is not None:
                raise ValueError("pretrained is given for the network and for its backbone")
            backbone = {**backbone, "pretrained": pretrained}
        self.backbone = MODELS.build(backbone)
        self.decode_head = MODELS.build(decode_head)
        self.num_classes = self.out_channels = self.decode_head.num_classes
        self.align_corners = self.decode_head.align_corners
        if isinstance(auxiliary_head, Sequence):
            self.auxiliary_head: Any = torch.nn.ModuleList(map(MODELS.build, auxiliary_head))
        elif auxiliary_head is not None:
            self.auxiliary_head = MODELS.build(auxiliary_head)
        self._parameter_count = sum(p.numel() for p in self.parameters())
        self.train_cfg = train_cfg or {}
        self.test_cfg = test_cfg or {"mode": "whole"}
        if self.test_cfg.get("mode", "whole") not in ("whole", "slide"):
            raise ValueError(f"test_cfg mode is {self.test_cfg['mode']!r}; expected whole or slide")

    @property
    def with_auxiliary_head(self) -> bool:
        """Whether there is an auxiliary head."""
        return getattr(self, "auxiliary_head", None) is not None

    def _auxiliary_heads(self) -> dict[str, Any]:
        """Returns the auxiliary heads by the prefix of their losses."""
        if not self.with_auxiliary_head:
            return {}
        if isinstance(self.auxiliary_head, torch.nn.ModuleList):
            return {f"aux_{i}": head for i, head in enumerate(self.auxiliary_head)}
        return {"aux": self.auxiliary_head}

    def init_weights(self) -> None:
        """Starts afresh in every part; then loads the file that `init_cfg` names, if any."""
        for part in (self.backbone, self.decode_head, *self._auxiliary_heads().values()):
            part.init_weights()
        if self.init_cfg:
            if self.init_cfg.get("type") != "Pretrained":
                raise ValueError(
                    f"init_cfg {self.init_cfg} is not supported; expected 'Pretrained'"
                )
            load_pretrained(self, self.init_cfg["checkpoint"])

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Maps images [N, 3, H, W] to the backbone's outputs."""
        wanted = self.memory_format or self._faster_format(inputs)
        if wanted is not None:
            inputs = inputs.contiguous(memory_format=MEMORY_FORMATS[wanted])
        features: tuple[Tensor, ...] = self.backbone(inputs)
        return features

    def auxiliary_features(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Returns what the auxiliary heads are given of `extract_feat`'s outputs: all of it."""
        return features

    def empty_input(self, side: int) -> Tensor:
        """Returns an input without numbers, for trying out shapes: one image [1, 3, side, side]."""
        return torch.empty(1, 3, side, side)

    def _faster_format(self, inputs: Tensor) -> str | None:
        """Returns the memory format that makes a CPU faster; None where images stay as they are."""
        pixels = inputs.numel() // inputs.shape[1]
        narrow = self._parameter_count <= pixels * _CHANNELS_LAST_PARAMETERS_PER_PIXEL
        return "channels_last" if inputs.device.type == "cpu" and narrow else None

    def forward(
        self,
        inputs: Tensor,
        data_samples: list[SegDataSample] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """Runs on normalised images [N, 3, H, W] as `mode` ('tensor', 'loss', 'predict') says."""
        if mode == "tensor":
            return self.decode_head(self.extract_feat(inputs))
        if mode == "loss":
            if data_samples is None:
                raise ValueError("mode 'loss' needs data_samples with gt_sem_seg")
            return self.loss(inputs, data_samples)
        if mode == "predict":
            return self.predict(inputs, data_samples)
        raise RuntimeError(f"mode is {mode!r}; expected 'tensor', 'loss' or 'predict'")

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """Returns `decode.*` and `aux.*` losses (0-dim) and accuracies [1] for [N, 3, H, W]."""
        return self.losses(inputs, stack_labels(data_samples))

    def losses(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Returns what `loss` does, from images [N, 3, H, W] and labels [N, H, W]: tensors alone.

        `compile` of a config compiles this function, and so the pass back.
        """
        features = self.extract_feat(inputs)
        losses = _prefixed("decode", self.decode_head.losses(features, labels))
        beside = self.auxiliary_features(features)
        for prefix, head in self._auxiliary_heads().items():
            losses.update(_prefixed(prefix, head.losses(beside, labels)))
        return losses

    def encode_decode(self, inputs: Tensor) -> Tensor:
        """Maps images [N, 3, H, W] to class scores [N, K, H, W]."""
        scores: Tensor = self.decode_head.predict(self.extract_feat(inputs), inputs.shape[-2:])
        return scores

    def inference(self, inputs: Tensor) -> Tensor:
        """Maps images [N, 3, H, W] to class scores [N, K, H, W], whole or by sliding crops."""
        if self.test_cfg.get("mode", "whole") == "whole":
            return self.encode_decode(inputs)
        crop, stride = self.test_cfg["crop_size"], self.test_cfg["stride"]
        return slide(self.encode_decode, inputs, self.num_classes, crop=crop, stride=stride)

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Returns one sample an image with `seg_logits` [K, H, W] and `pred_sem_seg` [1, H, W].

        H and W are the sample's `ori_shape`: padding is cut off, a flip undone, the rest resized.
        """
        scores = self.inference(inputs)
        samples = data_samples or [SegDataSample() for _ in range(inputs.shape[0])]
        for image_scores, sample in zip(scores, samples, strict=True):
            restored = undo(image_scores, sample.metainfo, align_corners=self.align_corners)
            sample.seg_logits = PixelData(data=restored)
            sample.pred_sem_seg = PixelData(data=restored.argmax(dim=0, keepdim=True))
        return samples


def _prefixed(prefix: str, losses: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in losses.items()}

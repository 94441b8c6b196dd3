"""torchvision's Mask R-CNN with a feature pyramid, as a network that mmengine trains and tests.

Letters: N object, K class, H and W of an image; every image of a batch has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from model.instance.needed import check_installed
from model.instance.parts import build_detector, resnet_with_pyramid
from model.instance.structures import DetDataSample
from model.instance.weights import without_absent_categories
from model.layers import Config
from model.pretrained import load_pretrained
from model.registry import MODELS

MASKED = 0.5
"""Probability from which on a pixel belongs to an object."""


@MODELS.register_module()
class MaskRCNN(BaseModel):
    """ResNet, pyramid, proposals, and the heads for boxes and masks; torchvision's keys.

    `num_classes` counts the classes without the background. `norm_cfg` is `dict(type='FrozenBN')`
    for a pretrained backbone or `dict(type='BN')`, either with its `eps`. `trainable_layers` of the
    five parts of the ResNet learn, counted from the last one. `attention` is
    `dict(place='c5' or 'res4', recurrence=2)`, or None. Images are resized within `image_size`,
    (short side, long side). `box_samples` proposals of an image are scored in training.
    """

    host_draws = False
    """torchvision's samplers of anchors and proposals draw on the device."""

    def __init__(
        self,
        *,
        depth: int,
        num_classes: int,
        attention: Config | None = None,
        pretrained: str | None = None,
        norm_cfg: Config,
        trainable_layers: int,
        image_size: Sequence[int],
        anchor_sizes: Sequence[int],
        pyramid_channels: int,
        box_channels: int,
        box_samples: int,
        data_preprocessor: Config | None = None,
        init_cfg: Config | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        check_installed()
        self.num_classes = num_classes
        self.pretrained = pretrained
        detector = build_detector(
            resnet_with_pyramid(
                depth,
                pyramid_channels,
                norm_cfg=norm_cfg,
                trainable_layers=trainable_layers,
                attention=attention,
            ),
            num_classes,
            image_size=image_size,
            anchor_sizes=anchor_sizes,
            box_channels=box_channels,
            box_samples=box_samples,
        )
        self.transform, self.backbone = detector.transform, detector.backbone
        self.rpn, self.roi_heads = detector.rpn, detector.roi_heads

    def init_weights(self) -> None:
        """Loads the ResNet's pretrained weights, if any; the rest starts as it was built."""
        if self.init_cfg:
            raise ValueError(f"init_cfg {self.init_cfg} is not supported; expected pretrained=FILE")
        if self.pretrained is not None:
            load_pretrained(
                self.backbone.body, self.pretrained, prefix="backbone.body.", added="cca"
            )

    def forward(
        self,
        inputs: list[Tensor],
        data_samples: list[DetDataSample] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """Runs on RGB images [3, H, W] from 0 to 1, as `mode` ('tensor', 'loss', 'predict') says.

        'tensor' gives the levels of the pyramid by name, 'loss' a dict of losses (0-dim),
        'predict' one `DetDataSample` an image.
        """
        if mode == "tensor":
            return self.backbone(self.transform(inputs)[0].tensors)
        if mode == "loss":
            if data_samples is None:
                raise ValueError("mode 'loss' needs data_samples with gt_instances")
            return self.loss(inputs, data_samples)
        if mode == "predict":
            return self.predict(inputs, data_samples)
        raise RuntimeError(f"mode is {mode!r}; expected 'tensor', 'loss' or 'predict'")

    def loss(self, inputs: list[Tensor], data_samples: list[DetDataSample]) -> dict[str, Tensor]:
        """Returns torchvision's five losses of images [3, H, W] and their objects."""
        images, targets = self.transform(inputs, [_target(sample) for sample in data_samples])
        features = self.backbone(images.tensors)
        proposals, of_proposals = self.rpn(images, features, targets)
        _, of_objects = self.roi_heads(features, proposals, images.image_sizes, targets)
        return {**of_objects, **of_proposals}

    def predict(
        self, inputs: list[Tensor], data_samples: list[DetDataSample] | None = None
    ) -> list[DetDataSample]:
        """Returns one sample an image with `pred_instances`, in the pixels of the image given."""
        images, _ = self.transform(inputs)
        features = self.backbone(images.tensors)
        proposals, _ = self.rpn(images, features)
        found, _ = self.roi_heads(features, proposals, images.image_sizes)
        sizes = [(image.shape[-2], image.shape[-1]) for image in inputs]
        samples = data_samples or [DetDataSample() for _ in inputs]
        restored = self.transform.postprocess(found, images.image_sizes, sizes)
        for sample, objects in zip(samples, restored, strict=True):
            sample.pred_instances = InstanceData(
                bboxes=objects["boxes"],
                scores=objects["scores"],
                labels=objects["labels"] - 1,
                masks=objects["masks"][:, 0] >= MASKED,
            )
        return samples

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Takes torchvision's published weights too, which have the 91 ids of COCO as classes."""
        without_absent_categories(state_dict, prefix, num_classes=self.num_classes)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _target(sample: DetDataSample) -> dict[str, Tensor]:
    """Returns the objects of a sample as torchvision takes them; its label 0 is the background."""
    objects = sample.gt_instances
    return {"boxes": objects.bboxes, "labels": objects.labels + 1, "masks": objects.masks}

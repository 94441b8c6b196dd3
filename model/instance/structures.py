"""The data sample of instance segmentation, with mmdetection's names.

Letters: N object, H and W of the image.
"""

from __future__ import annotations

from mmengine.structures import BaseDataElement, InstanceData


class DetDataSample(BaseDataElement):
    """What belongs to one image: objects in, objects out.

    `gt_instances` and `pred_instances` hold `bboxes` [N, 4] (left, top, right, bottom, in pixels),
    `labels` [N] and `masks` [N, H, W]; predictions also hold `scores` [N], highest first. Meta
    information: `img_id`, `img_path`, `ori_shape`, `img_shape`, `flip`, `flip_direction`.
    """

    @property
    def gt_instances(self) -> InstanceData:
        """The annotated objects."""
        return self._gt_instances

    @gt_instances.setter
    def gt_instances(self, value: InstanceData) -> None:
        self.set_field(value, "_gt_instances", dtype=InstanceData)

    @gt_instances.deleter
    def gt_instances(self) -> None:
        del self._gt_instances

    @property
    def pred_instances(self) -> InstanceData:
        """The predicted objects."""
        return self._pred_instances

    @pred_instances.setter
    def pred_instances(self, value: InstanceData) -> None:
        self.set_field(value, "_pred_instances", dtype=InstanceData)

    @pred_instances.deleter
    def pred_instances(self) -> None:
        del self._pred_instances

"""The data sample that travels with an image: labels in, predictions out."""

from __future__ import annotations

from mmengine.structures import BaseDataElement, PixelData


class SegDataSample(BaseDataElement):
    """What belongs to one image of H x W pixels.

    `gt_sem_seg` and `pred_sem_seg` hold class indices [1, H, W]; `seg_logits` holds [K, H, W] for K
    classes. Meta information: `ori_shape`, `img_shape`, `pad_shape`, `flip`, `flip_direction`, ...
    """

    @property
    def gt_sem_seg(self) -> PixelData:
        """The labels, class indices [1, H, W] with 255 for pixels that do not count."""
        return self._gt_sem_seg

    @gt_sem_seg.setter
    def gt_sem_seg(self, value: PixelData) -> None:
        self.set_field(value, "_gt_sem_seg", dtype=PixelData)

    @gt_sem_seg.deleter
    def gt_sem_seg(self) -> None:
        del self._gt_sem_seg

    @property
    def pred_sem_seg(self) -> PixelData:
        """The predicted class indices [1, H, W]."""
        return self._pred_sem_seg

    @pred_sem_seg.setter
    def pred_sem_seg(self, value: PixelData) -> None:
        self.set_field(value, "_pred_sem_seg", dtype=PixelData)

    @pred_sem_seg.deleter
    def pred_sem_seg(self) -> None:
        del self._pred_sem_seg

    @property
    def seg_logits(self) -> PixelData:
        """The class scores before softmax [K, H, W]."""
        return self._seg_logits

    @seg_logits.setter
    def seg_logits(self, value: PixelData) -> None:
        self.set_field(value, "_seg_logits", dtype=PixelData)

    @seg_logits.deleter
    def seg_logits(self) -> None:
        del self._seg_logits

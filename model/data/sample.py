"""One image's labels and predictions, in mmsegmentation's structure."""

from mmengine.structures import BaseDataElement, PixelData


class SegDataSample(BaseDataElement):
    """Labels, predictions and facts of one image.

    Fields, each a PixelData with `data` of shape [C, H, W]: `gt_sem_seg` (C = 1, int64 train ids),
    `pred_sem_seg` (C = 1) and `seg_logits` (C = classes). The facts (`img_path`, `ori_shape`,
    `img_shape`, `pad_shape`, `scale_factor`, `flip`, ...) are metainfo.
    """

    @property
    def gt_sem_seg(self) -> PixelData:
        """The labels, [1, H, W]."""
        return self._gt_sem_seg

    @gt_sem_seg.setter
    def gt_sem_seg(self, value: PixelData) -> None:
        self.set_field(value, "_gt_sem_seg", dtype=PixelData)

    @property
    def pred_sem_seg(self) -> PixelData:
        """The predicted class of each pixel, [1, H, W]."""
        return self._pred_sem_seg

    @pred_sem_seg.setter
    def pred_sem_seg(self, value: PixelData) -> None:
        self.set_field(value, "_pred_sem_seg", dtype=PixelData)

    @property
    def seg_logits(self) -> PixelData:
        """The logits, [classes, H, W]."""
        return self._seg_logits

    @seg_logits.setter
    def seg_logits(self, value: PixelData) -> None:
        self.set_field(value, "_seg_logits", dtype=PixelData)

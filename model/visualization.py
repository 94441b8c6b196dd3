"""Pictures that a person can judge: the image, its labels and the prediction, in class colours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.visualization import Visualizer
from numpy.typing import NDArray

from model.data.labels import CLASSES, PALETTE
from model.registry import VISUALIZERS
from model.structures import SegDataSample

Image = NDArray[np.uint8]
LINE = 16  # height of a legend line in pixels
ENTRY = 112  # width of a legend entry in pixels


def colour_map(labels: NDArray[Any], palette: Sequence[Sequence[int]]) -> Image:
    """Returns the class colours of `labels` [H, W]: [H, W, 3] uint8 RGB, black for others."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(palette)] = palette
    return table[labels.astype(np.uint8)]


def overlay(
    image: Image, labels: NDArray[Any], palette: Sequence[Sequence[int]], *, alpha: float = 0.65
) -> Image:
    """Returns the class colours of `labels` [H, W] laid over `image` [H, W, 3]; same shape, RGB."""
    mixed = (1 - alpha) * image + alpha * colour_map(labels, palette)
    return mixed.round().astype(np.uint8)


def legend(
    present: Sequence[int], width: int, classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> Image:
    """Returns a strip [h, width, 3] that names the colours of the classes present."""
    columns = max(1, width // ENTRY)
    strip = np.full((LINE * -(-len(present) // columns), width, 3), 255, dtype=np.uint8)
    for place, train_id in enumerate(present):
        row, column = divmod(place, columns)
        top, left = row * LINE, column * ENTRY
        strip[top + 3 : top + LINE - 3, left + 3 : left + 13] = palette[train_id]
        origin = (left + 18, top + LINE - 4)
        cv2.putText(
            strip,
            classes[train_id],
            origin,
            cv2.FONT_HERSHEY_SIMPLEX,
            0.4,
            (0, 0, 0),
            1,
            cv2.LINE_AA,
        )
    return strip


def picture(
    image: Image,
    maps: Sequence[NDArray[Any]],
    *,
    classes: Sequence[str] = CLASSES,
    palette: Sequence[Sequence[int]] = PALETTE,
) -> Image:
    """Returns the image [H, W, 3] and an overlay per map [H, W] side by side, over a legend."""
    panels = np.concatenate([image, *(overlay(image, labels, palette) for labels in maps)], axis=1)
    present = sorted({int(i) for labels in maps for i in np.unique(labels) if i < len(classes)})
    strip = legend(present, panels.shape[1], classes, palette)
    return np.concatenate([panels, strip], axis=0)


@VISUALIZERS.register_module()
class SegLocalVisualizer(Visualizer):
    """mmengine's visualizer, which also knows segmentation maps."""

    def add_datasample(
        self,
        name: str,
        image: Image,
        data_sample: SegDataSample,
        *,
        out_file: str | None = None,
        step: int = 0,
    ) -> None:
        """Draws `image` [H, W, 3] RGB, its labels if it has some, and its prediction.

        The picture goes to `out_file`, or to the backends under `name`.
        """
        fields = [f for f in ("gt_sem_seg", "pred_sem_seg") if f in data_sample]
        maps = [getattr(data_sample, f).data[0].cpu().numpy() for f in fields]
        meta = self.dataset_meta or {}
        drawn = picture(
            image,
            maps,
            classes=meta.get("classes", CLASSES),
            palette=meta.get("palette", PALETTE),
        )
        if out_file is None:
            self.add_image(name, drawn, step)
        else:
            path = Path(out_file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", drawn[..., ::-1])[1].tobytes())

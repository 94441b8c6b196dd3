"""Pictures of objects that a person can judge: masks and boxes, annotated beside predicted.

Letters: N object, H and W of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer
from numpy.typing import NDArray

from model.instance.structures import DetDataSample
from model.registry import VISUALIZERS

Image = NDArray[np.uint8]
SHOWN_FROM = 0.5
"""Score from which on a predicted object is drawn."""
WIDE = 480
"""Width in pixels up to which small images are enlarged, so that names fit."""
ALPHA = 0.5


def draw_objects(
    image: Image,
    objects: InstanceData,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> Image:
    """Returns `image` [H, W, 3] with the masks, outlines and boxes of N objects, enlarged.

    Objects are named, with their score if they have one; those below 0.5 are left out. The last
    one drawn is the most certain.
    """
    zoom = max(1, WIDE // image.shape[1])
    canvas = np.repeat(np.repeat(image, zoom, axis=0), zoom, axis=1)
    scores: list[Any] = objects.scores.tolist() if "scores" in objects else [None] * len(objects)
    order = sorted(range(len(objects)), key=lambda n: scores[n] or 0.0)
    for n in order:
        if scores[n] is not None and scores[n] < SHOWN_FROM:
            continue
        label = int(objects.labels[n])
        name = classes[label] if scores[n] is None else f"{classes[label]} {scores[n]:.2f}"
        mask = objects.masks[n].cpu().numpy().astype(np.uint8)
        _draw_mask(canvas, mask.repeat(zoom, axis=0).repeat(zoom, axis=1), palette[label])
        box = [round(zoom * side) for side in objects.bboxes[n].tolist()]
        _draw_box(canvas, box, name, palette[label])
    return canvas


def _draw_mask(canvas: Image, mask: Image, colour: Sequence[int]) -> None:
    """Lays the colour over the mask [H, W], and a dark line round it."""
    inside = mask.astype(bool)
    mixed = (1 - ALPHA) * canvas[inside] + ALPHA * np.array(colour)
    canvas[inside] = mixed.round().astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, (0, 0, 0), 1)


def _draw_box(canvas: Image, box: Sequence[int], name: str, colour: Sequence[int]) -> None:
    """Draws a box (left, top, right, bottom) and its name on a strip inside its upper edge."""
    left, top, right, bottom = box
    shade = tuple(int(c) for c in colour)
    cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), shade, 2)
    (wide, high), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    cv2.rectangle(canvas, (left, top), (left + wide + 4, top + high + 6), (255, 255, 255), -1)
    origin = (left + 2, top + high + 2)
    cv2.putText(canvas, name, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)


@VISUALIZERS.register_module()
class InstanceLocalVisualizer(Visualizer):
    """mmengine's visualizer, which also knows objects with masks."""

    def add_datasample(
        self,
        name: str,
        image: Image,
        data_sample: DetDataSample,
        *,
        out_file: str | None = None,
        step: int = 0,
    ) -> None:
        """Draws `image` [H, W, 3] RGB with its annotated objects, and with the predicted ones.

        The picture goes to `out_file`, or to the backends under `name`.
        """
        meta: dict[str, Any] = self.dataset_meta
        fields = [f for f in ("gt_instances", "pred_instances") if f in data_sample]
        panels = [
            draw_objects(image, getattr(data_sample, f), meta["classes"], meta["palette"])
            for f in fields
        ]
        drawn = np.concatenate(panels, axis=1)
        if out_file is None:
            self.add_image(name, drawn, step)
        else:
            path = Path(out_file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", drawn[..., ::-1])[1].tobytes())

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

from model.instance.structures import DetDataSample
from model.pictures import Image, Panel, arranged
from model.registry import VISUALIZERS

SHOWN_FROM = 0.5
"""Score from which on a predicted object is drawn."""
WIDE = 480
"""Width in pixels up to which small images are enlarged, so that names fit."""
TITLES = {"gt_instances": "annotated", "pred_instances": f"predicted, scores from {SHOWN_FROM}"}
ALPHA = 0.5
FONT_SCALE = 0.45

Strip = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


def draw_objects(
    image: Image,
    objects: InstanceData,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> Image:
    """Returns `image` [H, W, 3] with the masks, outlines and boxes of N objects, enlarged.

    Objects are named, with their score if they have one; those below 0.5 are left out. Masks lie
    under boxes, and both under names; the most certain object is on top.
    """
    zoom = max(1, WIDE // image.shape[1])
    canvas = np.repeat(np.repeat(image, zoom, axis=0), zoom, axis=1)
    shown = _by_certainty(objects)
    colours = [palette[int(objects.labels[n])] for n in shown]
    boxes = [[round(zoom * side) for side in objects.bboxes[n].tolist()] for n in shown]
    for n, colour in zip(shown, colours, strict=True):
        mask = objects.masks[n].cpu().numpy().astype(np.uint8)
        _draw_mask(canvas, mask.repeat(zoom, axis=0).repeat(zoom, axis=1), colour)
    for (left, top, right, bottom), colour in zip(boxes, colours, strict=True):
        shade = tuple(int(c) for c in colour)
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), shade, 2)
    _draw_names(canvas, boxes, [_name(objects, n, classes) for n in shown])
    return canvas


def _by_certainty(objects: InstanceData) -> list[int]:
    """Returns the places of the objects that are drawn, the most certain one last."""
    if "scores" not in objects:
        return list(range(len(objects)))
    scores: list[float] = objects.scores.tolist()
    certain = [n for n in range(len(scores)) if scores[n] >= SHOWN_FROM]
    return sorted(certain, key=scores.__getitem__)


def _name(objects: InstanceData, n: int, classes: Sequence[str]) -> str:
    """Returns the class of object `n`, and its score if it has one."""
    name = classes[int(objects.labels[n])]
    return f"{name} {float(objects.scores[n]):.2f}" if "scores" in objects else name


def _draw_mask(canvas: Image, mask: Image, colour: Sequence[int]) -> None:
    """Lays the colour over the mask [H, W], and a dark line round it."""
    inside = mask.astype(bool)
    mixed = (1 - ALPHA) * canvas[inside] + ALPHA * np.array(colour)
    canvas[inside] = mixed.round().astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, (0, 0, 0), 1)


def _draw_names(canvas: Image, boxes: Sequence[Sequence[int]], names: Sequence[str]) -> None:
    """Writes each name on a white strip in its box, where no strip of a later box is."""
    taken: list[Strip] = []
    for box, name in reversed(list(zip(boxes, names, strict=True))):
        (wide, high), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, FONT_SCALE, 1)
        places = strips(box, (wide + 4, high + 6), canvas.shape)
        place = next((p for p in places if not any(overlap(p, t) for t in taken)), places[0])
        taken.append(place)
    for (left, top, right, bottom), name in zip(reversed(taken), names, strict=True):
        cv2.rectangle(canvas, (left, top), (right, bottom), (255, 255, 255), -1)
        origin = (left + 2, bottom - 4)
        cv2.putText(
            canvas, name, origin, cv2.FONT_HERSHEY_SIMPLEX, FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA
        )


def strips(box: Sequence[int], size: tuple[int, int], shape: Sequence[int]) -> list[Strip]:
    """Returns where a strip of `size` (width, height) may be, the best place first.

    It begins at the upper left of the box, then line by line further down, then at the lower
    right; always within an image of `shape` [H, W, ...], if it fits there.
    """
    (left, top, right, bottom), (wide, high) = box, size
    starts = [(left, y) for y in range(top, max(top + 1, bottom - high), high + 1)]
    starts.append((right - wide, bottom - high))
    found = []
    for start in starts:
        x = max(0, min(start[0], shape[1] - 1 - wide))
        y = max(0, min(start[1], shape[0] - 1 - high))
        found.append((x, y, x + wide, y + high))
    return found


def overlap(one: Strip, other: Strip) -> bool:
    """Returns whether two strips share a pixel; their corners belong to them."""
    return (
        one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
    )  # fmt: skip


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
        panels = [
            Panel(
                title=title,
                pixels=draw_objects(
                    image, getattr(data_sample, field), meta["classes"], meta["palette"]
                ),
            )
            for field, title in TITLES.items()
            if field in data_sample
        ]
        drawn = arranged(panels, columns=len(panels))
        if out_file is None:
            self.add_image(name, drawn, step)
        else:
            path = Path(out_file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", drawn[..., ::-1])[1].tobytes())

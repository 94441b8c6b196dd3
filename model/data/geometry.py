"""Resize, crop, flip and pad, with the meaning that mmsegmentation's pipelines give them.

Sizes: `scale` is (width, height) as in the configs; shapes are (height, width). Images are
interpolated bilinearly, labels by nearest neighbour.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.labels import IGNORE
from model.data.numbers import label_pairs, number, numbers
from model.data.stream import rng_of
from model.registry import TRANSFORMS

Results = dict[str, Any]
Box = tuple[int, int, int, int]  # top, bottom, left, right


@TRANSFORMS.register_module()
class Resize:
    """Resizes image and labels to `scale`, or by `scale_factor`.

    With `keep_ratio` the image becomes the largest that fits: long side within the larger number of
    `scale`, short side within the smaller, whichever way round they are given.
    """

    def __init__(
        self,
        *,
        scale: Sequence[int] | None = None,
        scale_factor: float | None = None,
        keep_ratio: bool = False,
    ) -> None:
        if (scale is None) == (scale_factor is None):
            raise ValueError("Resize takes either scale=(width, height) or scale_factor")
        if scale is not None:
            numbers("scale", scale)
        self.scale = None if scale is None else (int(scale[0]), int(scale[1]))
        self.scale_factor = None if scale_factor is None else number("scale_factor", scale_factor)
        self.keep_ratio = keep_ratio

    def __call__(self, results: Results) -> Results:
        """Resizes `img` and every array named in `seg_fields`."""
        height, width = results["img"].shape[:2]
        size = self._size(width, height)
        results["img"] = _bilinear(results["img"], size)
        for name in results.get("seg_fields", ()):
            results[name] = cv2.resize(results[name], size, interpolation=cv2.INTER_NEAREST)
        results["img_shape"] = results["img"].shape[:2]
        results["scale_factor"] = (size[0] / width, size[1] / height)
        results["keep_ratio"] = self.keep_ratio
        return results

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """Returns the new (width, height)."""
        if self.scale is None:
            factor = float(self.scale_factor or 1.0)
            return int(width * factor + 0.5), int(height * factor + 0.5)
        if not self.keep_ratio:
            return self.scale
        factor = min(
            max(self.scale) / max(width, height),
            min(self.scale) / min(width, height),
        )
        return int(width * factor + 0.5), int(height * factor + 0.5)


def _bilinear(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Returns an image [H, W, 3], or the frames of a clip [H, W, 3T], at `size` (width, height).

    Frames go one by one: cv2 rounds in another way with more than four channels.
    """
    frames = np.split(image, image.shape[2] // 3, axis=2) if image.ndim == 3 else [image]
    resized = [cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR) for frame in frames]
    return np.concatenate(resized, axis=2) if len(frames) > 1 else np.asarray(resized[0])


@TRANSFORMS.register_module()
class RandomResize:
    """Resizes to `scale` times one ratio, drawn evenly from `ratio_range`."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ratio_range: tuple[float, float],
        keep_ratio: bool = False,
        resize_type: str = "Resize",
    ) -> None:
        if resize_type != "Resize":
            raise ValueError(f"resize_type is {resize_type!r}; only 'Resize' is known")
        self.scale = numbers("scale", scale)
        self.ratio_range = numbers("ratio_range", ratio_range)
        self.keep_ratio = keep_ratio

    def __call__(self, results: Results) -> Results:
        """Draws the ratio and resizes."""
        ratio = rng_of(results).uniform(*self.ratio_range)
        scale = (int(self.scale[0] * ratio), int(self.scale[1] * ratio))
        results["scale"] = scale
        return Resize(scale=scale, keep_ratio=self.keep_ratio)(results)


@TRANSFORMS.register_module()
class RandomCrop:
    """Cuts a random window of `crop_size` (height, width), or less where the image is smaller.

    With `cat_max_ratio` below 1 a window that one class fills beyond that share is drawn again, up
    to ten times; the eleventh is taken as it is.
    """

    TRIES = 10

    def __init__(
        self,
        *,
        crop_size: int | Sequence[int],
        cat_max_ratio: float = 1.0,
        ignore_index: int = 255,
    ) -> None:
        pair = (crop_size, crop_size) if isinstance(crop_size, int) else crop_size
        numbers("crop_size", pair)
        self.crop_size = (int(pair[0]), int(pair[1]))
        self.cat_max_ratio = number("cat_max_ratio", cat_max_ratio)
        self.ignore_index = ignore_index

    def __call__(self, results: Results) -> Results:
        """Crops `img` and every array named in `seg_fields` by the same window."""
        top, bottom, left, right = self._choose(results)
        for name in ("img", *results.get("seg_fields", ())):
            results[name] = results[name][top:bottom, left:right]
        results["img_shape"] = results["img"].shape[:2]
        return results

    def _choose(self, results: Results) -> Box:
        """Returns a window that no class fills, or the last one tried."""
        rng = rng_of(results)
        shape = results["img"].shape[:2]
        box = self._draw(shape, rng)
        if self.cat_max_ratio < 1.0:
            for _ in range(self.TRIES):
                if self._mixed(results["gt_seg_map"], box):
                    break
                box = self._draw(shape, rng)
        return box

    def _draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Box:
        """Returns an evenly drawn window of an image of shape (height, width)."""
        top, left = (
            int(rng.integers(max(length - size, 0) + 1))
            for length, size in zip(shape, self.crop_size, strict=True)
        )
        return top, top + self.crop_size[0], left, left + self.crop_size[1]

    def _mixed(self, labels: NDArray[np.uint8], box: Box) -> bool:
        """Returns whether the window holds two classes and none beyond the share."""
        top, bottom, left, right = box
        counts = np.bincount(labels[top:bottom, left:right].ravel(), minlength=256)
        counts[self.ignore_index] = 0
        total = int(counts.sum())
        return bool(np.count_nonzero(counts) > 1 and int(counts.max()) / total < self.cat_max_ratio)


@TRANSFORMS.register_module()
class RandomFlip:
    """Mirrors image and labels with probability `prob`.

    `swap_seg_labels` are pairs of labels that trade places in a horizontal flip: in a mirror, a
    left arm is a right arm. They go on as metadata, with which `undo` gives the scores back to
    their sides. None and an empty list swap nothing; the list says that this is meant.
    """

    AXIS = {"horizontal": 1, "vertical": 0}  # noqa: RUF012 - a constant

    def __init__(
        self,
        *,
        prob: float = 0.5,
        direction: str = "horizontal",
        swap_seg_labels: Sequence[Sequence[int]] | None = None,
    ) -> None:
        if direction not in self.AXIS:
            raise ValueError(f"direction is {direction!r}; expected one of {sorted(self.AXIS)}")
        if swap_seg_labels and direction != "horizontal":
            raise ValueError("swap_seg_labels needs direction='horizontal'")
        self.prob = number("prob", prob)
        self.direction = direction
        self.pairs = label_pairs("swap_seg_labels", swap_seg_labels or ())
        self.swapped = swap_table(self.pairs)

    def __call__(self, results: Results) -> Results:
        """Flips `img` and every array named in `seg_fields`, or none of them."""
        results["flip"] = bool(rng_of(results).random() < self.prob)
        results["flip_direction"] = self.direction if results["flip"] else None
        if not results["flip"]:
            return results
        for name in ("img", *results.get("seg_fields", ())):
            results[name] = np.flip(results[name], axis=self.AXIS[self.direction])
        if self.pairs:
            results["swap_seg_labels"] = self.pairs
            for name in results.get("seg_fields", ()):
                results[name] = self.swapped[results[name]]
        return results


def swap_table(pairs: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
    """Returns for each label, shape (256,), the one that it becomes in a mirror."""
    table = np.arange(256, dtype=np.uint8)
    for left, right in pairs:
        table[[left, right]] = right, left
    return table


@TRANSFORMS.register_module()
class Pad:
    """Pads an image that is smaller than `size` (width, height) at the right and at the bottom.

    Images get 0, as mmcv's transform of this name does before the normalisation, and labels 255.
    """

    def __init__(self, *, size: Sequence[int]) -> None:
        numbers("size", size)
        self.size = (int(size[0]), int(size[1]))

    def __call__(self, results: Results) -> Results:
        """Pads `img` and every array named in `seg_fields`."""
        height, width = results["img"].shape[:2]
        below, right = max(self.size[1] - height, 0), max(self.size[0] - width, 0)
        edges = ((0, below), (0, right))
        results["img"] = np.pad(results["img"], (*edges, (0, 0)))
        for name in results.get("seg_fields", ()):
            results[name] = np.pad(results[name], edges, constant_values=IGNORE)
        results["img_shape"] = results["pad_shape"] = results["img"].shape[:2]
        return results

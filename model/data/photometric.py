"""Photometric distortion, as SSD introduced it and mmsegmentation's pipelines use it."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.numbers import number, numbers
from model.data.stream import rng_of
from model.registry import TRANSFORMS

Image = NDArray[np.uint8]


@TRANSFORMS.register_module()
class PhotoMetricDistortion:
    """Brightness, contrast, saturation and hue, each changed with probability one half.

    Contrast comes before saturation and hue or after them, evenly. The image is [H, W, 3] uint8 BGR
    and is rounded down and clipped after each change. The frames of a clip, [H, W, 3T], are changed
    alike.
    """

    def __init__(
        self,
        *,
        brightness_delta: int = 32,
        contrast_range: tuple[float, float] = (0.5, 1.5),
        saturation_range: tuple[float, float] = (0.5, 1.5),
        hue_delta: int = 18,
    ) -> None:
        self.brightness_delta = number("brightness_delta", brightness_delta)
        self.contrast_range = numbers("contrast_range", contrast_range)
        self.saturation_range = numbers("saturation_range", saturation_range)
        self.hue_delta = int(number("hue_delta", hue_delta))

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Distorts `img`."""
        rng = rng_of(results)
        shape = results["img"].shape
        # the frames of a clip side by side: each pixel is changed by itself
        image = self._brightness(results["img"].reshape(shape[0], -1, 3), rng)
        contrast_first = bool(rng.integers(2))
        if contrast_first:
            image = self._contrast(image, rng)
        image = self._hue(self._saturation(image, rng), rng)
        image = image if contrast_first else self._contrast(image, rng)
        results["img"] = image.reshape(shape)
        return results

    def _brightness(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.integers(2):
            delta = rng.uniform(-self.brightness_delta, self.brightness_delta)
            return linear(image, beta=delta)
        return image

    def _contrast(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.integers(2):
            return linear(image, alpha=rng.uniform(*self.contrast_range))
        return image

    def _saturation(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.integers(2):
            hsv = _convert(image, cv2.COLOR_BGR2HSV)
            hsv[..., 1] = linear(hsv[..., 1], alpha=rng.uniform(*self.saturation_range))
            return _convert(hsv, cv2.COLOR_HSV2BGR)
        return image

    def _hue(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.integers(2):
            hsv = _convert(image, cv2.COLOR_BGR2HSV)
            turn = int(rng.integers(-self.hue_delta, self.hue_delta))
            hsv[..., 0] = (hsv[..., 0].astype(np.int32) + turn) % 180  # cv2 counts hue to 180
            return _convert(hsv, cv2.COLOR_HSV2BGR)
        return image


def linear(image: Image, *, alpha: float = 1.0, beta: float = 0.0) -> Image:
    """`image * alpha + beta` in float32, clipped to 0..255 and cut to uint8; same shape."""
    scaled = image.astype(np.float32) * np.float32(alpha) + np.float32(beta)
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _convert(image: Image, code: int) -> Image:
    """cv2's colour conversion of a uint8 image, which is uint8 again."""
    converted: Image = np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)
    return converted

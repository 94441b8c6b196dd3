"""Images as the bytes of files. Shapes: H rows, W columns."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]
QUALITY = 95
"""Of JPEG files, as cameras write them; a pixel changes by a few units."""


def encode_png(pixels: Array) -> bytes:
    """Returns the PNG of an image: uint8 [H, W] (grey) or [H, W, 3] (BGR)."""
    return cv2.imencode(".png", pixels)[1].tobytes()


def encode_jpeg(pixels: Array) -> bytes:
    """Returns the JPEG of an image: uint8 [H, W, 3] (BGR)."""
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def encode_indices(indices: Array, palette: Sequence[Sequence[int]]) -> bytes:
    """Returns a palette PNG: uint8 [H, W], each an index of `palette` (RGB)."""
    image = Image.fromarray(indices, mode="P")
    image.putpalette([channel for colour in palette for channel in colour])
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()

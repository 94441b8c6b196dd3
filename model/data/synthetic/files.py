"""Images as the bytes of files, and writing files. Shapes: H rows, W columns."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

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


def write_file(path: Path, data: bytes) -> None:
    """Writes a file, and makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes a text of one line for each of `lines`, and makes its folder."""
    write_file(path, "".join(f"{line}\n" for line in lines).encode())

"""Writing PNG files whose bytes depend on the pixels alone.

Encoders choose filters and match lengths, and each version of each zlib chooses otherwise. Here the
pixels are stored, not compressed: a little larger, and the same on every machine.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
STORED_MAX = 65535


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """The file of an image [H, W] (grey) or [H, W, 3] (RGB)."""
    height, width = pixels.shape[:2]
    colour_type = {2: 0, 3: 2}[pixels.ndim]
    rows = pixels.reshape(height, -1)
    unfiltered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", _stored(unfiltered))
        + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _stored(data: bytes) -> bytes:
    """A zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4)."""
    out = [b"\x78\x01"]
    for start in range(0, len(data), STORED_MAX):
        block = data[start : start + STORED_MAX]
        last = start + STORED_MAX >= len(data)
        out.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    return b"".join(out) + struct.pack(">I", zlib.adler32(data))

"""Reading images and labels. A file that is missing, cut short or not an image is a DataError.

Damage inside a PNG is an error too, by its checksums. A JPEG has no checksums: where its header
and its end are whole, libjpeg fills in what it cannot decode. It then often writes a line "Corrupt
JPEG data" to stderr, which no caller gets to see.

Images are read as their pixels are stored, whatever orientation their EXIF states: their labels
have no such entry and would not be turned with them. mmsegmentation turns the image alone.

Arrays: image [H, W, 3] uint8 in BGR, as cv2 gives it; labels [H, W] uint8, classes from 0, and 255
where there is no class.
"""

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.data.labels import IGNORE, to_train_ids
from model.errors import ConfigError, DataError
from model.registry import TRANSFORMS
from model.wording import are, counted

PNG_START = b"\x89PNG"
PNG_END = b"IEND\xaeB`\x82"
PNG_DEPTH, PNG_KIND = 24, 25
"""Where a PNG states the bits of a sample, and the kind of its pixels."""
PNG_GREY, PNG_PALETTE = 0, 3
PNG_CHANNELS = {
    2: "3 channels (red, green and blue)",
    4: "2 channels (grey and alpha)",
    6: "4 channels (red, green, blue and alpha)",
}
EXIF_ORIENTATION, EXIF_ON_ITS_SIDE = 0x0112, range(5, 9)
JPEG_START = b"\xff\xd8"
JPEG_END = b"\xff\xd9"
JPEG_SCAN = 0xDA
JPEG_ALONE = (0x01, *range(0xD0, 0xD8))
"""Markers without a length: TEM and RST0 to RST7."""
SHOWN = 3

Results = dict[str, Any]
Array = NDArray[np.uint8]


@TRANSFORMS.register_module()
class LoadImageFromFile:
    """Adds `img`, [H, W, 3] uint8 BGR, `img_shape` and `ori_shape` (H, W).

    `backend_args` and `imdecode_backend` are taken as published configs give them; files are read
    from disk and decoded by cv2, as their pixels are stored.
    """

    def __init__(
        self, *, backend_args: None = None, imdecode_backend: str = "cv2", to_float32: bool = False
    ) -> None:
        if backend_args is not None or imdecode_backend != "cv2":
            raise DataError(
                f"found backend_args={backend_args}, imdecode_backend={imdecode_backend!r}; "
                "expected files on disk (None) and 'cv2'"
            )
        self.to_float32 = to_float32

    def __call__(self, results: Results) -> Results:
        """Reads the image at `img_path`."""
        image = read_image(results["img_path"])
        results["img"] = image.astype(np.float32) if self.to_float32 else image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        if "gt_seg_map" in results:
            check_sizes(results, results["gt_seg_map"].shape)
        return results


@TRANSFORMS.register_module()
class LoadAnnotations:
    """Adds `gt_seg_map`, [H, W] uint8, classes from 0 or 255, and lists it in `seg_fields`.

    The data set says which values are valid: `num_classes`, `ignore_index` (becomes 255) and
    `reduce_zero_label` (0 becomes 255, and the classes begin at 1). Its own `reduce_zero_label`
    is taken as published configs give it, and must agree with the data set's.
    """

    def __init__(
        self,
        *,
        reduce_zero_label: bool | None = None,
        backend_args: None = None,
        imdecode_backend: str = "cv2",
    ) -> None:
        if backend_args is not None or imdecode_backend not in ("cv2", "pillow"):
            raise DataError(f"labels are read from disk; found backend_args={backend_args}")
        self.reduce_zero_label = reduce_zero_label

    def __call__(self, results: Results) -> Results:
        """Reads the labels at `seg_map_path`; true `label_ids` says that they are Cityscapes'."""
        labels = read_labels(results["seg_map_path"])
        if "ori_shape" in results:
            check_sizes(results, labels.shape)
        reduce = self._reduce(results)
        if results.get("label_ids"):
            labels = to_train_ids(labels)
        elif (classes := results.get("num_classes")) is not None:
            known = _class_of(classes, results.get("ignore_index", IGNORE), reduce)
            labels = _mapped(labels, known, results)
        results["gt_seg_map"] = labels
        results.setdefault("seg_fields", []).append("gt_seg_map")
        return results

    def _reduce(self, results: Results) -> bool:
        """Returns whether 0 means no class. Raises ConfigError where pipeline and data disagree."""
        stated = results.get("reduce_zero_label")
        if self.reduce_zero_label is not None and stated not in (None, self.reduce_zero_label):
            raise ConfigError(
                f"LoadAnnotations has reduce_zero_label={self.reduce_zero_label} and the data set "
                f"{stated}; expected the same. Leave it out of LoadAnnotations"
            )
        return bool(self.reduce_zero_label if stated is None else stated)


@lru_cache(maxsize=16)
def _class_of(classes: int, ignore_index: int, reduce_zero_label: bool) -> NDArray[np.int16]:
    """Returns the class of each value of a label file, [256]: 255 for no class, -1 if invalid."""
    table = np.full(256, -1, dtype=np.int16)
    first = 1 if reduce_zero_label else 0
    table[first : first + classes] = np.arange(min(classes, 256 - first))
    table[:first] = IGNORE
    if 0 <= ignore_index < 256:
        table[ignore_index] = IGNORE
    table.flags.writeable = False
    return table


def _mapped(labels: Array, class_of: NDArray[np.int16], results: Results) -> Array:
    """Returns the classes of the values in a label file. Any other value is a DataError."""
    mapped = class_of[labels]
    if (mapped < 0).any():
        values, counts = np.unique(labels[mapped < 0], return_counts=True)
        found = [f"{v} ({counted(n, 'pixel')})" for v, n in zip(values, counts, strict=True)]
        rest = len(found) - SHOWN
        more = f" and {counted(rest, 'more value')}" if rest > 0 else ""
        valid = np.flatnonzero((class_of >= 0) & (class_of != IGNORE))
        ignored = ", ".join(map(str, np.flatnonzero(class_of == IGNORE))) or "nothing"
        do = (
            "Label ids belong in files called *_labelIds.png"
            if "label_ids" in results
            else "Correct the file, name the class in the data set's classes, or ignore the value "
            "by its ignore_index"
        )
        raise DataError(
            f"{results['seg_map_path']}: {counts.sum()} of {labels.size} pixels "
            f"{are(counts.sum())} no class and not ignored, with the values "
            f"{', '.join(found[:SHOWN])}{more}; expected {valid[0]} to {valid[-1]}, or "
            f"{ignored} for no class. {do}"
        )
    return mapped.astype(np.uint8)


def check_sizes(results: Results, labels: tuple[int, ...]) -> None:
    """Raises DataError unless the image, as it was read, and its labels (H, W) have one size."""
    height, width = results["ori_shape"]
    if (height, width) != labels:
        do = "Download the pair again"
        if (width, height) == labels and _is_turned(results["img_path"]):
            do = (
                "Images are read as their pixels are stored, and the labels fit it as its EXIF "
                "orientation turns it: store the image turned, without that entry"
            )
        raise DataError(
            f"{results['img_path']} is {width}x{height} pixels and its labels "
            f"{results['seg_map_path']} are {labels[1]}x{labels[0]}; expected one size. {do}"
        )


def _is_turned(path: str) -> bool:
    """Returns whether an image's EXIF orientation swaps height and width."""
    try:
        with Image.open(path) as image:
            return image.getexif().get(EXIF_ORIENTATION) in EXIF_ON_ITS_SIDE
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def read_image(path: str) -> Array:
    """Returns an image, [H, W, 3] uint8 BGR, as its pixels are stored: EXIF does not turn it.

    A file that is missing, cut short or not an image is a DataError.
    """
    return _decoded(path, _whole_file(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


def read_labels(path: str) -> Array:
    """Returns the values of a label file, [H, W] uint8; of a palette PNG the indices.

    A missing or damaged file is a DataError, and so is one whose pixels are not single bytes.
    """
    data = _whole_file(path)
    if data.startswith(JPEG_START):
        raise DataError(
            f"{path}: labels are a JPEG, which changes the values of pixels; expected a PNG"
        )
    if data.startswith(PNG_START) and len(data) > PNG_KIND:
        if data[PNG_KIND] == PNG_PALETTE:
            return _indices(path, data)  # cv2 would give the colours
        if data[PNG_KIND] == PNG_GREY and data[PNG_DEPTH] < 8:
            raise DataError(
                f"{path}: labels are grey with {counted(data[PNG_DEPTH], 'bit')} a pixel, which "
                "decoders scale to 0..255; expected 8 bits, or a palette"
            )
    labels = _decoded(path, data, cv2.IMREAD_UNCHANGED)
    if labels.ndim != 2:
        kind = data[PNG_KIND] if data.startswith(PNG_START) else 0
        channels = PNG_CHANNELS.get(kind, counted(labels.shape[2], "channel"))
        raise DataError(f"{path}: labels have {channels}; expected one channel")
    if labels.dtype != np.uint8:
        raise DataError(f"{path}: labels are {labels.dtype}; expected uint8, a class in each pixel")
    return labels


def _whole_file(path: str) -> bytes:
    """Returns the bytes of an image that does not end too early."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise DataError(f"{path}: is no file; expected an image")
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected an image") from error
    # cv2 fills up an image that ends too early and says nothing: the end must be looked for
    cut_png = data.startswith(PNG_START) and PNG_END not in data
    if cut_png or (data.startswith(JPEG_START) and not _has_jpeg_end(data)):
        raise DataError(
            f"{path}: the file is cut short at {counted(len(data), 'byte')}; download it again"
        )
    return data


def _has_jpeg_end(data: bytes) -> bool:
    """Returns whether the end of the image follows its first scan.

    A preview inside the header has an end too, so the segments before the scan are passed over by
    their lengths. Within a scan the two bytes of the end do not occur (ITU-T T.81, B.1.1.2).
    """
    at = len(JPEG_START)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in JPEG_ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == JPEG_SCAN:
            return data.rfind(JPEG_END) >= at
    return False


def _decoded(path: str, data: bytes, flags: int) -> Array:
    """Returns what cv2 decodes, [H, W] or [H, W, 3]."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:  # a header that promises more pixels than cv2 reads
        raise DataError(f"{path}: cannot be decoded ({error.err}); download it again") from error
    if image is None:
        raise DataError(
            f"{path}: {counted(len(data), 'byte')} that {are(len(data))} not an image; "
            "download it again"
        )
    return image  # type: ignore[return-value]


def _indices(path: str, data: bytes) -> Array:
    """Returns the indices of a palette PNG, [H, W]."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.verify()  # the checksums, which reading alone passes over
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded ({error}); download it again") from error

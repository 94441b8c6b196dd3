"""Reading images and labels. A file that is missing or cut short is named, never half decoded.

Arrays: image [H, W, 3] uint8 in BGR, as cv2 gives it; labels [H, W] uint8 train ids.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.labels import CLASSES, IGNORE, to_train_ids
from model.errors import DataError
from model.registry import TRANSFORMS

PNG_START = b"\x89PNG"
PNG_END = b"IEND\xaeB`\x82"

Results = dict[str, Any]


@TRANSFORMS.register_module()
class LoadImageFromFile:
    """Adds `img`, [H, W, 3] uint8 BGR, `img_shape` and `ori_shape` (H, W).

    `backend_args` and `imdecode_backend` are taken as published configs give them; files are read
    from disk and decoded by cv2.
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
        image = read_png(results["img_path"], cv2.IMREAD_COLOR)
        results["img"] = image.astype(np.float32) if self.to_float32 else image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        if "gt_seg_map" in results:
            check_sizes(results, results["gt_seg_map"].shape)
        return results


@TRANSFORMS.register_module()
class LoadAnnotations:
    """Adds `gt_seg_map`, [H, W] uint8 train ids, and lists it in `seg_fields`."""

    def __init__(self, *, backend_args: None = None, imdecode_backend: str = "cv2") -> None:
        if backend_args is not None or imdecode_backend not in ("cv2", "pillow"):
            raise DataError(f"labels are read from disk; found backend_args={backend_args}")

    def __call__(self, results: Results) -> Results:
        """Reads the labels at `seg_map_path`; `label_ids` says which of the two ids they hold."""
        labels = read_png(results["seg_map_path"], cv2.IMREAD_UNCHANGED)
        if labels.ndim != 2:
            raise DataError(
                f"{results['seg_map_path']}: labels have shape {labels.shape}; expected one channel"
            )
        if labels.dtype != np.uint8:
            raise DataError(
                f"{results['seg_map_path']}: labels are {labels.dtype}; expected uint8, a class in "
                "each pixel"
            )
        if "ori_shape" in results:
            check_sizes(results, labels.shape)
        if results.get("label_ids"):
            labels = to_train_ids(labels)
        elif (unknown := labels[(labels >= len(CLASSES)) & (labels != IGNORE)]).size:
            raise DataError(
                f"{results['seg_map_path']}: {unknown.size} pixels have no train id, the first is "
                f"{unknown[0]}; expected 0 to {len(CLASSES) - 1}, or {IGNORE} for none. Label ids "
                "belong in files called *_labelIds.png"
            )
        results["gt_seg_map"] = labels
        results.setdefault("seg_fields", []).append("gt_seg_map")
        return results


def check_sizes(results: Results, labels: tuple[int, ...]) -> None:
    """Raises DataError unless the image, as it was read, and its labels (H, W) have one size."""
    height, width = results["ori_shape"]
    if (height, width) != labels:
        raise DataError(
            f"{results['img_path']} is {width}x{height} pixels and its labels "
            f"{results['seg_map_path']} are {labels[1]}x{labels[0]}; expected one size. Download "
            "the pair again"
        )


def read_png(path: str, flags: int) -> NDArray[np.uint8]:
    """Returns the decoded image, [H, W] or [H, W, 3]. A missing or damaged file is a DataError."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise DataError(f"{path}: is no file; expected an image")
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected an image") from error
    # cv2 fills up an image that ends too early and says nothing: the end must be looked for
    if data.startswith(PNG_START) and PNG_END not in data[-64:]:
        raise DataError(f"{path}: the file is cut short at {len(data)} bytes; download it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:  # a header that promises more pixels than cv2 reads
        raise DataError(f"{path}: cannot be decoded ({error.err}); download it again") from error
    if image is None:
        raise DataError(f"{path}: {len(data)} bytes that are not an image; download it again")
    return image  # type: ignore[return-value]

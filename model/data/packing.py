"""From a pipeline's dict to what the model takes: a tensor [3, H, W] and a SegDataSample.

Of a clip of T frames the tensor is [T, 3, H, W].
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.structures import PixelData

from model.registry import TRANSFORMS
from model.structures import SegDataSample

Results = dict[str, Any]
META_KEYS = (
    "img_path",
    "seg_map_path",
    "ori_shape",
    "img_shape",
    "pad_shape",
    "scale_factor",
    "flip",
    "flip_direction",
    "swap_seg_labels",
    "reduce_zero_label",
)


@TRANSFORMS.register_module()
class PackSegInputs:
    """Makes `{"inputs": tensor [3, H, W], "data_samples": SegDataSample}` of the results.

    A clip [H, W, 3T] becomes [T, 3, H, W], also where `num_frames`, T, is 1. The sample gets
    `gt_sem_seg` ([1, H, W], int64) where labels were loaded, and those of `meta_keys` that the
    results hold.
    """

    def __init__(self, *, meta_keys: Sequence[str] = META_KEYS) -> None:
        self.meta_keys = tuple(meta_keys)

    def __call__(self, results: Results) -> dict[str, Any]:
        """Packs one sample."""
        channels_first = np.ascontiguousarray(results["img"].transpose(2, 0, 1))
        if "num_frames" in results:
            height, width = channels_first.shape[1:]
            channels_first = channels_first.reshape(results["num_frames"], 3, height, width)
        sample = SegDataSample()
        if "gt_seg_map" in results:
            labels = torch.from_numpy(results["gt_seg_map"].astype(np.int64)[None])
            sample.gt_sem_seg = PixelData(data=labels)
        sample.set_metainfo({key: results[key] for key in self.meta_keys if key in results})
        return {"inputs": torch.from_numpy(channels_first), "data_samples": sample}


@TRANSFORMS.register_module()
class TestTimeAug:
    """Runs every path through `transforms` and returns lists instead of single values.

    `transforms` is a list of alternatives per stage; a path takes one of each, the last stage
    varying fastest.
    """

    __test__ = False  # its name is the configs', and looks like a test case to pytest

    def __init__(self, *, transforms: Sequence[Sequence[dict[str, Any]]]) -> None:
        self.paths: list[Callable[[Results], Any]] = [
            Compose(list(path)) for path in itertools.product(*transforms)
        ]

    def __call__(self, results: Results) -> dict[str, list[Any]]:
        """Returns the outcome of every path, key by key."""
        outcomes = [path(_copy(results)) for path in self.paths]
        return {key: [outcome[key] for outcome in outcomes] for key in outcomes[0]}


def _copy(results: Results) -> Results:
    """Returns a copy whose containers a path may change; transforms replace arrays."""
    return {
        key: list(value) if isinstance(value, list) else value for key, value in results.items()
    }

"""Several data sets as one, and the settings of a data set without its transforms."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dataset import ConcatDataset as MmengineConcatDataset

from model.data.stream import StreamIndex
from model.registry import DATASETS


@DATASETS.register_module()
class ConcatDataset(MmengineConcatDataset):
    """mmengine's data set of the same name, which hands on a sample's place in the stream.

    The samples of the first data set come first. Their augmentation depends on (seed, place in the
    stream) alone, as in a single data set. `data_root` replaces the folder of each.
    """

    def __init__(
        self, datasets: Sequence[Any], *, data_root: str | None = None, **kwargs: Any
    ) -> None:
        if data_root is not None:
            datasets = [{**each, "data_root": data_root} for each in datasets]
        super().__init__(datasets=datasets, **kwargs)

    def _get_ori_dataset_idx(self, idx: int) -> tuple[int, int]:
        """Returns which data set a sample is in, and its index there."""
        which, inner = super()._get_ori_dataset_idx(int(idx))
        if isinstance(idx, StreamIndex):
            inner = StreamIndex.at(inner, seed=idx.seed, position=idx.position)
        return which, inner


def without_pipeline(
    settings: Mapping[str, Any], *, data_root: str | None = None
) -> dict[str, Any]:
    """Returns the settings of a data set that lists its samples at once and transforms none.

    The data sets inside a ConcatDataset are settled in the same way. `data_root` replaces the
    folder of each.
    """
    if "datasets" in settings:
        data_root = data_root or settings.get("data_root")
        inner = [without_pipeline(each, data_root=data_root) for each in settings["datasets"]]
        return {**settings, "datasets": inner, "lazy_init": False}
    root = {} if data_root is None else {"data_root": data_root}
    return {**settings, **root, "pipeline": [], "lazy_init": False}


def roots(settings: Mapping[str, Any]) -> list[str]:
    """Returns the folders of a data set, `data_root`, each once; of those inside one, too."""
    if "datasets" in settings and not settings.get("data_root"):
        inner = [root for each in settings["datasets"] for root in roots(each)]
        return list(dict.fromkeys(inner))
    return [settings.get("data_root") or ""]

"""COCO 2017 as it comes from its site (https://cocodataset.org/#download).

- annotations/instances_train2017.json, annotations/instances_val2017.json
- train2017/000000000009.jpg, ...
- val2017/000000000139.jpg, ...
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from model.data.folders import Origin, check_count, check_folder, shown
from model.data.palettes import distinct_colours
from model.data.segmentation import checked_classes
from model.data.stream import StreamDataset
from model.errors import DataError
from model.instance.annotations import category_ids, entries, read_annotations
from model.instance.classes import NAMES
from model.instance.needed import check_installed
from model.registry import DATASETS

ORIGIN = Origin(
    layout="COCO 2017 (annotations/instances_train2017.json, train2017/, val2017/, ...)",
    get="Download annotations_trainval2017.zip, train2017.zip and val2017.zip again and unpack "
    "them side by side, or make synthetic images with `python -m model.data.synthetic DIR --kind "
    "coco`",
)
DESCRIPTION = "COCO 2017 Dataset"
"""What the published files say of themselves."""
PUBLISHED = {"instances_train2017.json": 118287, "instances_val2017.json": 5000}
"""Images that they list."""
OTHER_YEARS = ("2014", "2015")


@DATASETS.register_module()
class CocoDataset(StreamDataset):
    """Images with boxes, classes and masks of their objects, sorted by id.

    `ann_file` and the folder `data_prefix['img_path']` are below `data_root`. In training
    (`test_mode=False`) images without an object are left out. `metainfo` may give other `classes`
    than COCO's 80, by the names of the file's categories. A missing image, a file that is cut
    short, another year's files, or fewer images than the published file of that name lists is a
    DataError.
    """

    METAINFO: ClassVar[dict[str, Any]] = {"classes": NAMES}

    def __init__(
        self,
        *,
        ann_file: str,
        data_prefix: Mapping[str, str],
        data_root: str = "",
        metainfo: Mapping[str, Any] | None = None,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        **kwargs: Any,
    ) -> None:
        check_installed()
        super().__init__(
            ann_file=ann_file,
            data_prefix=dict(data_prefix),
            data_root=data_root,
            metainfo=metainfo,
            pipeline=list(pipeline),
            **kwargs,
        )

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Returns the classes and a colour for each."""
        meta: dict[str, Any] = super()._load_metainfo(metainfo)
        meta["classes"] = checked_classes(meta.get("classes"), cls.__name__)
        meta.setdefault("palette", distinct_colours(len(meta["classes"])))
        return meta

    def load_data_list(self) -> list[dict[str, Any]]:
        """Returns one dict per image: its file, id and size, and its objects."""
        file, folder = Path(self.ann_file), Path(self.data_prefix["img_path"])
        _check_year(file)
        check_folder(folder, ORIGIN)
        content = read_annotations(file, ORIGIN.get)
        ids = category_ids(file, content, self.metainfo["classes"])
        self._metainfo.update(ann_file=str(file), category_ids=ids)
        self._check_images(file, folder, content)
        return [
            {
                "img_path": str(folder / image["file_name"]),
                "img_id": image["id"],
                "height": image["height"],
                "width": image["width"],
                "instances": image["instances"],
            }
            for image in entries(file, content, ids)
        ]

    def filter_data(self) -> list[dict[str, Any]]:
        """Returns the images to train on: those with objects. In a test all images count."""
        if self.test_mode:
            return self.data_list
        kept = [image for image in self.data_list if image["instances"]]
        if not kept:
            raise DataError(
                f"{self.ann_file}: no object in {len(self.data_list)} images; expected some to "
                f"train on. {ORIGIN.get}"
            )
        return kept

    def _check_images(self, file: Path, folder: Path, content: Mapping[str, Any]) -> None:
        """Raises DataError where images are missing in the folder, or in a published split."""
        names = {image["file_name"] for image in content["images"]}
        if not names:
            raise DataError(f"{file}: lists no images. {ORIGIN.get}")
        below = {str(Path(name).parent) for name in names}
        present = {
            os.path.normpath(Path(part, entry.name))
            for part in below
            if (folder / part).is_dir()
            for entry in os.scandir(folder / part)
        }
        missing = sorted(name for name in names if os.path.normpath(name) not in present)
        if missing:
            raise DataError(
                f"{len(missing)} of the {len(names)} images that {file} lists are missing under "
                f"{folder}: {shown(missing)}. {ORIGIN.get}"
            )
        published = PUBLISHED.get(file.name)
        if published and (content.get("info") or {}).get("description") == DESCRIPTION:
            check_count(len(names), published, what=str(file), folder=folder, origin=ORIGIN)


def _check_year(file: Path) -> None:
    """Raises DataError if the annotations beside the wanted file are of another COCO."""
    if file.exists() or not file.parent.is_dir():
        return
    others = [
        path.name
        for path in sorted(file.parent.glob("instances_*.json"))
        if any(year in path.name for year in OTHER_YEARS)
    ]
    if others:
        raise DataError(
            f"no annotations: found no file {file}, but {shown(others)}, which split COCO "
            f"otherwise; expected those of 2017. {ORIGIN.get}"
        )

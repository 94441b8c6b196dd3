"""The 19 classes of Cityscapes: names, colours, and the way from label ids to train ids.

Cityscapes' annotation files name 34 classes by *label id* (`*_labelIds.png`). 19 of them are
evaluated and get a *train id* from 0; all others are ignored (255).
"""

import numpy as np
from numpy.typing import NDArray

IGNORE = 255

# train id: (name, label id, colour as RGB); the benchmark's definition
_CLASSES: tuple[tuple[str, int, tuple[int, int, int]], ...] = (
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
)

CLASSES: tuple[str, ...] = tuple(name for name, _, _ in _CLASSES)
PALETTE: tuple[tuple[int, int, int], ...] = tuple(colour for _, _, colour in _CLASSES)
LABEL_ID: dict[str, int] = {name: label_id for name, label_id, _ in _CLASSES}


def _table() -> NDArray[np.uint8]:
    table = np.full(256, IGNORE, dtype=np.uint8)
    for train_id, (_, label_id, _) in enumerate(_CLASSES):
        table[label_id] = train_id
    table.flags.writeable = False
    return table


TRAIN_ID_OF: NDArray[np.uint8] = _table()


def to_train_ids(label_ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns the train ids of an array of label ids, same shape; 255 for classes not evaluated."""
    return TRAIN_ID_OF[label_ids]

"""Instance segmentation: Mask R-CNN with criss-cross attention, on COCO.

The network is torchvision's and the annotations and scores are read with pycocotools (the extra
`instance`). Both are imported where they are used, so that the rest of `model` works without them.
"""

from model.instance.coco import CocoDataset
from model.instance.detector import MaskRCNN
from model.instance.metric import CocoMetric
from model.instance.pictures import InstanceLocalVisualizer
from model.instance.pipeline import LoadInstances, PackDetInputs, RandomFlipInstances
from model.instance.preprocess import DetDataPreprocessor

__all__ = [
    "CocoDataset",
    "CocoMetric",
    "DetDataPreprocessor",
    "InstanceLocalVisualizer",
    "LoadInstances",
    "MaskRCNN",
    "PackDetInputs",
    "RandomFlipInstances",
]

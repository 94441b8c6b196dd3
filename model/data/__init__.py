"""Data: data sets in folders, synthetic ones, the transforms of published pipelines, the sampler.

How a sample gets its randomness. The sampler numbers the samples of the endless stream and hands
each one's number on with its index (`StreamIndex`); the data set makes a generator from (seed,
number) and the transforms draw from that alone. A sample's augmentation therefore depends on its
place in the stream only: not on the worker that made it, nor on the samples before it. To resume,
the sampler starts at a later number, and no image is read twice.
"""

from model.data.ade20k import ADE20KDataset
from model.data.camvid import CamVidDataset
from model.data.cityscapes import CityscapesDataset
from model.data.clips import LoadClip
from model.data.concat import ConcatDataset
from model.data.geometry import Pad, RandomCrop, RandomFlip, RandomResize, Resize
from model.data.lip import LIPDataset
from model.data.loading import LoadAnnotations, LoadImageFromFile
from model.data.packing import PackSegInputs, TestTimeAug
from model.data.photometric import PhotoMetricDistortion
from model.data.segmentation import SegmentationFolder
from model.data.stream import InfiniteSampler
from model.data.voc import PascalVOCDataset

__all__ = [
    "ADE20KDataset",
    "CamVidDataset",
    "CityscapesDataset",
    "ConcatDataset",
    "InfiniteSampler",
    "LIPDataset",
    "LoadAnnotations",
    "LoadClip",
    "LoadImageFromFile",
    "PackSegInputs",
    "Pad",
    "PascalVOCDataset",
    "PhotoMetricDistortion",
    "RandomCrop",
    "RandomFlip",
    "RandomResize",
    "Resize",
    "SegmentationFolder",
    "TestTimeAug",
]

"""Data: data sets in folders, synthetic ones, the transforms of published pipelines, the sampler.

How a sample gets its randomness. The sampler numbers the samples of the endless stream and hands
each one's number on with its index (`StreamIndex`); the data set makes a generator from (seed,
number) and the transforms draw from that alone. A sample's augmentation therefore depends on its
place in the stream only: not on the worker that made it, nor on the samples before it. To resume,
the sampler starts at a later number, and no image is read twice.
"""

from model.data.cityscapes import CityscapesDataset
from model.data.geometry import RandomCrop, RandomFlip, RandomResize, Resize
from model.data.lip import LIPDataset
from model.data.loading import LoadAnnotations, LoadImageFromFile
from model.data.packing import PackSegInputs, TestTimeAug
from model.data.photometric import PhotoMetricDistortion
from model.data.segmentation import SegmentationFolder
from model.data.stream import InfiniteSampler

__all__ = [
    "CityscapesDataset",
    "InfiniteSampler",
    "LIPDataset",
    "LoadAnnotations",
    "LoadImageFromFile",
    "PackSegInputs",
    "PhotoMetricDistortion",
    "RandomCrop",
    "RandomFlip",
    "RandomResize",
    "Resize",
    "SegmentationFolder",
    "TestTimeAug",
]

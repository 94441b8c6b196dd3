"""Losses, and the sampler of the pixels that they count."""

from model.losses.accuracy import accuracy
from model.losses.category_consistent import CategoryConsistentLoss, category_consistent_terms
from model.losses.cross_entropy import CrossEntropyLoss
from model.losses.dice import DiceLoss
from model.losses.ohem import OHEMPixelSampler

__all__ = [
    "CategoryConsistentLoss",
    "CrossEntropyLoss",
    "DiceLoss",
    "OHEMPixelSampler",
    "accuracy",
    "category_consistent_terms",
]

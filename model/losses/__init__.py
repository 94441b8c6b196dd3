"""Losses."""

from model.losses.accuracy import accuracy
from model.losses.category_consistent import CategoryConsistentLoss, category_consistent_terms
from model.losses.cross_entropy import CrossEntropyLoss

__all__ = ["CategoryConsistentLoss", "CrossEntropyLoss", "accuracy", "category_consistent_terms"]

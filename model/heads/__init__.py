"""Heads: features in, class scores and losses out."""

from model.heads.criss_cross import CCHead, CrissCrossAttention
from model.heads.fcn import FCNHead

__all__ = ["CCHead", "CrissCrossAttention", "FCNHead"]

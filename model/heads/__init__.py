"""Heads: features in, class scores and losses out."""

from model.heads.criss_cross import CCHead, CrissCrossAttention
from model.heads.criss_cross_3d import CCHead3D, CrissCrossAttention3D
from model.heads.fcn import FCNHead

__all__ = ["CCHead", "CCHead3D", "CrissCrossAttention", "CrissCrossAttention3D", "FCNHead"]

"""Criss-cross attention as functions of tensors."""

from model.ops.criss_cross import criss_cross_attention
from model.ops.criss_cross_3d import criss_cross_attention_3d
from model.ops.reference import criss_cross_attention_reference
from model.ops.reference_3d import criss_cross_attention_3d_reference

__all__ = [
    "criss_cross_attention",
    "criss_cross_attention_3d",
    "criss_cross_attention_3d_reference",
    "criss_cross_attention_reference",
]

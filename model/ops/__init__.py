"""Criss-cross attention as functions of tensors."""

from model.ops.criss_cross import criss_cross_attention
from model.ops.reference import criss_cross_attention_reference

__all__ = ["criss_cross_attention", "criss_cross_attention_reference"]

"""Backbones."""

from model.backbones.resnet import ResNetV1c

__all__ = ["ResNetV1c"]

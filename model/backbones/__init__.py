"""Backbones."""

from model.backbones.resnet import ResNet, ResNetV1c

__all__ = ["ResNet", "ResNetV1c"]

"""A narrow CCNet, a batch for it, and one step of training on any device.

The kinds of layers, losses and updates are those of the published training; a step takes less than
16 MiB. Letters: N batch, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmengine.structures import PixelData
from torch import Tensor, nn

from model.build import build_model, load_config
from model.devices import Device
from model.segmentor import EncoderDecoder
from model.structures import SegDataSample

SIZE = (48, 64)
BATCH = 2
CLASSES = 19
NARROW = {"depth": 18, "stem_channels": 8, "base_channels": 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A network on a device and the batch that it is trained on: images [N, 3, H, W]."""

    network: EncoderDecoder
    images: Tensor
    samples: list[SegDataSample]
    optimizer: torch.optim.Optimizer

    def loss(self) -> Tensor:
        """Returns the sum of the losses, 0-dim."""
        losses = self.network.loss(self.images, self.samples)
        return torch.stack([value for key, value in losses.items() if "loss" in key]).sum()

    def backward(self) -> Tensor:
        """Computes the gradients; returns the loss."""
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        return loss.detach()

    def gradients(self) -> list[Tensor]:
        """Returns the gradients of the last backward pass, on the CPU."""
        grads = [parameter.grad for parameter in self.network.parameters()]
        return [grad.cpu() for grad in grads if grad is not None]


def prepared(device: Device, *, dropout: float = 0.0, dtype: torch.dtype = torch.float32) -> Step:
    """Returns the same network and batch for any device; the host draws all numbers."""
    part = load_config("ccnet_r18-d8_demo").model
    part.backbone.update(NARROW)
    part.decode_head.update(in_channels=64, channels=16, dropout_ratio=dropout)
    part.auxiliary_head.update(in_channels=32, channels=8, dropout_ratio=dropout)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = build_model(part)
        nn.init.constant_(network.decode_head.cca.gamma.scale, 0.5)  # 0 would hide the attention
        for head in (network.decode_head, network.auxiliary_head):
            nn.init.normal_(head.conv_seg.weight, std=0.5)  # else the loss is near ln 19 anyway
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(BATCH, 3, *SIZE, generator=draw)
    labels = torch.randint(0, CLASSES, (BATCH, 1, *SIZE), generator=draw)
    place = torch.device(device.torch_type)
    network = network.to(place, dtype).train()
    return Step(
        network=network,
        images=images.to(place, dtype),
        samples=[
            SegDataSample(gt_sem_seg=PixelData(data=one), metainfo={}).to(place) for one in labels
        ],
        optimizer=torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005),
    )

"""The networks of the benchmark, each with one training step: two CCNets and a transformer block.

Letters: N batch, L tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.capture.start import unhide_zeros

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
SIZES = {"ccnet_r18-d8_demo": (2, 96, 160), "ccnet_r18-d4_cues": (2, 64, 64)}
"""Images of a batch, height and width."""
NETWORKS = (*SIZES, "transformer")


@dataclass(frozen=True)
class Made:
    """A network at its start, and its training step, which returns the loss."""

    network: nn.Module
    step: Callable[[], float]


class Transformer(nn.Module):
    """Two blocks of a decoder: embedding, layer norm, attention, GELU. [N, L] -> [N, L, words]."""

    def __init__(self, words: int = 64, width: int = 48, heads: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, words)

    def forward(self, tokens_NL: Tensor) -> Tensor:
        """Returns the scores of the next word."""
        x_NLD = self.embedding(tokens_NL)
        for block in self.blocks:
            x_NLD = block(x_NLD)
        return self.head(self.norm(x_NLD))


class Block(nn.Module):
    """Attention and a perceptron, each behind a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x_NLD: Tensor) -> Tensor:
        """Returns [N, L, D]."""
        parts = self.qkv(self.norm1(x_NLD)).chunk(3, dim=-1)
        split = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        attended = F.scaled_dot_product_attention(*split, is_causal=True)
        x_NLD = x_NLD + self.out(attended.transpose(1, 2).flatten(2))
        return x_NLD + self.mlp(self.norm2(x_NLD))


def make(name: str, seed: int, precision: str) -> Made:
    """Returns a network with the weights and the batch of a seed; zeros that hide are filled."""
    torch.manual_seed(seed)
    network, forward = _transformer() if name == "transformer" else _ccnet(name)
    unhide_zeros(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    dtype = PRECISIONS[precision]
    cast: Any = nullcontext() if dtype is None else torch.autocast("cpu", dtype=dtype)

    def step() -> float:
        torch.manual_seed(seed + 1)
        optimizer.zero_grad()
        with cast:
            loss = forward()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return Made(network, step)


def _transformer() -> tuple[nn.Module, Callable[[], Tensor]]:
    network = Transformer().train()
    tokens, wanted = torch.randint(0, 64, (2, 4, 24)).unbind()
    return network, lambda: F.cross_entropy(network(tokens).flatten(0, 1), wanted.flatten())


def _ccnet(name: str) -> tuple[nn.Module, Callable[[], Tensor]]:
    from mmengine.structures import PixelData

    from model.build import build_model
    from model.structures import SegDataSample

    count, height, width = SIZES[name]
    network = build_model(name).train()
    images = torch.randn(count, 3, height, width)
    shape = {f"{n}_shape": (height, width) for n in ("ori", "img", "pad")}
    samples = []
    for _ in range(count):
        sample = SegDataSample(metainfo=shape)
        labels = torch.randint(0, network.num_classes, (1, height, width))
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)

    def forward() -> Tensor:
        losses = network(images, samples, mode="loss")
        return sum(value for key, value in losses.items() if "loss" in key)

    return network, forward

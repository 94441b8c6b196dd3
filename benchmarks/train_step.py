"""A training step of ours against the same network put together as mmsegmentation does it.

    python -m benchmarks.train_step [--config NAME] [--size H W] [--batch N] [--rounds K]

Both train from the same weights on the same tensors (forward, losses, accuracy, backward, SGD), in
turn in one process; medians over the rounds after one that warms. The other side is put together
from mmsegmentation's behaviour: criss-cross attention by einsum, images as they come (channels
first), one loss a pixel summed afterwards, accuracy by top-k. No data loading.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from mmengine.structures import PixelData
from torch import Tensor, nn
from torch.nn import functional as F

from model import build_model
from model.heads import CrissCrossAttention
from model.measure import busy_note
from model.ops.formulations import criss_cross_einsum
from model.segmentor import EncoderDecoder
from model.structures import SegDataSample


def mmseg_losses(scores: Tensor, labels: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Return the loss (0-dim) and accuracy [1] of scores [N, K, h, w] as mmsegmentation does."""
    size = tuple(labels.shape[1:])
    resized = F.interpolate(scores, size, mode="bilinear", align_corners=False)
    each = F.cross_entropy(resized, labels, reduction="none", ignore_index=255)
    loss = weight * each.sum() / (labels.numel() + torch.finfo(torch.float32).eps)
    best = resized.topk(1, dim=1)[1].transpose(0, 1)
    right = best.eq(labels[None].expand_as(best))[:, labels != 255]
    count = labels[labels != 255].numel()
    return loss, right.reshape(-1).float().sum(0, keepdim=True) * (100.0 / count)


class MmsegStep:
    """The losses of a network [N, 3, H, W] -> total, computed as mmsegmentation computes them."""

    def __init__(self, network: EncoderDecoder) -> None:
        self.network = network

    def attention(self, module: CrissCrossAttention, x: Tensor, recurrence: int) -> Tensor:
        """Map [N, C, h, w] to the same shape by einsum."""
        convs = (module.query_conv, module.key_conv, module.value_conv)
        pairs = [(conv.weight, conv.bias) for conv in convs]
        return criss_cross_einsum(x, *pairs, module.gamma.scale, recurrence=recurrence)

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the total loss, 0-dim."""
        network = self.network
        features = network.backbone(images)
        head = network.decode_head
        x = features[head.in_index]
        y = self.attention(head.cca, head.convs[0](x), head.recurrence)
        scores = head.classify(head.merge(x, head.convs[1](y)))
        decode, _ = mmseg_losses(scores, labels, 1.0)
        aux, _ = mmseg_losses(network.auxiliary_head(features), labels, 0.4)
        return decode + aux


def make_steps(
    config: str,
    size: list[int],
    batch: int,
    *,
    device: torch.device | str = "cpu",
    compiled: bool = False,
    memory_format: str | None = None,
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> dict[str, Callable[[], float]]:
    """Return, by name, functions that train one step and return the loss.

    `around` gives the context of the forward pass, such as autocast; `memory_format` is that of our
    network's images.
    """
    torch.manual_seed(0)
    images = torch.randn(batch, 3, *size).to(device)
    labels = torch.randint(0, 19, (batch, *size)).to(device)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in labels]
    networks = {}
    for name in ("ours", "as mmsegmentation"):
        torch.manual_seed(1)
        networks[name] = build_model(config).train().to(device)
        for module in networks[name].modules():
            if isinstance(module, nn.Dropout2d):
                module.p = 0.0  # so that both losses can be compared
    networks["ours"].memory_format = memory_format
    peer = MmsegStep(networks["as mmsegmentation"])

    def of_peer() -> Tensor:
        return peer(images, labels)

    def ours() -> Tensor:
        total: Tensor = networks["ours"].parse_losses(networks["ours"].loss(images, samples))[0]
        return total

    losses = {"as mmsegmentation": (peer.network, of_peer), "ours": (networks["ours"], ours)}
    return {
        name: _step(network, torch.compile(loss) if compiled else loss, around)
        for name, (network, loss) in losses.items()
    }


def _step(
    network: nn.Module,
    loss_of: Callable[[], Tensor],
    around: Callable[[], AbstractContextManager[object]],
) -> Callable[[], float]:
    sgd = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def run() -> float:
        with around():
            loss = loss_of()
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss.item()

    return run


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="ccnet_r18-d8_demo")
    parser.add_argument("--size", type=int, nargs=2, default=[128, 256], metavar=("H", "W"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    note = busy_note(args.threads)
    steps = make_steps(args.config, args.size, args.batch)
    losses = {name: run() for name, run in steps.items()}
    first, second = losses.values()
    if not abs(first - second) <= 1e-4 * abs(first):
        raise SystemExit(f"not the same network: first losses {losses}")
    wall: dict[str, list[float]] = {name: [] for name in steps}
    cpu: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(args.rounds):
        print(f"round {i + 1}/{args.rounds}", file=sys.stderr)
        for name, run in steps.items():
            start, used = time.perf_counter(), time.process_time()
            run()
            wall[name].append((time.perf_counter() - start) * 1e3)
            cpu[name].append((time.process_time() - used) * 1e3)
    height, width = args.size
    print(
        f"one training step, {args.config}, {args.batch}x3x{height}x{width}, float32, CPU, "
        f"{args.threads} threads; first loss {first:.5f} and {second:.5f}"
    )
    print(f"{'':<20}{'median':>11}{'fastest':>11}{'CPU time':>11}{'speed (median)':>16}")
    slowest = statistics.median(wall["as mmsegmentation"])
    for name, values in wall.items():
        ms, processor = statistics.median(values), statistics.median(cpu[name])
        print(
            f"{name:<20}{ms:>8.0f} ms{min(values):>8.0f} ms{processor:>8.0f} ms"
            f"{slowest / ms:>15.2f}x"
        )
    if note:
        print(note)


if __name__ == "__main__":
    main()

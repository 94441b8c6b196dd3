"""What a replayed and a recorded step cost, over a plain step.

    python -m benchmarks.locate_cost [--rounds K] [--threads N]

Each round trains one plain step, one step that is recorded and one that is replayed, of the same
network, in turn in one process. The ratios are of processor time, medians over the rounds after one
that warms: wall time depends on what else the machine does, and a replay has one thread's work too.
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
from torch.nn import functional

from harness.capture.record import Recorder
from harness.capture.replay import Replay
from model import build_model
from model.measure import busy_note
from model.structures import SegDataSample

Losses = Callable[[], Tensor]
MODES: dict[str, Callable[[nn.Module], AbstractContextManager[object]]] = {
    "plain": lambda _: nullcontext(),
    "record": Recorder,
    "replay": Replay,
}


class Transformer(nn.Module):
    """A small language model: embedding, blocks of attention and GELU, a head."""

    def __init__(self, *, words: int = 1000, width: int = 128, heads: int = 4, blocks: int = 2):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, blocks, enable_nested_tensor=False)
        self.head = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        """Returns the scores of the next word, [N, L, words], of tokens [N, L]."""
        scores: Tensor = self.head(self.blocks(self.embedding(tokens)))
        return scores


def transformer() -> tuple[nn.Module, Losses]:
    """Returns the network and a function that computes its loss."""
    network = Transformer()
    tokens = torch.randint(0, 1000, (4, 129))

    def loss() -> Tensor:
        scores = network(tokens[:, :-1])
        return functional.cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten())

    return network, loss


def demo() -> tuple[nn.Module, Losses]:
    """Returns the demo's CCNet and a function that computes its loss."""
    network = build_model("ccnet_r18-d8_demo").train()
    images = torch.randn(2, 3, 96, 160)
    labels = torch.randint(0, 19, (2, 96, 160))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in labels]

    def loss() -> Tensor:
        total: Tensor = network.parse_losses(network(images, samples, mode="loss"))[0]
        return total

    return network, loss


NETWORKS = {"ccnet_r18-d8_demo, 2x3x96x160": demo, "transformer, 4x128": transformer}


def measure(make: Callable[[], tuple[nn.Module, Losses]], rounds: int) -> dict[str, float]:
    """Returns the median processor time of a step by mode, in seconds."""
    torch.manual_seed(0)
    network, loss = make()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    spent: dict[str, list[float]] = {mode: [] for mode in MODES}
    for n in range(rounds + 1):
        print(f"round {n}/{rounds}", file=sys.stderr)
        for mode, watch in MODES.items():
            started = time.process_time()
            with watch(network):
                optimizer.zero_grad()
                loss().backward()
                optimizer.step()
            spent[mode].append(time.process_time() - started)
    return {mode: statistics.median(times[1:]) for mode, times in spent.items()}


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    note = busy_note(args.threads)
    print(f"{'a step, processor time':<32}" + "".join(f"{mode:>18}" for mode in MODES))
    for name, make in NETWORKS.items():
        found = measure(make, args.rounds)
        cells = [f"{s * 1e3:,.0f} ms ({s / found['plain']:.1f}x)" for s in found.values()]
        print(f"{name:<32}" + "".join(f"{cell:>18}" for cell in cells))
    if note:
        print(note)


if __name__ == "__main__":
    main()

"""3-D criss-cross attention beside its plain reference and a 3-D non-local block, in one run.

    python -m benchmarks.attention_3d [--size T H W] [--channels C] [--rounds N]

Letters: N batch, C channel, T frame, H height, W width.
FLOPs: torch's counter, forward, a multiplication and an addition are 2. Time: forward and backward,
all blocks in turn in one process, the fastest round. Memory: what a forward and backward adds to
the peak of a fresh, warmed process. Input, output gradient and parameters are there before. The
default size is that of CamVid's clips at an eighth: 5 frames of 360x480 pixels.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from model.heads import CrissCrossAttention3D
from model.measure import busy_note, in_fresh_process, peak_rss_mib
from model.ops import criss_cross_attention_3d, criss_cross_attention_3d_reference
from model.ops.formulations import non_local_3d

Shape = Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A function of clips, and how many rounds of it see the whole clip."""

    function: Callable[..., Tensor]
    recurrence: int


BLOCKS = {
    "criss-cross R=3 (ours)": Block(function=criss_cross_attention_3d, recurrence=3),
    "criss-cross R=3 (reference)": Block(function=criss_cross_attention_3d_reference, recurrence=3),
    "non-local": Block(function=non_local_3d, recurrence=1),
}


def prepare(name: str, shape: Shape) -> tuple[Callable[[], Tensor], Tensor]:
    """Returns the forward pass of a block on a clip of `shape`, and the gradient of its output."""
    torch.manual_seed(0)
    module = CrissCrossAttention3D(shape[1])
    nn.init.constant_(module.gamma.scale, 0.5)
    x, grad = torch.randn(*shape, requires_grad=True), torch.randn(*shape)
    block = BLOCKS[name]

    def forward() -> Tensor:
        x.grad = None
        module.zero_grad()
        pairs = module.projections()
        return block.function(x, *pairs, module.gamma.scale, recurrence=block.recurrence)

    return forward, grad


def gflop(name: str, shape: Shape) -> float:
    """Returns the counted FLOPs of a forward pass, in 10^9."""
    forward, _ = prepare(name, shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward()
    return counter.get_total_flops() / 1e9


def times_s(shape: Shape, rounds: int) -> dict[str, float]:
    """Returns the seconds of the fastest forward and backward of each block."""
    ready = {name: prepare(name, shape) for name in BLOCKS}
    fastest = dict.fromkeys(BLOCKS, float("inf"))
    for i in range(rounds):
        print(f"round {i + 1} of {rounds}", file=sys.stderr, flush=True)
        for name, (forward, grad) in ready.items():
            start = time.perf_counter()
            forward().backward(grad)
            fastest[name] = min(fastest[name], time.perf_counter() - start)
    return fastest


def peak_growth_mib(name: str, shape: Shape, threads: int) -> float:
    """Returns what one forward and backward adds to this process's peak, in MiB."""
    torch.set_num_threads(threads)
    forward, grad = prepare(name, (1, shape[1], 2, 4, 4))
    forward().backward(grad)
    forward, grad = prepare(name, shape)
    before = peak_rss_mib()
    forward().backward(grad)
    return peak_rss_mib() - before


def table(shape: Shape, *, rounds: int, threads: int) -> str:
    """Returns FLOPs, time and memory of each block as text."""
    script = (
        "import json, sys; from benchmarks import attention_3d;"
        "print(attention_3d.peak_growth_mib(*json.loads(sys.argv[1])))"
    )
    taken = times_s(shape, rounds)
    lines = [
        f"{'x'.join(map(str, shape))}, float32, CPU, {threads} threads",
        f"{'':<28}{'GFLOP':>9}{'forward + backward':>20}{'peak growth':>14}",
    ]
    for name in BLOCKS:
        memory = in_fresh_process(script, [name, list(shape), threads])
        lines.append(
            f"{name:<28}{gflop(name, shape):>9.2f}{taken[name]:>18.2f} s{memory:>10.0f} MiB"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.attention_3d", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--size", type=int, nargs=3, default=[5, 45, 60], metavar=("T", "H", "W"))
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    note = busy_note(args.threads)
    print(table([1, args.channels, *args.size], rounds=args.rounds, threads=args.threads))
    if note:
        print(note)


if __name__ == "__main__":
    main()

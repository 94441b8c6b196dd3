"""Cost of criss-cross attention against the non-local block: FLOPs, time, memory, all measured.

    python -m model.complexity

Letters: N batch, C channel, H height, W width.
FLOPs: torch's counter, forward, a multiplication and an addition are 2. Time: the fastest round,
all variants in turn in one process. Memory: what one forward and backward adds to the peak of a
fresh, warmed process, one a cell; input, output gradient and parameters are there before.
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

from model.command import ended
from model.measure import busy_note, in_fresh_process, peak_rss_mib
from model.ops import criss_cross_attention
from model.ops.formulations import criss_cross_einsum, non_local
from model.options import positive

CHANNELS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A block, how often it is applied, and the paper's figures for it at 97x97."""

    function: Callable[..., Tensor]
    recurrence: int
    paper_gflop: float | None = None
    paper_mb: float | None = None


VARIANTS = {
    "criss-cross R=1 (ours)": Variant(function=criss_cross_attention, recurrence=1),
    "criss-cross R=2 (ours)": Variant(
        function=criss_cross_attention, recurrence=2, paper_gflop=16.5, paper_mb=127
    ),
    "criss-cross R=1 (mmcv's)": Variant(function=criss_cross_einsum, recurrence=1),
    "criss-cross R=2 (mmcv's)": Variant(
        function=criss_cross_einsum, recurrence=2, paper_gflop=16.5, paper_mb=127
    ),
    "non-local block": Variant(function=non_local, recurrence=1, paper_gflop=108.0, paper_mb=1411),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one block costs on one map."""

    gflop: float
    forward_ms: float
    both_ms: float
    memory_mib: float


class Block(nn.Module):
    """One variant with its parameters, maps [N, C, H, W] to the same shape."""

    def __init__(self, variant: Variant, channels: int = CHANNELS) -> None:
        super().__init__()
        self.variant = variant
        widths = (channels // 8, channels // 8, channels)
        self.projections = nn.ModuleList(nn.Conv2d(channels, width, 1) for width in widths)
        self.gamma = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, C, H, W] to the same shape."""
        pairs = [(conv.weight, conv.bias) for conv in self.projections]
        return self.variant.function(x, *pairs, self.gamma, recurrence=self.variant.recurrence)


def gflop(variant: Variant, height: int, width: int) -> float:
    """Returns the counted FLOPs of the forward pass on [1, 512, height, width], in 10^9."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Block(variant)(torch.zeros(1, CHANNELS, height, width))
    return counter.get_total_flops() / 1e9


def prepare(name: str, height: int, width: int) -> tuple[Block, Tensor, Tensor]:
    """Returns the block, its input and its output gradient, both [1, 512, height, width]."""
    torch.manual_seed(0)
    shape = (1, CHANNELS, height, width)
    return Block(VARIANTS[name]), torch.randn(shape, requires_grad=True), torch.randn(shape)


def measure_ms(sizes: Sequence[tuple[int, int]], rounds: int) -> dict[str, tuple[float, float]]:
    """Returns the fastest forward, and forward and backward, by '<name> <H>x<W>'."""
    taken: dict[str, list[tuple[float, float]]] = {}
    for height, width in sizes:
        for name in VARIANTS:  # a small map warms the libraries
            block, x, grad = prepare(name, 16, 16)
            block(x).backward(grad)
        ready = {name: prepare(name, height, width) for name in VARIANTS}
        for i in range(rounds):
            _say(f"time at {height}x{width}: round {i + 1} of {rounds}")
            for name, (block, x, grad) in ready.items():
                start = time.perf_counter()
                y = block(x)
                middle = time.perf_counter()
                y.backward(grad)
                end = time.perf_counter()
                pair = ((middle - start) * 1e3, (end - start) * 1e3)
                taken.setdefault(f"{name} {height}x{width}", []).append(pair)
    return {
        key: (min(p[0] for p in pairs), min(p[1] for p in pairs)) for key, pairs in taken.items()
    }


def peak_growth_mib(name: str, height: int, width: int, threads: int) -> float:
    """Returns what one forward and backward adds to this process's peak, in MiB."""
    torch.set_num_threads(threads)
    block, x, grad = prepare(name, 8, 8)
    block(x).backward(grad)
    block, x, grad = prepare(name, height, width)
    before = peak_rss_mib()
    block(x).backward(grad)
    return peak_rss_mib() - before


def measure(sizes: Sequence[tuple[int, int]], *, rounds: int, threads: int) -> dict[str, Cost]:
    """Returns the cost of every variant on every map, by '<name> <H>x<W>'."""
    torch.set_num_threads(threads)
    script = (
        "import json, sys; from model import complexity;"
        "print(complexity.peak_growth_mib(*json.loads(sys.argv[1])))"
    )
    times = measure_ms(sizes, rounds)
    costs = {}
    for height, width in sizes:
        for name, variant in VARIANTS.items():
            _say(f"memory at {height}x{width}: {name}")
            key = f"{name} {height}x{width}"
            costs[key] = Cost(
                gflop=gflop(variant, height, width),
                forward_ms=times[key][0],
                both_ms=times[key][1],
                memory_mib=in_fresh_process(script, [name, height, width, threads]),
            )
    return costs


def table(costs: dict[str, Cost], sizes: Sequence[tuple[int, int]]) -> str:
    """Returns the costs as text; the paper's figures stand where it gives them, at 97x97."""
    lines = []
    for height, width in sizes:
        lines += [
            f"1x{CHANNELS}x{height}x{width}, float32, CPU, {torch.get_num_threads()} threads",
            f"{'':<26}{'GFLOP':>9}{'forward':>11}{'+backward':>12}{'peak growth':>14}"
            f"{'paper GFLOP':>13}{'paper MB':>10}",
        ]
        for name, variant in VARIANTS.items():
            cost = costs[f"{name} {height}x{width}"]
            paper = (
                variant
                if (height, width) == (97, 97)
                else Variant(function=variant.function, recurrence=variant.recurrence)
            )
            lines.append(
                f"{name:<26}{cost.gflop:>9.2f}{cost.forward_ms:>8.0f} ms{cost.both_ms:>9.0f} ms"
                f"{cost.memory_mib:>10.0f} MiB{_shown(paper.paper_gflop):>13}"
                f"{_shown(paper.paper_mb):>10}"
            )
        lines += [*_shares(costs, f"{height}x{width}"), ""]
    return "\n".join(lines)


def _shares(costs: dict[str, Cost], size: str) -> list[str]:
    """Returns what R=2 of ours saves against the other two, as sentences."""
    ours = costs[f"criss-cross R=2 (ours) {size}"]
    wide, peer = costs[f"non-local block {size}"], costs[f"criss-cross R=2 (mmcv's) {size}"]
    return [
        f"R=2 against non-local: {_more_or_fewer(ours.gflop, wide.gflop)} FLOPs, "
        f"{wide.both_ms / ours.both_ms:.1f}x the speed, "
        f"{_share(ours.memory_mib, wide.memory_mib)} of the memory (the paper, at 97x97 on a GPU: "
        "85 % fewer, 1/11 of the memory)",
        f"R=2 against mmcv's formulation: {peer.both_ms / ours.both_ms:.2f}x the speed at "
        f"{_share(ours.memory_mib, peer.memory_mib)} of the memory",
    ]


def _more_or_fewer(ours: float, theirs: float) -> str:
    """Returns the difference in percent of theirs, as `45.7% fewer` or `45.7% more`."""
    return f"{abs(ours / theirs - 1):.1%} {'fewer' if ours <= theirs else 'more'}"


def _share(ours: float, theirs: float) -> str:
    """Ours in percent of theirs; where theirs added nothing to the peak, there is none."""
    return f"{ours / theirs:.0%}" if theirs > 0 else "an unknown part"


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:g}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m model.complexity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--sizes", nargs="+", default=["97x97", "64x128"], metavar="HxW", help="maps to measure"
    )
    parser.add_argument("--rounds", type=positive, default=3, help="timed rounds (default 3)")
    parser.add_argument("--threads", type=positive, default=2, help="CPU threads (default 2)")
    options = parser.parse_args(arguments)
    try:
        pairs = (size.split("x") for size in options.sizes)
        sizes = [(positive(height), positive(width)) for height, width in pairs]
    except (ValueError, argparse.ArgumentTypeError):
        parser.error(f"--sizes {' '.join(options.sizes)}: expected HxW, say 97x97")
    return ended(lambda: command(sizes, rounds=options.rounds, threads=options.threads))


def command(sizes: Sequence[tuple[int, int]], *, rounds: int, threads: int) -> int:
    """Measures, prints the table and a note on a busy machine; returns the exit status."""
    note = busy_note(threads)
    print(table(measure(sizes, rounds=rounds, threads=threads), sizes))
    if note:
        print(note)
    return 0


if __name__ == "__main__":
    sys.exit(main())

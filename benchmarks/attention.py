"""Criss-cross attention of ours against the einsum formulation that mmcv uses, in one run.

    python -m benchmarks.attention [--size H W] [--batch N] [--channels C] [--recurrence R]

Time: forward and backward of all variants in turn in one process, medians over the rounds. Memory:
growth of the peak resident set over a warmed process, each variant in fresh processes, median of
three. Input, output gradient and parameters exist before the growth is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from model.heads import CrissCrossAttention
from model.measure import busy_note, in_fresh_process, peak_rss_mib
from model.ops import criss_cross_attention, criss_cross_attention_reference
from model.ops.formulations import criss_cross_einsum

VARIANTS: dict[str, Callable[..., Tensor]] = {
    "ours": criss_cross_attention,
    "mmcv's formulation": criss_cross_einsum,
    "plain reference": criss_cross_attention_reference,
}


def step(name: str, shape: list[int], recurrence: int) -> Callable[[], Tensor]:
    """Return a function that runs forward and backward once and returns the output."""
    torch.manual_seed(0)
    module = CrissCrossAttention(shape[1])
    nn.init.constant_(module.gamma.scale, 0.5)
    x = torch.randn(shape, requires_grad=True)
    grad = torch.randn(shape)
    convs = (module.query_conv, module.key_conv, module.value_conv)
    pairs = [(conv.weight, conv.bias) for conv in convs]

    def run() -> Tensor:
        x.grad = None
        module.zero_grad()
        y = VARIANTS[name](x, *pairs, module.gamma.scale, recurrence=recurrence)
        y.backward(grad)
        return y.detach()

    return run


def times_ms(shape: list[int], recurrence: int, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each variant and round."""
    steps = {name: step(name, shape, recurrence) for name in VARIANTS}
    outputs = [run() for run in steps.values()]
    for y in outputs:
        torch.testing.assert_close(y, outputs[0], rtol=1e-4, atol=1e-4)
    taken: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for i in range(rounds):
        print(f"round {i + 1}/{rounds}", file=sys.stderr)
        for name, run in steps.items():
            start = time.perf_counter()
            run()
            taken[name].append((time.perf_counter() - start) * 1e3)
    return taken


def memory_mib(name: str, shape: list[int], recurrence: int) -> float:
    """Return by how much one step grows the peak of a fresh process, in MiB, median of three."""
    script = (
        "import sys, json; from benchmarks.attention import peak_growth_mib;"
        "print(peak_growth_mib(*json.loads(sys.argv[1])))"
    )
    values = []
    for _ in range(3):
        print(f"memory of {name}", file=sys.stderr)
        values.append(in_fresh_process(script, [name, shape, recurrence]))
    return statistics.median(values)


def peak_growth_mib(name: str, shape: list[int], recurrence: int) -> float:
    """Return what one step adds to this process's peak, after a small step has warmed it."""
    torch.set_num_threads(2)
    step(name, [1, shape[1], 8, 8], recurrence)()
    run = step(name, shape, recurrence)
    before = peak_rss_mib()
    run()
    return peak_rss_mib() - before


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=[97, 97], metavar=("H", "W"))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--recurrence", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    note = busy_note(args.threads)
    shape = [args.batch, args.channels, *args.size]
    taken = times_ms(shape, args.recurrence, args.rounds)
    memory = {name: memory_mib(name, shape, args.recurrence) for name in VARIANTS}
    peer = "mmcv's formulation"
    print(f"forward + backward, {'x'.join(map(str, shape))}, R={args.recurrence}, float32, CPU")
    print(f"{'variant':<20} {'ms':>8} {'speed':>7} {'MiB':>8} {'memory':>7}   (of mmcv's)")
    for name, values in taken.items():
        ms = statistics.median(values)
        speed = statistics.median(taken[peer]) / ms
        share = memory[name] / memory[peer]
        print(f"{name:<20} {ms:8.1f} {speed:6.2f}x {memory[name]:8.1f} {share:6.2f}x")
    if note:
        print(note)


if __name__ == "__main__":
    main()

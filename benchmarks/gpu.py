"""What the attention and a training step cost on an accelerator, in one run of at most 5 minutes.

    python -m benchmarks.gpu [--device cuda] [--seconds 300] [--json FILE]

Attention, forward and backward, on the feature maps of the published configs, beside the
formulations of mmcv and of the authors, a non-local block, and a copy of the bytes that each round
must move: input and output once in each pass, and the gradient of both. Then a training step of
R50-D8, 2x512x1024, beside mmsegmentation's network as `benchmarks.train_step` puts it together, in
each precision, eager and compiled. Times are medians after a warm-up; memory is what a call adds to
the peak. `--small` measures tiny shapes, to try the command where no accelerator is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.train_step import make_steps
from model import accelerator
from model.heads import CrissCrossAttention
from model.ops import criss_cross_attention
from model.ops.formulations import criss_cross_bmm, criss_cross_einsum, non_local

CONFIG = "ccnet_r50-d8_4xb2-40k_cityscapes-512x1024"
MAPS = ([2, 512, 97, 97], [2, 512, 64, 128])
RECURRENCE = 2
ROUNDS = 20
PRECISIONS = ("float32", "tf32", "bfloat16")
FORMULATIONS: dict[str, Callable[..., Tensor]] = {
    "ours": criss_cross_attention,
    "mmcv's": criss_cross_einsum,
    "the authors'": criss_cross_bmm,
    "non-local": non_local,
}
WAYS: dict[str, dict[str, Any]] = {
    "eager": {},
    "eager, channels last": {"memory_format": "channels_last"},
    "compiled": {"compiled": True},
    "compiled, channels last": {"compiled": True, "memory_format": "channels_last"},
}
"""How a step is trained; mmsegmentation's network takes images as they come."""
PEERS = {"attention": "mmcv's", "step": "as mmsegmentation, eager"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: milliseconds (median) and MiB that a call adds to the peak; None if it failed."""

    what: str
    shape: str
    precision: str
    name: str
    ms: float | None
    mib: float | None
    note: str = ""


class Meter:
    """Measures calls on a device, until its time is over."""

    def __init__(self, device: torch.device, seconds: float, rounds: int) -> None:
        self.device = device
        self.module = accelerator.module(device.type)
        self.until = time.perf_counter() + seconds
        self.rounds = rounds

    @property
    def is_over(self) -> bool:
        """Whether no further row may begin."""
        return time.perf_counter() > self.until

    def synchronize(self) -> None:
        """Waits for the device."""
        if hasattr(self.module, "synchronize"):
            self.module.synchronize()

    def measure(self, run: Callable[[], object]) -> tuple[float, float | None]:
        """Returns the median milliseconds of a call, and the MiB that it adds to the peak."""
        for _ in range(3):
            run()
        self.synchronize()
        memory = self._memory(run)
        taken = []
        for _ in range(self.rounds):
            started = time.perf_counter()
            run()
            self.synchronize()
            taken.append((time.perf_counter() - started) * 1e3)
            if self.is_over:
                break
        return statistics.median(taken), memory

    def _memory(self, run: Callable[[], object]) -> float | None:
        reset = getattr(self.module, "reset_peak_memory_stats", None)
        held = getattr(self.module, "memory_allocated", None)
        if self.device.type == "cpu" or reset is None or held is None:
            return None
        reset()
        before = held()
        run()
        self.synchronize()
        peak = accelerator.peak_memory(self.device.type)
        return None if peak is None else (peak - before) / 2**20


def attention(meter: Meter, shape: list[int], precision: str, rounds: int) -> Iterator[Figure]:
    """Yields the row of each formulation, and of the copy."""
    device, dtype = meter.device, torch.float32
    if precision == "bfloat16":
        dtype = torch.bfloat16
    torch.manual_seed(0)
    module = CrissCrossAttention(shape[1]).to(device, dtype)
    nn.init.constant_(module.gamma.scale, 0.5)
    x = torch.randn(shape, device=device, dtype=dtype, requires_grad=True)
    grad = torch.randn(shape, device=device, dtype=dtype)
    pairs = [(c.weight, c.bias) for c in (module.query_conv, module.key_conv, module.value_conv)]

    def step(formulation: Callable[..., Tensor]) -> Callable[[], object]:
        def run() -> None:
            x.grad = None
            module.zero_grad()
            formulation(x, *pairs, module.gamma.scale, recurrence=rounds).backward(grad)

        return run

    source = torch.empty(5 * rounds * x.numel() // 2, device=device, dtype=dtype)
    runs = {name: step(formulation) for name, formulation in FORMULATIONS.items()}
    runs["a copy of what must move"] = source.clone
    for name, run in runs.items():
        yield _figure(meter, ("attention", _words(shape), precision, name), run)


def steps(meter: Meter, shape: list[int], precision: str, config: str) -> Iterator[Figure]:
    """Yields the row of each way to train a step."""
    for kind, changes in WAYS.items():
        found = make_steps(
            config, shape[2:], shape[0], device=meter.device,
            around=lambda: _autocast(meter.device, precision), **changes,
        )  # fmt: skip
        for name, run in found.items():
            yield _figure(meter, ("step", _words(shape), precision, f"{name}, {kind}"), run)


def _words(shape: list[int]) -> str:
    return "x".join(map(str, shape))


def _autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    if precision != "bfloat16":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _figure(meter: Meter, row: tuple[str, str, str, str], run: Callable[[], object]) -> Figure:
    """Returns a row: what, shape, precision and name, and what was measured."""
    what, words, precision, name = row
    print(f"{what} {words} {precision}: {name}", file=sys.stderr, flush=True)
    if meter.is_over:
        return Figure(what, words, precision, name, None, None, "not measured: out of time")
    try:
        ms, mib = meter.measure(run)
    except (RuntimeError, torch.OutOfMemoryError) as error:
        return Figure(what, words, precision, name, None, None, str(error).splitlines()[0])
    return Figure(what, words, precision, name, ms, mib)


def _set_precision(precision: str) -> None:
    """Allows or forbids TF32 in products and convolutions."""
    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "float32"


def table(figures: list[Figure]) -> Iterator[str]:
    """Yields the rows as Markdown, each beside its peer."""
    yield "| what | shape | precision | | ms | speed | MiB | memory |"
    yield "|---|---|---|---|---|---|---|---|"
    by = {(f.what, f.shape, f.precision, f.name): f for f in figures}
    for f in figures:
        peer = by.get((f.what, f.shape, f.precision, PEERS[f.what]))
        speed = f"{peer.ms / f.ms:.2f}x" if peer and peer.ms and f.ms else "-"
        share = f"{f.mib / peer.mib:.2f}x" if peer and peer.mib and f.mib is not None else "-"
        ms = f.note if f.ms is None else f"{f.ms:.2f}"
        mib = "-" if f.mib is None else f"{f.mib:,.0f}"
        cells = (f.what, f.shape, f.precision, f.name, ms, speed, mib, share)
        yield f"| {' | '.join(cells)} |"


def versions(device: torch.device) -> dict[str, str]:
    """Returns device, versions and commit."""
    name = getattr(accelerator.module(device.type), "get_device_name", lambda: device.type)
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )  # fmt: skip
    return {
        "device": str(name()) if device.type != "cpu" else "CPU",
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
        "commit": done.stdout.strip() or "unknown",
    }


def main() -> int:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=300.0, help="begin no row after this time")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--small", action="store_true", help="tiny shapes, to try the command")
    args = parser.parse_args()
    if args.device != "cpu" and not accelerator.is_available(args.device):
        parser.error(f"--device {args.device}: this torch ({torch.__version__}) has no such device")
    device = torch.device(args.device)
    maps, config, image = MAPS, CONFIG, [2, 3, 512, 1024]
    if args.small:
        maps, config, image = ([1, 64, 9, 12],), "ccnet_r18-d8_demo", [2, 3, 64, 128]
    meter = Meter(device, args.seconds, 2 if args.small else ROUNDS)
    torch.backends.cudnn.benchmark = True
    figures: list[Figure] = []
    for precision in PRECISIONS:
        _set_precision(precision)
        for shape in maps:
            figures += attention(meter, shape, precision, RECURRENCE)
    for precision in reversed(PRECISIONS):
        _set_precision(precision)
        figures += steps(meter, image, precision, config)
    about = versions(device)
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print("Speed and memory are those of mmcv's attention and of mmsegmentation's eager step.\n")
    print("\n".join(table(figures)))
    if args.json:
        document = {"versions": about, "figures": [asdict(f) for f in figures]}
        Path(args.json).write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

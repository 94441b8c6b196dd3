"""Generated logs of each line format, and the regular expression of a script that reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

TOTAL = 90_000_000
"""Steps that a log says it will have."""
PART = 20_000
"""Lines that are written at a time."""


class Kind(NamedTuple):
    """The line of a step from three random numbers, the pattern of a script, and the first line."""

    line: Callable[[int, float, float, float], str]
    pattern: str
    heading: str = ""


def _mmengine(step: int, loss: float, norm: float, rate: float) -> str:
    return (
        f"2026/11/23 15:{step // 60 % 60:02d}:{step % 60:02d} - mmengine - INFO - Iter(train) "
        f"[{step * 50:8d}/{TOTAL}]  lr: {rate:.4e}  eta: 1:{step // 60 % 60:02d}:{step % 60:02d}  "
        f"time: {norm / 10:.4f}  data_time: {norm / 100:.4f}  memory: 1200  loss: {loss:.4f}  "
        f"decode.acc_seg: {norm * 10:.4f}\n"
    )


def _megatron(step: int, loss: float, norm: float, rate: float) -> str:
    return (
        f" [2025-01-02 03:{step // 60 % 60:02d}:{step % 60:02d}] "
        f"iteration {step * 10:8d}/{TOTAL} | consumed samples: {step * 80:12d} | "
        f"elapsed time per iteration (ms): {norm * 999:.1f} | "
        f"learning rate: {rate:.3E} | global batch size:     8 | lm loss: {loss:.6E} | "
        f"loss scale: 1.0 | grad norm: {norm:.3f} | number of skipped iterations:   0 | "
        "number of nan iterations:   0 |\n"
    )


def _plain(step: int, loss: float, norm: float, rate: float) -> str:
    return f"step: {step} loss: {loss:.6f} lr: {rate:.4e} grad_norm: {norm:.4f}\n"


def _json(step: int, loss: float, norm: float, rate: float) -> str:
    return f'{{"step": {step}, "loss": {loss!r}, "lr": {rate!r}, "grad_norm": {norm!r}}}\n'


def _dict(step: int, loss: float, norm: float, rate: float) -> str:
    epoch = step / 100_000
    return (
        f"{{'loss': {loss:.4f}, 'grad_norm': {norm!r}, 'learning_rate': {rate!r}, "
        f"'epoch': {epoch:.2f}}}\n"
    )


def _csv(step: int, loss: float, norm: float, rate: float) -> str:
    return f"{step // 100_000},{step},{loss!r},{rate!r},{norm!r}\n"


KINDS = {
    "mmengine text": Kind(_mmengine, r"  loss: ([\d.]+)"),
    "Megatron": Kind(_megatron, r"lm loss: ([\d.E+-]+)"),
    "key: value": Kind(_plain, r" loss: ([\d.]+)"),
    "JSON lines": Kind(_json, r'"loss": ([\d.e-]+)'),
    "Hugging Face dicts": Kind(_dict, r"'loss': ([\d.]+)"),
    "CSV": Kind(_csv, r"^\d+,\d+,([\d.e-]+)", "epoch,step,loss,lr,grad_norm\n"),
}


def write(kind: str, path: Path, megabytes: int) -> None:
    """Writes a log of one format and this size."""
    line, _, heading = KINDS[kind]
    rng = np.random.default_rng(0)
    with path.open("w", encoding="ascii") as file:
        file.write(heading)
        step = 0
        while file.tell() < megabytes * 1_000_000:
            loss, norm, rate = np.abs(rng.normal(3, 0.5, (3, PART)))
            rows = zip(loss.tolist(), norm.tolist(), (rate / 1e4).tolist(), strict=True)
            file.write("".join(line(step + i, *row) for i, row in enumerate(rows, 1)))
            step += PART

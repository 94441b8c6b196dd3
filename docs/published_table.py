"""The tables of published results, from `baselines/published/*.toml`, for `generate.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.stats.final_figure import pooled
from harness.storage.published import Document, Entry, Result, entries

BACKWARD = 3
"""Time of a forward and backward pass over that of a forward pass: two more products each."""
HEAD = ("name", "mIoU, single-scale (ms+flip)", "GB", "hours", "command")
HEAD_OF_RUNS = ("name", "what was trained", "test mode", "metric", "runs", "mean", "spread")


def tables(shelf: Path) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """A heading, the head and the rows of every table: results with a config, then the others."""
    by_document: dict[Path, list[Entry]] = {}
    for entry in entries(shelf).values():
        by_document.setdefault(entry.path, []).append(entry)
    found = []
    for group in by_document.values():
        configured = all(entry.result.config for entry in group)
        rows = [row for e in group for row in (_trained(e, group) if configured else _runs(e))]
        head = HEAD if configured else HEAD_OF_RUNS
        found.append((_heading(group[0].document), head, rows))
    return found


def _heading(document: Document) -> str:
    return f"[{document.source}]({document.url}), {document.date}"


def _trained(entry: Entry, group: Sequence[Entry]) -> list[tuple[str, ...]]:
    """The row of a result with a config: its figures, what a training takes, and its command."""
    result = entry.result
    single, several = (result.values[mode]["mIoU"][0] for mode in ("single-scale", "ms+flip"))
    devices = entry.facts("single-scale")["world_size"]
    command = (
        f"`python -m model.train --config {result.config} --launcher pytorch --nproc-per-node "
        f"{devices}`"
    )
    figures = f"{100 * single:.2f} ({100 * several:.2f})"
    return [(f"`{result.name}`", figures, _memory(entry, group), _hours(entry, group), command)]


def _alike(entry: Entry, group: Sequence[Entry]) -> Result:
    """The result itself if its speed is published, otherwise one that differs in its length."""
    if entry.result.inference_fps is not None:
        return entry.result
    same = ("model", "crop_size", "dataset", "batch_per_device")
    wanted = [entry.result.facts.get(name) for name in same]
    return next(
        (
            other.result
            for other in group
            if other.result.inference_fps is not None
            and [other.result.facts.get(name) for name in same] == wanted
        ),
        entry.result,
    )


def _memory(entry: Entry, group: Sequence[Entry]) -> str:
    own = entry.result.memory_gb
    other = _alike(entry, group).memory_gb
    return f"{own:g}" if own is not None else f"({other:g})" if other is not None else "unknown"


def _hours(entry: Entry, group: Sequence[Entry]) -> str:
    """The hours of a training on the source's devices, from its published inference speed."""
    facts, speed = entry.facts("single-scale"), _alike(entry, group)
    if speed.inference_fps is None or speed.crops_per_image is None:
        return "unknown"
    crops = int(facts["planned_steps"]) * int(facts["batch_per_device"])
    seconds = crops * BACKWARD / (speed.inference_fps * speed.crops_per_image)
    hours = f"{seconds / 3600:.0f}"
    return hours if entry.result.inference_fps is not None else f"({hours})"


def _runs(entry: Entry) -> list[tuple[str, ...]]:
    """The rows of a result without a config, one for each test mode and metric."""
    rows = []
    for mode, metrics in entry.result.values.items():
        for metric, runs in metrics.items():
            spread, degrees = pooled([np.array(runs)])
            rows.append(
                (
                    f"`{entry.result.name}`",
                    entry.result.about,
                    mode,
                    metric,
                    ", ".join(f"{100 * run:.2f}" for run in runs),
                    f"{100 * sum(runs) / len(runs):.2f}",
                    f"{100 * spread:.2f}" if degrees else "unknown",
                )
            )
    return rows

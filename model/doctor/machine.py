"""The data set and the machine: disk, shared memory and clock."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from model.doctor.check import Asked, Result, ok, problem, warning
from model.errors import DataError

GIB, MIB = 2**30, 2**20
CHECKPOINT = 400 * MIB
"""Of ResNet-50 with the optimizer's momentum, rounded up."""
KEPT = 10
"""Checkpoints of the published training: 40,000 steps, one each 4,000."""
PREFETCH = 2
BYTES_PER_PIXEL = 3 + 8
"""Of a sample: an image in uint8, and labels in int64."""
SHARED = Path("/dev/shm")  # noqa: S108 - the folder of the system's shared memory
DRIFT_S = 2.0
READS = 10_000


def data(asked: Asked) -> Result:
    """Counts the pairs of image and labels in the layout that the config needs."""
    from mmengine.registry import DefaultScope  # noqa: PLC0415 - disk and clock need no torch

    from model.build import load_config  # noqa: PLC0415
    from model.data.concat import roots, without_pipeline  # noqa: PLC0415
    from model.registry import DATASETS, SCOPE  # noqa: PLC0415

    cfg = load_config(asked.config)
    counts: dict[str, int] = {}
    for part in ("train", "val"):
        settings = without_pipeline(cfg[f"{part}_dataloader"].dataset, data_root=asked.data_root)
        absent = [root for root in roots(settings) if not Path(root).is_dir()]
        if asked.data_root is None and absent:
            return warning(
                f"not checked: no folder {absent[0]} here",
                "name the folder of the data set: --data-root DIR",
            )
        try:
            with DefaultScope.overwrite_default_scope(SCOPE):
                counts[part] = len(DATASETS.build(settings))
        except DataError as error:
            found, _, do = str(error).partition(". ")
            return problem(found, do)
    listed = ", ".join(f"{count} pairs in {part}" for part, count in counts.items())
    return ok(f"{', '.join(roots(settings))}: {listed}", **counts)


def disk(_: Asked, *, folder: Path | None = None, free: int | None = None) -> Result:
    """Writes a file where logs go, and compares the free space with that of the checkpoints.

    `folder` is that of the logs, by default `logs` or where it will be made; `free` is in bytes.
    """
    folder = folder or (Path("logs") if Path("logs").is_dir() else Path())
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            file.write(b"doctor")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return problem(
            f"{folder.absolute()}: cannot be written ({error.strerror or error})",
            "run from a folder that you may write, or train with --work-dir DIR",
        )
    free = shutil.disk_usage(folder).free if free is None else free
    text = f"{free / GIB:.1f} GiB free in {folder.absolute()}"
    if free < CHECKPOINT:
        return problem(f"{text}; a checkpoint takes {CHECKPOINT // MIB} MiB", "make room")
    if free < KEPT * CHECKPOINT:
        return warning(
            f"{text}; {KEPT} checkpoints take {KEPT * CHECKPOINT // MIB} MiB",
            "make room, or keep fewer: default_hooks.checkpoint.max_keep_ckpts=2",
        )
    return ok(text, free=free)


def shared_memory(asked: Asked, *, folder: Path = SHARED, free: int | None = None) -> Result:
    """Compares the shared memory with the batches that the workers of the loader hold there."""
    from model.build import load_config  # noqa: PLC0415

    if not folder.is_dir():
        return ok(f"the system has no {folder}; workers pass batches in another way")
    need = _held(load_config(asked.config))
    free = shutil.disk_usage(folder).free if free is None else free
    text = f"{free / MIB:.0f} MiB free in {folder}; the loader's workers hold {need / MIB:.0f} MiB"
    if free < need:
        return problem(
            text,
            "give it more room (docker run --shm-size=2g), or set train_dataloader.num_workers=0",
            free=free,
            need=need,
        )
    return ok(text, free=free, need=need)


def _held(cfg: Any) -> int:
    """Returns the bytes of the batches that the workers of one rank prepare ahead."""
    loader = cfg.train_dataloader
    height, width = cfg.model.data_preprocessor.size
    batch = loader.batch_size * height * width * BYTES_PER_PIXEL
    return int(loader.num_workers * (loader.get("prefetch_factor") or PREFETCH) * batch)


def clock(
    asked: Asked,
    *,
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Result:
    """Reads the monotonic clock many times, and compares the time of day with that of files."""
    previous = monotonic()
    for _ in range(READS):
        current = monotonic()
        if current < previous:
            return problem(
                f"the monotonic clock went back by {previous - current:g} s",
                "fix the machine's clock source: the speed in logs will be wrong",
            )
        previous = current
    files = [(path.stat().st_mtime, path) for path in _files(asked)]
    newest, path = max(files, default=(0.0, Path()))
    behind = newest - now()
    if behind > DRIFT_S:
        return problem(
            f"the clock is {behind:.0f} s behind the file {path}",
            "set the time of the machine (NTP): the times in logs and the folders of runs use it",
        )
    return ok("monotonic, and not before the newest file")


def _files(asked: Asked) -> Iterator[Path]:
    """Yields files of the project, the current folder and the data: their times cannot be ahead."""
    yield from Path(__file__).parents[1].rglob("*.py")
    for folder in filter(None, (".", asked.data_root)):
        if Path(folder).is_dir():
            yield from (path for path in Path(folder).iterdir() if not path.is_symlink())

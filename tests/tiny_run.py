"""A run of the training command that takes seconds: the demo's network, narrowed, on 8 scenes."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
RECORD = re.compile(
    r"TCAPPDLL (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}) - Epoch: (\d+) Iteration: (\d+)  "
    r"rank : (\d+)  train\.loss : (\S+)  train\.ips : (\S+) imgs/s train\.total_time : (\S+) \n"
)
NARROW = (
    "model.backbone.base_channels=8",
    "model.backbone.stem_channels=8",
    "model.decode_head.in_channels=64",
    "model.decode_head.channels=16",
    "model.auxiliary_head.in_channels=32",
    "model.auxiliary_head.channels=8",
    "model.data_preprocessor.size=(32,64)",
)


@dataclass(frozen=True)
class Record:
    iteration: int
    rank: int
    loss: float
    ips: float
    total_time: float


def options(data: Path, *, steps: int = 6, workers: int = 0) -> list[str]:
    """--cfg-options for a run on the scenes in `data`."""
    return [
        *NARROW,
        *(f"{kind}_dataloader.dataset.data_root={data}" for kind in ("train", "val", "test")),
        *(f"{kind}_dataloader.num_workers={workers}" for kind in ("train", "val", "test")),
        f"train_cfg.max_iters={steps}",
        "train_cfg.val_interval=4",
        "default_hooks.checkpoint.interval=2",
        "default_hooks.logger.interval=2",
    ]


def environment(**extra: str) -> dict[str, str]:
    """This process' environment with the checkout importable and one thread, as goldens need."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    pinned = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path}
    return {**os.environ, **pinned, **extra}


def command(work_dir: Path | None, cfg_options: list[str], *args: str) -> list[str]:
    where = [] if work_dir is None else ["--work-dir", str(work_dir)]
    config = ["--config", "ccnet_r18-d8_demo", *where, *args]
    return [sys.executable, "-m", "model.train", *config, "--cfg-options", *cfg_options]


def run(argv: list[str], cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=cwd, env=environment(**extra), capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip


def train(work_dir: Path, cfg_options: list[str], *args: str) -> subprocess.CompletedProcess[str]:
    """The finished run; its status must be 0."""
    done = run(command(work_dir, cfg_options, "--device", "cpu", *args), cwd=work_dir.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def records(text: str) -> list[Record]:
    """The records of a log; every line that mentions one must be one."""
    lines = [line for line in text.splitlines(keepends=True) if "TCAPPDLL" in line]
    matches = [RECORD.fullmatch(line) for line in lines]
    assert all(matches), [line for line, m in zip(lines, matches, strict=True) if not m]
    return [
        Record(int(m[3]), int(m[4]), float(m[5]), float(m[6]), float(m[7])) for m in matches if m
    ]


def losses(work_dir: Path) -> dict[tuple[int, int], float]:
    """(rank, iteration) -> loss; a step that was done twice must have come out the same."""
    found: dict[tuple[int, int], float] = {}
    for record in records((work_dir / "port.log").read_text()):
        key = (record.rank, record.iteration)
        assert found.setdefault(key, record.loss) == record.loss, key
    return found

"""Trains the runs of the corpus, each in a process of its own, and remembers which are done."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.defects.settings import CONFIG, SCENES, Setting

ROOT = Path(__file__).resolve().parents[2]
DATA = Path("data/cues")
JOURNAL = "done.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A run that was trained: its setting, seed, wall-clock seconds and exit status."""

    setting: str
    seed: int
    seconds: float
    status: int


def make_scenes() -> None:
    """The scenes of the corpus, the same bytes every time; what is there is left alone."""
    if (ROOT / DATA / "synthetic.json").exists():
        return
    command = [sys.executable, "-m", "model.data.synthetic", str(DATA), *SCENES]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def log_of(folder: Path, setting: str, seed: int) -> Path:
    """Where a run's log lies: what the training printed."""
    return folder / setting / f"{seed}.log"


def read_journal(folder: Path) -> dict[tuple[str, int], Done]:
    """The runs that were trained, by setting and seed; a line that was cut counts for none."""
    found = {}
    journal = folder / JOURNAL
    for line in journal.read_text().splitlines() if journal.exists() else ():
        try:
            done = Done(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[done.setting, done.seed] = done
    return found


def train_all(found: Sequence[Setting], folder: Path, *, device: str, jobs: int) -> list[Done]:
    """Trains what the journal does not have yet, `jobs` cores at a time; the runs that failed."""
    folder.mkdir(parents=True, exist_ok=True)
    known = read_journal(folder)
    open_runs = [
        (setting, seed)
        for setting in found
        for seed in setting.seeds
        if not setting.made_with
        and known.get((setting.name, seed), Done(setting="", seed=0, seconds=0, status=1)).status
    ]
    open_runs.sort(key=lambda run: run[0].ranks)  # the short ones first
    failed = []
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:  # fmt: skip
        task = progress.add_task("training", total=len(open_runs))
        for cores in (1, 2):
            mine = [run for run in open_runs if _cores(run[0]) == cores]
            for done in _side_by_side(mine, folder, device=device, jobs=max(1, jobs // cores)):
                with (folder / JOURNAL).open("a") as journal:
                    journal.write(json.dumps(asdict(done)) + "\n")
                progress.advance(task)
                progress.update(task, description=f"training, {done.setting} last")
                if done.status:
                    failed.append(done)
    return failed


def _cores(setting: Setting) -> int:
    """Processor cores that a run keeps busy; two ranks wait for each other half of their time."""
    return 2 if setting.variation == "threads-2" else 1


def _side_by_side(
    runs: Sequence[tuple[Setting, int]], folder: Path, *, device: str, jobs: int
) -> Iterable[Done]:
    with ThreadPoolExecutor(jobs) as pool:
        futures: list[Future[Done]] = [
            pool.submit(train_one, setting, seed, folder, device=device) for setting, seed in runs
        ]
        for future in as_completed(futures):
            yield future.result()


def train_one(setting: Setting, seed: int, folder: Path, *, device: str) -> Done:
    """Trains one run; its log takes its name only when it is whole."""
    log = log_of(folder, setting.name, seed)
    log.parent.mkdir(parents=True, exist_ok=True)
    part = log.with_suffix(".part")
    work_dir = log.with_suffix(".work")
    started = time.perf_counter()
    process = _context().Process(
        target=in_child, args=(setting, _arguments(setting, seed, work_dir, device), str(part))
    )
    process.start()
    process.join()
    status = process.exitcode or 0
    if status == 0:
        for perturbed in work_dir.glob("perturbed_*"):
            kept = log_of(folder, name_of_perturbed(setting.name, perturbed.name), seed)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(perturbed / "port.log", kept)
        part.replace(log)
    for left in sorted(work_dir.rglob("*"), reverse=True):
        left.unlink() if left.is_file() else left.rmdir()
    if work_dir.exists():
        work_dir.rmdir()
    return Done(
        setting=setting.name, seed=seed, seconds=time.perf_counter() - started, status=status
    )


def name_of_perturbed(baseline: str, folder: str) -> str:
    """Returns the setting of a perturbed run.

    >>> name_of_perturbed("baseline-2x2", "perturbed_3")
    'perturbed-2x2-3'
    """
    return baseline.replace("baseline", "perturbed") + "-" + folder.rpartition("_")[2]


def _context() -> multiprocessing.context.ForkServerContext:
    """Processes that begin where importing ends, which takes as long as a third of a run.

    mmengine asks for CUDA when it is imported; asked by NVML, the driver stays fit to be forked.
    """
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.defects.child"])
    return context


def _arguments(setting: Setting, seed: int, work_dir: Path, device: str) -> list[str]:
    found = ["--config", CONFIG, "--work-dir", str(work_dir), "--seed", str(seed)]
    found += ["--device", device, *setting.options]
    return [*found, *(["--fault", setting.fault] if setting.fault else [])]


def in_child(setting: Setting, arguments: list[str], log: str) -> None:
    """Becomes the run: everything it prints goes into the log."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        from benchmarks.defects.child import run  # loads torch

        status = run(setting.variation, setting.ranks, arguments)
    except BaseException:
        traceback.print_exc()
        status = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

"""Trains the runs of the corpus as a sweep, which remembers those that are done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.defects.settings import CONFIG, SCENES, Setting
from harness.sweep.job import Job
from harness.sweep.plan import Planned, identity, literal
from harness.sweep.state import Store
from harness.sweep.training import train
from harness.system.running import say

ROOT = Path(__file__).resolve().parents[2]
DATA = Path("data/cues")


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


def trained(folder: Path) -> dict[tuple[str, int], Done]:
    """The runs whose training has ended, by setting and seed."""
    store, found = Store(folder), {}
    for name in store.names():
        record = store.read(name)
        if record is not None and record.status is not None:
            setting, _, seed = name.rpartition("/")
            found[setting, int(seed)] = Done(
                setting=setting, seed=int(seed), seconds=record.seconds, status=record.status
            )
    return found


def train_all(found: Sequence[Setting], folder: Path, *, device: str, jobs: int) -> dict[str, str]:
    """Trains what is not trained yet, `jobs` cores at a time; why runs failed, by their names."""
    runs = [
        (setting, planned(setting, seed, folder, device=device))
        for setting in found
        for seed in setting.seeds
        if not setting.made_with
    ]
    runs.sort(key=lambda run: run[0].ranks)  # the short ones first
    failed: dict[str, str] = {}
    for cores in (1, 2):
        mine = [run for setting, run in runs if _cores(setting) == cores]
        failed |= train_runs(mine, folder, jobs=max(1, jobs // cores))
    return failed


def train_runs(runs: Sequence[Planned], folder: Path, *, jobs: int = 1) -> dict[str, str]:
    """Trains the runs that are not trained yet; why runs failed, by their names.

    The faults of the corpus may end a log early, so the status alone decides.
    """
    job = Job(
        out=folder.absolute(), cwd=Path.cwd(), jobs=jobs, check=lambda _: "", part=True,
    )  # fmt: skip
    return train(runs, job, say=say).failed


def _cores(setting: Setting) -> int:
    """Processor cores that a run keeps busy; two ranks wait for each other half of their time."""
    return 2 if setting.variation == "threads-2" else 1


def planned(setting: Setting, seed: int, folder: Path, *, device: str) -> Planned:
    """A run of the corpus, whose log is what its process prints."""
    log = log_of(folder, setting.name, seed)
    work_dir = log.with_suffix(".work")
    own = ["--setting", setting.name, "--logs", str(folder), "--variation", setting.variation]
    own += ["--ranks", str(setting.ranks)]
    words = [*own, "--", *_arguments(setting, seed, work_dir, device)]
    command = (sys.executable, "-m", "benchmarks.defects.child", *map(literal, words))
    return Planned(
        name=f"{setting.name}/{seed}",
        words=command,
        folder=work_dir.absolute(),
        output=log.absolute(),
        log=log.absolute(),
        command=identity(command[1:], {}, {}),
    )


def name_of_perturbed(baseline: str, folder: str) -> str:
    """Returns the setting of a perturbed run.

    >>> name_of_perturbed("baseline-2x2", "perturbed_3")
    'perturbed-2x2-3'
    """
    return baseline.replace("baseline", "perturbed") + "-" + folder.rpartition("_")[2]


def _arguments(setting: Setting, seed: int, work_dir: Path, device: str) -> list[str]:
    found = ["--config", CONFIG, "--work-dir", str(work_dir), "--seed", str(seed)]
    found += ["--device", device, *setting.options]
    return [*found, *(["--fault", setting.fault] if setting.fault else [])]

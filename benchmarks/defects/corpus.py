"""The figures of the corpus, as they are stored: small enough for the repository.

runs.csv         setting, kind, seed, ranks, cores' seconds, exit status, final mIoU, its facts
series.csv.xz    run, name, rank, window, step, value: every figure but times
facts.json       what the logs state of their runs, each set once
about.json       commit, versions, machine, command, and how long it took
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.defects.settings import CONFIG, SCENES, Setting
from benchmarks.defects.training import ROOT, log_of, trained
from harness.log.facts import OF_A_START, RunFacts
from harness.log.run import Run, Series
from harness.storage.logs import read_run

SHELF = Path(__file__).parent / "corpus"
TIMES = frozenset({"ips", "total_time", "time", "data_time", "memory"})
SCORE = "val.mIoU"
PER_RUN = ("seed", "config.randomness.seed", "config.work_dir")
"""Facts that differ from run to run."""
OF_START = tuple(sorted(OF_A_START))
"""Facts of a run from a given start, which have columns of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A run of the corpus with its final mIoU in points, NaN where validation had none."""

    setting: str
    kind: str
    seed: int
    ranks: int
    miou: float
    run: Run


def collect(found: Sequence[Setting], folder: Path, *, device: str, command: str) -> Path:
    """Reads the logs of all runs in `folder` and writes their figures; where they are now."""
    journal = trained(folder)
    rows: list[dict[str, Any]] = []
    tables, fact_sets = [], []
    for setting in found:
        for seed in setting.seeds:
            done = journal.get((setting.made_with or setting.name, seed))
            if done is None:
                continue
            row = {
                "setting": setting.name, "kind": setting.kind, "seed": seed,
                "ranks": setting.ranks, "status": done.status, "seconds": round(done.seconds, 1),
                "miou": math.nan, "facts": -1,
            }  # fmt: skip
            if done.status == 0:
                run = read_run(log_of(folder, setting.name, seed))
                alone = {*PER_RUN, *OF_START}
                facts = {key: value for key, value in run.facts.items() if key not in alone}
                if facts not in fact_sets:
                    fact_sets.append(facts)
                row |= {"miou": _final(run), "facts": fact_sets.index(facts)}
                row |= {key: run.facts[key] for key in OF_START if key in run.facts}
                tables.append(_table(run, len(rows)))
            rows.append(row)
    shelf = SHELF / device
    shelf.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(shelf / "runs.csv", index=False)
    pd.concat(tables, ignore_index=True).to_csv(shelf / "series.csv.xz", index=False)
    _write_json(shelf / "facts.json", fact_sets)
    _write_json(shelf / "about.json", _about(rows, fact_sets, device, command))
    return shelf


def _final(run: Run) -> float:
    series = run.find(SCORE, 0)
    return float(series[0].values[-1]) if series else math.nan


def _table(run: Run, number: int) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "run": number, "name": s.name, "rank": s.rank, "window": s.window,
                "step": s.steps, "value": s.values,
            }
        )
        for s in run.series
        if s.name not in TIMES
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _about(
    rows: Sequence[dict[str, Any]], fact_sets: Sequence[dict[str, Any]], device: str, command: str
) -> dict[str, Any]:
    """What made the figures; machine and versions are what the logs of the runs state."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    ).stdout.strip()  # fmt: skip
    stated = fact_sets[0]
    return {
        "command": command,
        "commit": commit,
        "device": device,
        "machine": stated.get("device_name"),
        "config": CONFIG,
        "scenes": " ".join(SCENES),
        "versions": {name: stated.get(name) for name in ("python", "torch", "mmengine")},
        "runs": len(rows),
        "run_seconds": round(sum(row["seconds"] for row in rows)),
    }


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load(device: str, *, shelf: Path = SHELF) -> list[Trained]:
    """The stored runs of a device, those that ended well."""
    folder = shelf / device
    rows = pd.read_csv(folder / "runs.csv")
    series = dict(_series(folder))
    fact_sets = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return [
        Trained(
            setting=row.setting,
            kind=row.kind,
            seed=row.seed,
            ranks=row.ranks,
            miou=row.miou,
            run=Run(
                source=f"{device}/{row.setting}/{row.seed}",
                series=series[row.Index],
                facts=RunFacts(
                    values_by_name={**fact_sets[row.facts], "seed": row.seed, **_start(row)}
                ),
            ),
        )
        for row in rows.itertuples()
        if row.status == 0
    ]


def _start(row: Any) -> dict[str, str | bool]:
    """Returns the facts of a run from a given start; empty for another run."""
    stated = {name: getattr(row, name, math.nan) for name in OF_START}
    return {name: value for name, value in stated.items() if value == value}  # noqa: PLR0124  (NaN)


def _series(folder: Path) -> list[tuple[int, tuple[Series, ...]]]:
    table = pd.read_csv(folder / "series.csv.xz", dtype={"value": str})
    table["value"] = table["value"].map(float)  # to the last bit, in every version of pandas
    found: dict[int, list[Series]] = {}
    for (run, name, rank, window), part in table.groupby(["run", "name", "rank", "window"]):
        found.setdefault(int(run), []).append(
            Series(
                name=name, rank=int(rank), window=int(window),
                steps=part["step"].to_numpy(), values=part["value"].to_numpy(),
            )
        )  # fmt: skip
    return [(run, tuple(several)) for run, several in found.items()]

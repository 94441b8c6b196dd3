"""Synthetic data sets in the layouts of the real ones: `python -m model.data.synthetic OUT`.

A seed gives the same pixels on every run and machine; nothing is downloaded. Labels are written as
the real data set has them, so that a run on them goes the way of the real one.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from model.data.synthetic.files import encode_png
from model.data.synthetic.kinds import KINDS, Kind
from model.errors import DataError

__all__ = ["KINDS", "encode_png", "generate"]

MANIFEST = "synthetic.json"
FORMAT = 1
FORMER = {"plain": "cityscapes"}
"""Kinds under the names that they had in manifests of format 1 at first."""


def generate(
    out: Path,
    *,
    train: int = 64,
    val: int = 16,
    size: tuple[int, int] = (128, 256),
    seed: int = 0,
    kind: str = "cityscapes",
) -> None:
    """Writes `train` and `val` samples of `size` (height, width) and one of KINDS under `out`.

    Sample i of a split depends on (kind, seed, split, i) alone. An earlier synthetic data set in
    the folder is replaced; a folder with another data set in it is refused.
    """
    made = KINDS[kind]
    _clear(out, made)
    facts = {"format": FORMAT, "kind": kind, "train": train, "val": val}
    facts |= {"height": size[0], "width": size[1], "seed": seed}
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).write_text(json.dumps(facts) + "\n", encoding="utf-8")
    counts = {split: val if place else train for place, split in enumerate(made.splits)}
    results: dict[str, list[Any]] = {split: [] for split in made.splits}
    jobs = [(split, index) for split in made.splits for index in range(counts[split])]
    screen = Console(stderr=True)
    for split, index in track(
        jobs, description="scenes", console=screen, disable=not sys.stderr.isatty()
    ):
        rng = np.random.Generator(np.random.PCG64([seed, made.splits.index(split), index]))
        results[split].append(made.write(out, split, index, size, rng))
    if made.finish is not None:
        made.finish(out, results)


def _clear(out: Path, made: Kind) -> None:
    """Removes the synthetic data set in a folder. Raises DataError if another one is there."""
    manifest = out / MANIFEST
    earlier: str | None = None
    if manifest.exists():
        earlier = str(json.loads(manifest.read_text(encoding="utf-8")).get("kind"))
    kind = None if earlier is None else KINDS.get(FORMER.get(earlier, earlier))
    own = () if kind is None else kind.folders
    foreign = [name for name in made.folders if (out / name).exists() and name not in own]
    if foreign:
        raise DataError(
            f"{out} holds a data set that was not made here ({', '.join(foreign)}; no {MANIFEST} "
            "says so); choose another folder"
        )
    for name in own:
        shutil.rmtree(out / name, ignore_errors=True)

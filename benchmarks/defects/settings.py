"""The settings that are trained: baselines, benign variations, faults; and their seeds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CONFIG = "ccnet_r18-d4_cues"
SCENES = ("--kind", "cues", "--train", "256", "--val", "32", "--size", "64x96")
"""Options of `python -m model.data.synthetic`."""

Kind = Literal["baseline", "perturbed", "benign", "fault"]
"""A perturbed run is made together with its baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to train. Seeds of different settings differ, so that no two runs share theirs.

    `variation` names one of `variations.py`; `options` go to the training command. `waived` are the
    facts that a maintainer would waive to have the variation judged at all. `made_with` names the
    setting whose training makes these runs, if they have no training for themselves.
    """

    name: str
    kind: Kind
    seeds: tuple[int, ...]
    fault: str = ""
    variation: str = ""
    options: tuple[str, ...] = ()
    ranks: int = 1
    waived: tuple[str, ...] = ()
    made_with: str = ""

    @property
    def baseline(self) -> str:
        """The name of the baseline whose runs this is compared with."""
        return "baseline" if self.ranks == 1 or self.kind != "fault" else "baseline-2x2"


FAULTS: Mapping[str, list[str]] = tomllib.loads(
    (Path(__file__).parent / "faults.toml").read_text(encoding="utf-8")
)
BASELINE_SEEDS = 20
OTHER_SEEDS = 12
FRESH_SEEDS = 20
"""Trained after the rules were chosen."""
SEEDS = 3

TWO_RANKS = (
    *("--launcher", "pytorch", "--nproc-per-node", "2"),
    *("--cfg-options", "train_dataloader.batch_size=2"),
)
"""Two processes with half the batch each, and synchronised batch normalisation."""

BENIGN_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "deterministic": ("--cfg-options", "randomness.deterministic=True"),
    "two-workers": ("--cfg-options", "train_dataloader.num_workers=2"),
    "bfloat16": ("--amp",),
}
"""Benign variations that are options of the training command; `variations.py` has the others."""

BENIGN = (
    *("threads-2", "deterministic", "channels-first", "attention-einsum", "plain-kernels"),
    *("flush-denormals", "foreach-sgd", "compiled", "float64", "two-workers", "bfloat16", "tf32"),
)
NOT_ON = {
    "cpu": {"tf32"},
    "cuda": {
        *("threads-2", "channels-first", "plain-kernels", "flush-denormals", "compiled"),
        "deterministic",  # torch has no deterministic backward pass of bilinear upsampling there
    },
}
WAIVED = {"bfloat16": ("precision", "config.optim_wrapper")}


def settings(device: str) -> tuple[Setting, ...]:
    """Every setting that a device trains, baselines first; one accelerator holds one rank."""
    found = [
        Setting(name="baseline", kind="baseline", seeds=_seeds(1, BASELINE_SEEDS)),
        Setting(name="other-seeds", kind="benign", seeds=_seeds(201, OTHER_SEEDS)),
    ]
    if device == "cpu":
        two = Setting(
            name="baseline-2x2",
            kind="baseline",
            seeds=_seeds(101, 10),
            ranks=2,
            options=TWO_RANKS,
            waived=("world_size", "batch_per_device"),
        )
        fresh = Setting(name="fresh-seeds", kind="benign", seeds=_seeds(301, FRESH_SEEDS))
        found = [found[0], two, found[1], fresh]
    found += [_benign(i, name) for i, name in enumerate(BENIGN) if name not in NOT_ON[device]]
    more = ("two_ranks", "cpu") if device == "cpu" else ("cuda",)
    injected = [(group, fault) for group in ("both", *more) for fault in FAULTS[group]]
    return (*found, *(_fault(i, *one) for i, one in enumerate(injected)))


def _benign(i: int, name: str) -> Setting:
    return Setting(
        name=name,
        kind="benign",
        seeds=_seeds(1001 + 10 * i, SEEDS),
        variation="" if name in BENIGN_OPTIONS else name,
        options=BENIGN_OPTIONS.get(name, ()),
        waived=WAIVED.get(name, ()),
    )


def _fault(i: int, group: str, fault: str) -> Setting:
    ranks = 2 if group == "two_ranks" else 1
    return Setting(
        name=fault,
        kind="fault",
        seeds=_seeds(2001 + 10 * i, SEEDS),
        fault=fault,
        options=TWO_RANKS if ranks == 2 else (),
        ranks=ranks,
    )


def _seeds(first: int, count: int) -> tuple[int, ...]:
    return tuple(range(first, first + count))

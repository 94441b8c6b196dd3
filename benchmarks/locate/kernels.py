"""Planted kernel faults and healthy steps on the simulated device: who is named, by each mode."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.locate.device import KINDS, Device, Fault
from benchmarks.locate.networks import make
from harness.capture.record import Recorder
from harness.capture.records import Records
from harness.capture.replay import Replay
from harness.locate.capture import Capture, Record
from harness.locate.compare import compare_captures
from harness.locate.names import canonical
from harness.locate.result import Located, Row

TWINS = 2
FIXED = 1e-4
"""The relative distance of a convention: an operator beyond it is wrong."""


@dataclass(frozen=True)
class Trial:
    """One step with a fault. Ranks count from 1; 0 is not named at all.

    `change` is the fault's relative change in units of eps, `loss_change` that of the loss.
    `fixed` and `hashes` say whether the first operator beyond 1e-4, and the first with another L1
    norm (torch's DebugMode), is the faulty one.
    """

    network: str
    precision: str
    seed: int
    operator: str
    phase: str
    kind: str
    everywhere: bool
    change: float
    loss_change: float
    replay: int
    twin: int
    fixed: bool
    hashes: bool


@dataclass(frozen=True)
class Healthy:
    """One healthy step on other kernels: results that each mode flagged.

    `worst_replay` and `worst_twin` are the largest errors over limits.
    """

    network: str
    precision: str
    seed: int
    results: int
    replay: int
    twin: int
    fixed: int
    hashes: int
    worst_replay: float
    worst_twin: float


class Hashed(Records):
    """Records with the L1 norm of each tensor in float64, as torch's DebugMode forms it."""

    def __init__(self) -> None:
        super().__init__()
        self.l1: list[float] = []

    def add(self, at: Record, tensor: torch.Tensor, **options: Any) -> None:
        """Adds a record and its norm."""
        before = len(self)
        super().add(at, tensor, **options)
        if len(self) > before:
            self.l1.append(float(tensor.detach().double().nan_to_num().norm(p=1)))


@dataclass(frozen=True)
class Taken:
    """A capture, its L1 norms and the loss."""

    capture: Capture
    l1: list[float]
    loss: float


def taken(
    network: str, precision: str, seed: int, *, device: Device | None = None, twin: int = 0
) -> Taken:
    """Records a step, on the simulated device or with the CPU's own kernels."""
    made = make(network, seed, precision)
    recorder = Recorder(made.network, twin=twin)
    recorder.records = hashed = Hashed()
    with device or Device(other=False), recorder:
        loss = made.step()
    return Taken(recorder.capture(), hashed.l1, loss)


def replayed(network: str, precision: str, seed: int, device: Device) -> Located:
    """Replays a step of the simulated device."""
    made = make(network, seed, precision)
    with device, Replay(made.network) as replay:
        made.step()
    return replay.located


class Side:
    """The baseline of a network, precision and seed: its capture and twins, made once."""

    def __init__(self, network: str, precision: str, seed: int) -> None:
        self.names = network, precision, seed
        self.run = taken(*self.names)
        self.twins = [taken(*self.names, twin=k).capture for k in range(1, TWINS + 1)]
        self.rows = replayed(*self.names, Device()).rows

    def compared(self, candidate: Taken) -> Located:
        """Compares a candidate's capture with this side's."""
        return compare_captures(self.run.capture, candidate.capture, baseline_twins=self.twins)

    def healthy(self) -> Healthy:
        """Returns what a healthy step on other kernels has flagged."""
        located, candidate = replayed(*self.names, Device()), taken(*self.names, device=Device())
        twin = self.compared(candidate)
        pairs = list(_pairs(self.run, candidate))
        return Healthy(
            *self.names,
            results=len(located.rows),
            replay=sum(row.state == "wrong" for row in located.rows),
            twin=sum(row.state == "wrong" for row in twin.rows),
            fixed=sum(distance > FIXED for _, distance, _ in pairs),
            hashes=sum(differs for _, _, differs in pairs),
            worst_replay=max(row.ratio for row in located.rows),
            worst_twin=max(
                (row.ratio for row in twin.rows if row.state != "unjudged"), default=0.0
            ),
        )

    def faults(self) -> Iterator[Fault]:
        """Yields two faults for each operator of each pass: drawn kinds, at one call and at all."""
        calls: dict[tuple[str, str], int] = {}
        for row in self.rows:
            key = (row.operator, row.phase)
            if row.output == 0 and row.phase != "optimizer" and "float" in row.dtype:
                calls[key] = calls.get(key, 0) + 1
        draw = random.Random(f"{self.names}")
        kinds = [k for k in KINDS if k != "bfloat16" or self.names[1] == "float32"]
        for (operator, phase), count in calls.items():
            for nth in (None, draw.randrange(count)):
                yield Fault(operator, phase, draw.choice(kinds), nth, draw.randrange(1000))

    def trial(self, fault: Fault) -> Trial:
        """Returns whom each mode names for a fault."""
        device = Device(fault)
        candidate = taken(*self.names, device=device)
        replay = replayed(*self.names, Device(fault))
        module = None if fault.nth is None else self._module(fault)
        pairs = list(_pairs(self.run, candidate))
        return Trial(
            *self.names,
            operator=fault.operator, phase=fault.phase, kind=fault.kind,
            everywhere=fault.nth is None, change=device.change,
            loss_change=abs(candidate.loss / self.run.loss - 1),
            replay=_rank(replay.culprits, fault, module),
            twin=_rank(self.compared(candidate).culprits, fault, module),
            fixed=_is_right([r for r, d, _ in pairs if not d <= FIXED], fault, module),
            hashes=_is_right([r for r, _, differs in pairs if differs], fault, module),
        )  # fmt: skip

    def _module(self, fault: Fault) -> str:
        """Returns the module of the call that the fault damages."""
        key = (fault.operator, fault.phase)
        rows = [r for r in self.rows if (r.operator, r.phase) == key and r.output == 0]
        return rows[fault.nth or 0].module


def _pairs(baseline: Taken, candidate: Taken) -> Iterator[tuple[Record, float, bool]]:
    """Yields the operators' records with their distance, and whether the L1 norms differ."""
    ours, theirs = baseline.capture, candidate.capture
    for n, record in enumerate(ours.records):
        if record.kind == "operator" and "float" in record.dtype:
            difference = ours.sketches[n].astype(float) - theirs.sketches[n]
            distance = float(np.linalg.norm(difference)) / max(ours.norms[n], 1e-30)
            if not np.array_equal(ours.nonfinite[n], theirs.nonfinite[n]):
                distance = float("inf")
            yield record, distance, baseline.l1[n] != candidate.l1[n]


def _matches(name: str, phase: str, module: str, fault: Fault, wanted: str | None) -> bool:
    phase = phase.replace("optimizer", "forward")  # no autograd node runs in either
    same = canonical(name) == canonical(fault.operator) and phase == fault.phase
    return same and wanted in {None, module}


def _rank(culprits: Sequence[Row], fault: Fault, module: str | None) -> int:
    hits = (
        n
        for n, row in enumerate(culprits, 1)
        if _matches(row.operator, row.phase, row.module, fault, module)
    )
    return next(hits, 0)


def _is_right(records: Sequence[Record], fault: Fault, module: str | None) -> bool:
    """Returns True if the first of the records is the faulty operator's."""
    return bool(records) and _matches(
        records[0].name, records[0].phase, records[0].module, fault, module
    )

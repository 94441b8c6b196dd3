"""The ensembles of a sweep: runs that repeat one experiment, recorded or judged together."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import PolicyError
from harness.log.wording import counted
from harness.ports.manifest import Port
from harness.storage.gathering import check_name, gathered
from harness.sweep.manifest import Record, Sweep, port_of
from harness.sweep.plan import Planned
from harness.sweep.template import Value, fill

if TYPE_CHECKING:
    from harness.comparison.pipeline import Comparison
    from harness.log.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Runs that repeat one experiment. `name` is the folder of its report.

    `record` and `port` say what is done with it: the baseline's name and the comparison; empty and
    None for nothing.
    """

    name: str
    runs: tuple[Planned, ...]
    record: str = ""
    port: Port | None = None


def ensembles(runs: Sequence[Planned], sweep: Sweep, *, stem: str) -> list[Ensemble]:
    """Returns the ensembles of a sweep; `stem` names the ensemble of a sweep with one.

    Raises:
        PolicyError: two ensembles would be recorded under one name, or a name is not possible.
    """
    groups: dict[str, list[Planned]] = {}
    for run in runs:
        groups.setdefault(run.ensemble, []).append(run)
    made = [_ensemble(label, group, sweep, stem) for label, group in groups.items()]
    names: dict[str, Ensemble] = {}
    for one in made:
        other = names.setdefault(one.record, one) if one.record else one
        if other is not one:
            axis = next(a for a in one.runs[0].values if other.runs[0].values[a] != _value(one, a))
            msg = (
                f"[record] name is {one.record!r} for {len(groups)} ensembles; write {{{axis}}} in "
                "it"
            )
            raise PolicyError(msg)
    return made


def _value(ensemble: Ensemble, axis: str) -> Value:
    return ensemble.runs[0].values[axis]


def _ensemble(label: str, group: Sequence[Planned], sweep: Sweep, stem: str) -> Ensemble:
    values: Mapping[str, Value] = group[0].values
    shared = {a: v for a, v in values.items() if all(run.values[a] == v for run in group)}
    name = "".join(c if c.isalnum() or c in "=,._-" else "_" for c in label) or stem
    record, port = "", None
    if sweep.record is not None:
        record = fill(sweep.record.name, shared, "[record] name")
        check_name(record)
    if sweep.compare is not None:
        baseline = fill(sweep.compare["baseline"], shared, "[compare] baseline")
        port = port_of(sweep.compare, name, baseline)
    return Ensemble(name=name, runs=tuple(group), record=record, port=port)


def record(ensemble: Ensemble, asked: Record, sweep: Sweep, root: Path) -> str:
    """Records a complete ensemble as a baseline, and returns a sentence on it.

    A baseline that has the same runs already is left alone.

    Raises:
        HarnessError: the runs are not one experiment, a baseline of this name has other runs, or it
            cannot be written.
    """
    from harness.storage import baselines  # noqa: PLC0415  (loads numpy)

    runs = gathered([str(run.log) for run in ensemble.runs], pattern=sweep.pattern)
    folder = root / asked.baselines / ensemble.record
    exists = baselines.is_recording(folder)
    known = baselines.open_recording(folder).meta["runs"] if exists else ()
    if [run["sha256"] for run in known] == [run.sha256 for run in runs]:
        return f"{folder} has these {counted(len(runs), 'run')} already"
    if known and not asked.replace:
        msg = (
            f"is recorded already, with {counted(len(known), 'run')} that are not those of the "
            "sweep; set another [record] name, or replace = true"
        )
        raise PolicyError(msg, source=str(folder))
    command = sweep.command if isinstance(sweep.command, str) else shlex.join(sweep.command)
    baselines.record(
        folder,
        runs,
        origin=asked.origin or f"harness sweep: {command}",
        description=asked.description,
        replace=asked.replace,
    )
    return f"recorded {counted(len(runs), 'run')} in {folder}"


def judge(ensemble: Ensemble, port: Port, sweep: Sweep, root: Path) -> Comparison:
    """Returns the comparison of a complete ensemble with its baseline.

    Raises:
        HarnessError: the baseline cannot be read, or the sides cannot be aligned.
    """
    from harness.comparison.pipeline import compare  # noqa: PLC0415  (loads numpy)
    from harness.storage.inputs import load  # noqa: PLC0415

    pattern = port.pattern or sweep.pattern
    candidate: list[Run] = []
    for run in ensemble.runs:
        candidate += load(str(run.log), pattern=pattern)
    return compare(load(port.baseline, root=root, pattern=pattern), candidate, port.policy())

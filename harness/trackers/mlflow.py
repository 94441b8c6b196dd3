"""Runs of MLflow, from a database, a folder or a server.

mlflow:port/seed_1        mlflow:runs/mlflow.db!port/seed_1        mlflow:https://host!port
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import TYPE_CHECKING

from harness.errors import ParseError
from harness.log.wording import counted
from harness.trackers.gathering import gathered
from harness.trackers.mlflow_runs import Experiment, Row, stored, without_points
from harness.trackers.mlflow_stores import open_store

if TYPE_CHECKING:
    from harness.log.run import Run
    from harness.trackers.mlflow_stores import Store

READER = "mlflow"
MAX_RUNS = 1000
"""Largest number of runs that one name may give."""
_ID_DIGITS = 32
_SURROGATE = re.compile("[\ud800-\udfff]")
_PATTERN = frozenset("*?[")


def read(where: str, *, source: str) -> tuple[Run, ...]:
    """Returns the runs that `EXPERIMENT`, `EXPERIMENT/RUN` or the id of a run names.

    Experiments and runs may be named by name or id; `RUN` may be a pattern, `seed_*`. `STORE!`
    before the name is a database, a folder of MLflow, or the URL of a server; otherwise
    MLFLOW_TRACKING_URI names the store, or it lies in the present folder as MLflow leaves it. An
    experiment gives all runs with metrics that are not deleted, also those that did not finish, in
    the order in which they began; a run to which a verdict was written stays a run.

    Raises:
        ParseError: the store cannot be read, or has no such run, or several of that name.
    """
    if not where.isascii() and _SURROGATE.search(where):  # SQLite and URLs cannot hold it
        msg = "a name with bytes that are not UTF-8; name the run by its id"
        raise ParseError(msg, source=source)
    place, mark, name = where.partition("!")
    with open_store(place if mark else "", source=source) as store:
        rows, is_one = named(name if mark else where, store, source)
        if len(rows) > MAX_RUNS:
            msg = f"{len(rows)} runs; expected at most {MAX_RUNS}. Name a part: EXPERIMENT/seed_1*"
            raise ParseError(msg, source=source)
        records = [(row, stored(row, store.points(row))) for row in rows]
    kept = [(row, record) for row, record in records if record.metrics]
    empty = [row for row, record in records if not record.metrics]
    if not kept:
        msg = f"{counted(len(rows), 'run')} without a metric of a training; expected a loss. "
        raise ParseError(f"{msg}Name another run.", source=source)
    labels = _labels([row for row, _ in kept])
    runs = [
        gathered(record, source=source if is_one else f"{source} [run {label}]", reader=READER)
        for label, (_, record) in zip(labels, kept, strict=True)
    ]
    return without_points(runs, empty)


def named(name: str, store: Store, source: str) -> tuple[list[Row], bool]:
    """Returns the runs that a name gives, and whether it names one run.

    Raises:
        ParseError: there is no such experiment or run, or more than one.
    """
    experiments = _experiments(name, store)
    if not experiments:
        row = store.run(name) if _is_id(name) else None
        if row is None:
            raise ParseError(_unknown(name, store), source=source)
        return [_active(row, source)], True
    if len(experiments) > 1:
        ids = ", ".join(f"{e.name!r} (id {e.id})" for e, _ in experiments[:5])
        msg = f"the name fits {len(experiments)} experiments: {ids}; name the experiment by its id"
        raise ParseError(msg, source=source)
    ((experiment, run),) = experiments
    if experiment.deleted:
        msg = (
            f"the experiment {experiment.name!r} is deleted; restore it with "
            f"`mlflow experiments restore --experiment-id {experiment.id}`"
        )
        raise ParseError(msg, source=source)
    rows = sorted(store.runs(experiment), key=lambda row: (row.start, row.id))
    if not run:
        return _some([row for row in rows if not row.deleted], experiment, source), False
    return _of_name(run, rows, experiment, source)


def experiment_of(name: str, store: Store) -> Experiment | None:
    """Returns the experiment in which the runs of a name are; None if it names a run by its id."""
    return next((experiment for experiment, _ in _experiments(name, store)), None)


def _experiments(name: str, store: Store) -> list[tuple[Experiment, str]]:
    """Returns the experiments that a name begins with, each with the rest: the name of a run.

    Both may contain slashes, so every slash may be the one between them. Active experiments are
    preferred to deleted ones.
    """
    starts = accumulate(name.split("/"), lambda a, b: f"{a}/{b}")
    hits = [
        (experiment, name[len(start) + 1 :])
        for start in starts
        for experiment in store.experiments(start)
    ]
    return [hit for hit in hits if not hit[0].deleted] or hits


def _of_name(
    name: str, rows: Sequence[Row], experiment: Experiment, source: str
) -> tuple[list[Row], bool]:
    """Returns the run of an experiment that has this id or name, or the runs of a pattern."""
    by_id = [row for row in rows if row.id == name]
    hits = by_id or [row for row in rows if row.name == name]
    active = [row for row in hits if not row.deleted]
    if len(active) > 1:
        ids = ", ".join(row.id for row in active[:5])
        msg = f"{len(active)} runs have the name {name!r}: {ids}; name one by its id"
        raise ParseError(msg, source=source)
    if hits:
        return [_active((active or hits)[0], source)], True
    if _PATTERN & set(name):
        fits = [row for row in rows if fnmatchcase(row.name, name) and not row.deleted]
        if fits:
            return fits, False
    names = ", ".join(dict.fromkeys(row.name for row in rows[:200] if not row.deleted))
    msg = f"the experiment {experiment.name!r} has no run {name!r}; its runs: {names:.300}"
    raise ParseError(msg, source=source)


def _is_id(name: str) -> bool:
    return len(name) == _ID_DIGITS and name.isascii() and name.isalnum()


def _some(rows: list[Row], experiment: Experiment, source: str) -> list[Row]:
    if not rows:
        msg = f"the experiment {experiment.name!r} has no run; name another, or check the store"
        raise ParseError(msg, source=source)
    return rows


def _active(row: Row, source: str) -> Row:
    if row.deleted:
        msg = f"the run {row.name!r} is deleted; restore it with `mlflow runs restore --run-id "
        raise ParseError(f"{msg}{row.id}`", source=source)
    return row


def _unknown(name: str, store: Store) -> str:
    known = ", ".join(repr(e.name) for e in store.listed() if not e.deleted)
    return (
        f"{store.shown} has no experiment {name!r}; expected EXPERIMENT/RUN, by name or id. Its "
        f"experiments: {known:.300}"
    )


def _labels(rows: Sequence[Row]) -> list[str]:
    """Returns the names of runs; those that share a name get their id as well."""
    names = [row.name or row.id for row in rows]
    return [
        name if names.count(name) == 1 else f"{name} {row.id}"
        for name, row in zip(names, rows, strict=True)
    ]

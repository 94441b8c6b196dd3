"""Columns of tables that trackers of experiments export, with several runs in one table.

"Step","run a - train/loss","run a - train/loss__MIN","run b - train/loss"     (Weights & Biases)
run_id,key,value,step,timestamp                                                (MLflow)
run,tag,step,value                                                             (TensorBoard)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.parse.number import number

_RUN = {"run id": "run", "run_id": "run", "run name": "run", "run_name": "run", "run": "run"}
_IDENTIFIERS = ("run id", "run_id")
_TIDY = {**_RUN, "tag": "name", "key": "name", "metric": "name", "value": "value"}
"""Columns of tables with a value a row, in small letters, by the tracker's names."""
BESIDE = ("__MIN", "__MAX")
"""Ends of the columns that hold the range over which Weights & Biases took a mean."""


class Column(NamedTuple):
    """The run and the figure that a column holds."""

    run: str
    figure: str


def renamed(names: list[str]) -> list[str]:
    """Returns the columns of a table with a value a row under this project's names.

    >>> renamed(["run_id", "key", "value", "step"]), renamed(["Step", "Value"])
    (['run', 'name', 'value', 'step'], ['Step', 'Value'])

    Of a name and an identifier of the run, the identifier is kept: names may be given twice.

    >>> renamed(["Run", "Run ID", "metric", "step", "value"])
    ['Run', 'run', 'name', 'step', 'value']
    """
    known = [_TIDY.get(name.lower(), name) for name in names]
    if known.count("run") > 1:
        known = [
            name if new == "run" and name.lower() not in _IDENTIFIERS else new
            for name, new in zip(names, known, strict=True)
        ]
    return known if {"name", "value"} <= set(known) and len(set(known)) == len(known) else names


def by_run(names: list[str], step: str) -> dict[str, Column]:
    """Returns the columns that are called `RUN - FIGURE`, if all but `step` are.

    In a table of one run, columns keep their names, unless some are called `RUN - FIGURE__MIN`.

    >>> by_run(["Step", "a - loss", "a - loss__MIN", "b - loss"], "Step")
    {'a - loss': Column(run='a', figure='loss'), 'b - loss': Column(run='b', figure='loss')}
    >>> by_run(["Step", "a - loss"], "Step")
    {}
    """
    others = [name for name in names if name != step]
    if not all(" - " in name for name in others):
        return {}
    columns = {}
    for name in others:
        run, _, figure = name.rpartition(" - ")
        if not name.endswith(BESIDE) and figure != "_step":
            columns[name] = Column(run, figure)
    several = len({column.run for column in columns.values()}) > 1
    return columns if several or any(name.endswith(BESIDE) for name in others) else {}


def is_mean(row: Mapping[str, str], name: str) -> bool:
    """Returns whether a column's value is a mean over several points, as the range beside it says.

    >>> is_mean({"a - loss": "2", "a - loss__MIN": "1", "a - loss__MAX": "3"}, "a - loss")
    True
    """
    low, high = (number(row.get(f"{name}{end}", "")) for end in BESIDE)
    return low is not None and high is not None and low < high

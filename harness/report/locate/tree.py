"""The modules of a network with their errors: as a tree, and as a table by step or pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.locate import names
from harness.locate.result import Row
from harness.locate.stages import title
from harness.report.locate.tables import times

NETWORK = "the whole network"
DEEPEST = 12
"""Levels of the tree; what lies deeper is one name. A page cannot nest without end."""
MOST_MODULES = 1000
"""Modules of the tree; a page of more opens slowly. Those with the largest errors are kept."""
MOST_LINES, MOST_COLUMNS = 60, 20
"""Size of the table of modules by step."""
BANDS = (0.3, 1.0, 10.0)
"""Ends of the colours, in limits: far within, within, beyond, far beyond."""
PARAMETERS = ("weight", "buffer", "gradient", "update", "buffer_update")
LEGEND = (
    ("heat-1", "at most 0.3 of the limit"),
    ("heat-2", "within the limit"),
    ("heat-3", "beyond the limit"),
    ("heat-4", "more than 10 times the limit"),
    ("heat-0", "zero, or not judged"),
)


@dataclass(slots=True, kw_only=True)
class Node:
    """A module with what lies in it.

    `worst` is the row with the largest error in limits. `first` is true if something in it differs
    first.
    """

    name: str
    path: str
    worst: Row | None = None
    first: bool = False
    inner: dict[str, Node] = field(default_factory=dict)

    @property
    def heat(self) -> str:
        """The class of the module's colour."""
        return heat_of(self.worst)

    @property
    def text(self) -> str:
        """The largest error of the module in limits."""
        return times(self.worst.ratio) if self.worst else "–"

    @property
    def title(self) -> str:
        """What has that error."""
        return f"{title(self.worst)}, step {self.worst.step}" if self.worst else ""

    @property
    def open(self) -> bool:
        """Whether the tree shows what lies in the module: something in it differs."""
        return any(node.worst is not None and node.worst.ratio > 1 for node in self.inner.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A field of the table: a number in limits, its colour, and what it is of."""

    text: str
    heat: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Modules by step, or by pass for a single step. `omitted` says what is not shown."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]
    omitted: str


def home_of(row: Row) -> str:
    """Returns the path of the module that a row belongs to: a parameter's is in its name.

    >>> home_of(Row(kind="gradient", operator="head.conv.weight"))
    'head.conv'
    """
    if row.kind in PARAMETERS and not row.module:
        return names.path(row.operator).rpartition(".")[0]
    return row.module


def heat_of(row: Row | None) -> str:
    """Returns the class of a row's colour.

    >>> heat_of(None), heat_of(Row(operator="x", error=2.0, limit=1.0, state="wrong"))
    ('heat-0', 'heat-3')
    """
    if row is None or row.state in {"hidden", "unjudged"}:
        return "heat-0"
    return f"heat-{1 + sum(not row.ratio <= end for end in BANDS)}"


def tree_of(rows: Sequence[Row]) -> Node:
    """Returns the whole network, with its modules in the order of execution."""
    root = Node(name=NETWORK, path="")
    kept = set(_largest(rows, MOST_MODULES))
    for row in rows:
        if home_of(row) not in kept:
            continue
        node = root
        _add(node, row)
        for name in _levels(home_of(row)):
            path = f"{node.path}.{name}" if node.path else name
            node = node.inner.setdefault(name, Node(name=name, path=path))
            _add(node, row)
    return root


def _levels(module: str) -> list[str]:
    names = module.split(".") if module else []
    head, tail = names[: DEEPEST - 1], names[DEEPEST - 1 :]
    return [*head, *([".".join(tail)] if tail else [])]


def _add(node: Node, row: Row) -> None:
    node.first = node.first or row.state == "wrong"
    if _weight(row) > _weight(node.worst):
        node.worst = row


def _weight(row: Row | None) -> float:
    """Returns the rank of a row among others; those that are not judged come last."""
    if row is None or math.isnan(row.ratio):
        return -2.0
    return -1.0 if row.state in {"hidden", "unjudged"} else row.ratio


def _largest(rows: Sequence[Row], most: int) -> list[str]:
    """Returns the modules with the largest errors, in the order of execution."""
    worst: dict[str, float] = {}
    for row in rows:
        worst[home_of(row)] = max(worst.get(home_of(row), -2.0), _weight(row))
    chosen = set(sorted(worst, key=lambda module: -worst[module])[:most])
    return [module for module in worst if module in chosen]


def map_of(rows: Sequence[Row]) -> Map:
    """Returns the table of modules by step; of a single step, by pass."""
    steps = sorted({row.step for row in rows})
    single = len(steps) <= 1
    keys = sorted({_key(row, single=single) for row in rows}, key=_in_order)
    modules = _largest(rows, MOST_LINES)
    worst: dict[tuple[str, str | int], Row] = {}
    for row in rows:
        at = (home_of(row), _key(row, single=single))
        if at not in worst or _weight(row) > _weight(worst[at]):
            worst[at] = row
    every, shown = len({home_of(row) for row in rows}), keys[:MOST_COLUMNS]
    parts = [
        f"{every - len(modules)} modules with smaller errors" if every > len(modules) else "",
        f"{len(keys) - len(shown)} later steps" if len(keys) > len(shown) else "",
    ]
    return Map(
        columns=tuple(f"{key}" if single else f"step {key}" for key in shown),
        lines=tuple(
            (module or NETWORK, tuple(_cell(worst.get((module, key))) for key in shown))
            for module in modules
        ),
        omitted=" and ".join(part for part in parts if part),
    )


def _key(row: Row, *, single: bool) -> str | int:
    return row.phase if single else row.step


def _in_order(key: str | int) -> int:
    return key if isinstance(key, int) else ("forward", "backward", "optimizer").index(key)


def _cell(row: Row | None) -> Cell:
    if row is None:
        return Cell(text="–", heat="heat-0", title="")
    text = times(row.ratio) if heat_of(row) != "heat-0" else "–"
    return Cell(text=text, heat=heat_of(row), title=title(row))

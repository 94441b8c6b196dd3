"""The records of Weights & Biases: rows of the history, settings, axes, and how a run ended.

history {item {nested_key: "train/loss" value_json: "0.5"} item {key: "_step" value_json: "3"}}

The numbers of the fields are those of wandb_internal.proto, checked against wandb 0.31.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.parse.number import as_float, number
from harness.parse.protobuf import BYTES, VARINT, double, fields, signed, text
from harness.parse.tokens import instead, is_spelled

HISTORY, CONFIG, METRIC, RUN, EXIT, PREEMPTING, ENVIRONMENT = 2, 5, 12, 17, 18, 23, 26
STEP = "_step"
MEDIA = "_type"
"""A key of what is no number: a histogram, a picture, a table."""
Row = dict[str, float | None]
"""The numbers of a row by name; None for one that was logged as null."""


class Spelled(float):
    """A number that was logged as text, which is that of a metric only among numbers."""


@dataclass(slots=True, kw_only=True)
class Content:
    """What the records of a run say, in their order.

    `rows` are the rows of the history: the step, and the numbers by their names, nested names
    joined by dots. `axes` are the metrics by which others are placed (`define_metric`), by the
    name, or the beginning of the names, of those. `ended` is the exit code, None without any.
    """

    rows: list[tuple[int, Row]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    begins: dict[str, str] = field(default_factory=dict)
    run_id: str = ""
    project: str = ""
    entity: str = ""
    name: str = ""
    gpu: str = ""
    python: str = ""
    ended: int | None = None
    preempted: bool = False
    unread: int = 0

    def take(self, record: bytes | None) -> None:
        """Takes one record; None is one that is damaged."""
        try:
            for kind, wire, value in fields(record or b""):
                if wire == BYTES and isinstance(value, bytes):
                    self._take(kind, value)
        except ValueError:
            record = None
        self.unread += record is None

    def _take(self, kind: int, data: bytes) -> None:
        if kind == HISTORY:
            self.rows.append(_row(data, len(self.rows)))
        elif kind == CONFIG:
            self._configure(data)
        elif kind == METRIC:
            self._define(data)
        elif kind == RUN:
            self._begin(data)
        elif kind == EXIT:
            codes = [signed(int(v)) for n, w, v in fields(data) if (n, w) == (1, VARINT)]
            self.ended = codes[-1] if codes else 0
        elif kind == PREEMPTING:
            self.preempted = True
        elif kind == ENVIRONMENT:
            stated = _texts(data)
            self.gpu, self.python = stated.get(18, self.gpu), stated.get(2, self.python)

    def _begin(self, data: bytes) -> None:
        stated = _texts(data, but=(4, 5))
        self.run_id, self.name = stated.get(1, self.run_id), stated.get(8, self.name)
        self.entity, self.project = stated.get(2, self.entity), stated.get(3, self.project)
        self.ended, self.preempted = None, False
        for number_, wire, value in fields(data):
            if (number_, wire) == (4, BYTES) and isinstance(value, bytes):
                self._configure(value)

    def _configure(self, data: bytes) -> None:
        """Takes settings: those of a run's beginning, or later changes."""
        for kind, wire, item in fields(data):
            if wire != BYTES or not isinstance(item, bytes):
                continue
            path, value = _item(item)
            if not path or path[0] == "_wandb":
                continue
            into = self.config
            for name in path[:-1]:
                inner = into.get(name)
                if not isinstance(inner, dict):
                    inner = into[name] = {}
                into = inner
            if kind == 1:
                into[path[-1]] = value
            else:
                into.pop(path[-1], None)

    def _define(self, data: bytes) -> None:
        stated = _texts(data, but=(6, 7, 9))
        axis = stated.get(4, "")
        if 1 in stated:
            self.axes[stated[1]] = axis
        elif stated.get(2, "").endswith("*"):
            self.begins[stated[2].removesuffix("*")] = axis


def _texts(data: bytes, but: tuple[int, ...] = ()) -> dict[int, str]:
    """The texts of a message by the number of their field."""
    found = {}
    for number_, wire, value in fields(data):
        if wire == BYTES and number_ not in but and isinstance(value, bytes):
            found[number_] = value.decode("utf-8", "replace")
    return found


def _row(data: bytes, count: int) -> tuple[int, Row]:
    """A row of the history: its step, by default the number of rows before, and its numbers."""
    step, row, media = count, Row(), set[str]()
    for kind, wire, item in fields(data):
        if wire != BYTES or not isinstance(item, bytes):
            continue
        if kind == 2:
            steps = [signed(int(v)) for n, w, v in fields(item) if (n, w) == (1, VARINT)]
            step = steps[-1] if steps else 0
        elif kind == 1:
            path, value = _item(item)
            if MEDIA in path:
                media.add(".".join(path[: path.index(MEDIA)]))
            row |= dict(_numbers(".".join(path), value))
    given = row.pop(STEP, None)
    if given is not None and given.is_integer():
        step = int(given)
    if media:
        row = {n: v for n, v in row.items() if not any(n.startswith(f"{m}.") for m in media)}
    return step, row


def _numbers(name: str, value: object) -> Iterator[tuple[str, float | None]]:
    """The numbers in a value, by their names; None for null."""
    if isinstance(value, dict):
        if MEDIA not in value:
            for inner, below in value.items():
                yield from _numbers(f"{name}.{inner}", below)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, as_float(value)
    elif value is None:
        yield name, None
    elif isinstance(value, str):
        found = number(value)
        if is_spelled(value):
            yield name, instead(value) if found is None else found
        elif found is not None:
            yield name, Spelled(found)


def _item(data: bytes) -> tuple[list[str], object]:
    """The path of names of an item, and its value.

    Raises:
        ValueError: the value is no JSON.
    """
    key, nested, value = "", list[str](), object()
    for kind, wire, given in fields(data):
        if wire == BYTES and isinstance(given, bytes):
            if kind == 1:
                key = text(given)
            elif kind == 2:
                nested.append(text(given))
            elif kind == 7:
                value = text(given)
            elif kind in {8, 16}:
                value = _json(given)
        elif kind == 3:
            value = None
        elif kind == 4:
            value = bool(given)
        elif kind == 5 and isinstance(given, int):
            value = (given >> 1) ^ -(given & 1)
        elif kind == 6:
            value = double(given)
    return nested or [key], value


def _json(data: bytes) -> object:
    if data == b"-0":  # how Go writes the float -0.0, which JSON's reader would take for 0
        return -0.0
    try:
        return json.loads(data)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error


def axis_of(name: str, content: Content) -> str:
    """Returns the metric by which another is placed; empty if it is placed by the step."""
    if name in content.axes:
        return content.axes[name]
    fits = [begin for begin in content.begins if name.startswith(begin)]
    return content.begins[max(fits, key=len)] if fits else ""


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings with nested names joined by dots."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": below for inner, below in flat(value).items()}
        else:
            found[name] = value
    return found

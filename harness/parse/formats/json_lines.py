"""JSON Lines of any program: an object a line with a step and numbers, nested once at most.

{"step": 3, "loss": 4.5, "lr": 0.001}
{"_step": 3, "train": {"loss": 4.5}}
{"loss": 4.5, "epoch": 0.1, "global_step/max_steps": "5/60"}          (ms-swift)
{"train_loss": 4.5, "test_loss": 4.25, "epoch": 3}                    (log.txt of DETR, DeiT, MAE)
{"split": "valid", "step": 3, "loss": 4.75}                           (an evaluation: `val.loss`)
"""

from __future__ import annotations

from typing import Any

from harness.log.fact_table import aliases
from harness.parse.collect import Collector
from harness.parse.grammar.held import Held
from harness.parse.jsonlike import json_object
from harness.parse.line import Line, Place
from harness.parse.names import (
    EPOCHS,
    SUMMARY,
    Names,
    evaluation_of,
    holds_figures,
    is_loss,
    of_evaluation,
    step_key,
)
from harness.parse.number import count, json_count, json_counter, json_epoch
from harness.parse.rows import Rows, tell

_FACTS = aliases("json_lines")


class JsonLines:
    """Reads every number of an object as a series; steps are taken as they are written.

    In a log without steps, losses are numbered by their epoch where each line states another one,
    and in order otherwise.
    """

    name = "json lines"
    example = '{"step": 3, "loss": 4.5, "lr": 0.001}'
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._rows = {False: Rows(), True: Rows()}  # those of training, those of evaluations
        self._names = Names()
        self._held = Held()
        self._placed = False

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes one line if it is an object with a step."""
        text = line.spelled
        if not text.startswith("{") or '"' not in text or '"log_history"' in text:
            return False
        entry = json_object(line, into)
        if entry is None:
            return False
        flat = _flat(entry)
        key = step_key(list(flat))
        place = _place(flat, key)
        if place is None and not any(map(is_loss, flat)):
            return False
        _facts(flat, key, line.number, into)
        if _ends_training(flat):
            return True
        figures = self._figures(line, flat, key, place, into)
        if place is None:
            self._hold(line, flat, figures, into)
        elif figures:
            into.record(place, figures)
            into.claim(self.name)
            self._placed = True
        return bool(figures)

    def close(self, into: Collector) -> None:
        """Hands over losses without a step if no other has one."""
        if self._held.lines and not self._placed:
            into.claim(self.name)
            way = self._held.hand_over(into)
            into.note(f"json lines: {self._held.lines} losses without a step are numbered {way}")

    def _figures(
        self,
        line: Line,
        flat: dict[str, Any],
        key: str | None,
        place: Place | None,
        into: Collector,
    ) -> dict[str, float]:
        """The figures of an object by the names of their series."""
        cells = {name: v for name, v in flat.items() if name != key and holds_figures(name)}
        where = _epoch(flat) if place is None else (place.iteration, place.rank)
        evaluated = evaluation_of(flat)
        figures, unread = self._rows[bool(evaluated)].read(cells, where, line.spelled, into)
        tell(line.number, line.spelled, unread, into)
        if evaluated:
            figures = {of_evaluation(name, evaluated): value for name, value in figures.items()}
        self._names.learn(figures)
        return {self._names.of(name): value for name, value in figures.items()}

    def _hold(
        self, line: Line, flat: dict[str, Any], figures: dict[str, float], into: Collector
    ) -> None:
        """Keeps the figures of an object without a step until the end of the log."""
        if self._placed:
            reason = "a loss without a step; expected step, iteration or iter"
            into.skip(line.number, line.spelled, reason)
        elif figures:
            self._held.add(json_counter(flat.get("rank")) or 0, _epoch(flat), figures)


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with objects inside it folded into `outer/inner`."""
    flat: dict[str, Any] = {}
    for name, value in entry.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{inner}": v for inner, v in value.items()}
        else:
            flat[str(name)] = value
    return flat


def _place(flat: dict[str, Any], key: str | None) -> Place | None:
    """The place that an entry states, its step under `key`; None without a step."""
    step = None if key is None else _parts(flat[key])[0]
    if step is None:
        return None
    epoch = next((flat[name] for name in EPOCHS if name in flat), 0)
    return Place(step, rank=json_counter(flat.get("rank")) or 0, epoch=json_epoch(epoch))


def _parts(value: object) -> tuple[int | None, int | None]:
    """The step and the number of steps that a counter states, `"5/60"`, 5 or, by pandas, 5.0."""
    if not isinstance(value, str):
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return json_counter(value), None
    step, _, total = value.partition("/")
    return count(step), count(total)


def _epoch(flat: dict[str, Any]) -> int | None:
    """The epoch that an entry states as a whole number."""
    return next((json_count(flat[name]) for name in EPOCHS if name in flat), None)


def _ends_training(flat: dict[str, Any]) -> bool:
    """Whether an entry sums up the training, or says without figures that it has ended."""
    ended = flat.get("current_steps", 0) == flat.get("total_steps")
    return SUMMARY in flat or (ended and not any(map(is_loss, flat)))


def _facts(flat: dict[str, Any], key: str | None, line: int, into: Collector) -> None:
    """States the facts of an entry."""
    stated = {name: flat[name] for name in _FACTS.keys() & flat.keys()}
    if key is not None and (total := _parts(flat[key])[1]):
        stated["total_steps"] = total
    for name, value in stated.items():
        if isinstance(value, int) and value > 0:
            into.fact(_FACTS[name], value, line=line)

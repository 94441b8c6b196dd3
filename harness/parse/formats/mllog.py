"""MLPerf's logging format: one JSON event a line, after whatever prefix a launcher put there.

0: :::MLLOG {"key": "train_loss", "value": 1.92, "metadata": {"samples_count": 80, "lr": 0.0005}}
"""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.log.fact_table import aliases
from harness.log.facts import FactValue
from harness.parse.collect import Collector
from harness.parse.damage import word
from harness.parse.grammar.naming import is_loss
from harness.parse.jsonlike import loads
from harness.parse.line import Line, Place
from harness.parse.names import canonical
from harness.parse.number import MAX_COUNT, json_count, json_number, number
from harness.parse.sources import LOSSES

MARK = ":::MLLOG"
SAMPLES = "samples"
"""Series of the samples seen when a loss was logged; a changed batch size shows in it."""

_FACTS = aliases("mllog")
_SCHEDULE = "opt_learning_rate_"
_STEPS = ("step", "step_num", "global_step", "iteration")
"""Counters of steps, the likeliest first; some programs state the samples as their step."""
_METADATA = (*_STEPS, "samples_count", "lr", "learning_rate", "epoch_num", "metric")
_RESULTS = ("eval_accuracy", "eval_error")
"""How the keys of evaluations begin."""
_STATISTICS = "tracked_stats"
"""The event of several figures: throughput, and with some systems the training loss."""
_BESIDE = frozenset({"lr", "grad_norm"})
"""Figures among the statistics that are read beside a loss."""
_MODEL = frozenset({"submission_benchmark", "lora_rank", "lora_alpha"})


class _Event(NamedTuple):
    """Figures of one event by their series, and what its metadata say of them."""

    line: int
    key: str
    figures: dict[str, Any]
    metadata: dict[str, Any]


class Mllog:
    """Reads losses, evaluations and hyperparameters; a step is an optimizer step from 0.

    An event says how many samples were seen, so its step is samples / global_batch_size - 1. Runs
    of different batch sizes then meet on optimizer steps, and the samples that each had seen by
    then are a series of their own. An event that states its step is believed. One that states an
    epoch alone is at that epoch; where a log has fractions of epochs, at the steps that they are
    by train_samples and global_batch_size, or in order without those.
    """

    name = "mllog"
    example = (
        ':::MLLOG {"namespace": "", "time_ms": 1746056569897, "event_type": "POINT_IN_TIME", '
        '"key": "train_loss", "value": 1.92359, "metadata": {"samples_count": 80, "lr": 0.0005}}'
    )

    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._settings: dict[str, tuple[FactValue, int]] = {}
        self._events: list[_Event] = []

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a line that holds an event."""
        number, text = line.number, line.spelled
        at = text.find(MARK)
        if at < 0:
            return False
        try:
            event = loads(text[at + len(MARK) :])
            key, metadata = event["key"], event.get("metadata") or {}
            metadata = {k: metadata.get(k) for k in _METADATA}
            value = event["value"] if _series(key, None) is None else event.get("value")
        except (KeyError, TypeError, AttributeError):
            into.skip(number, text[at:], "no JSON event with key and value after the mark")
            return True
        into.claim(self.name)
        if not isinstance(key, str):
            return True
        figures = _figures(key, value, metadata)
        if figures:
            self._events.append(_Event(number, key, figures, metadata))
        elif key == _STATISTICS and not isinstance(value, dict):
            into.skip(number, text[at:], "tracked_stats without an object of figures")
        elif isinstance(value, str | int | float):
            self._settings.setdefault(key, (value, number))
        return True

    def close(self, into: Collector) -> None:
        """States the facts, then places the records, whose steps need the batch size."""
        for key, name in _FACTS.items():
            if key in self._settings:
                into.fact(name, self._settings[key][0], line=self._settings[key][1])
        if "opt_adamw_weight_decay" in self._settings and not into.has("optimizer"):
            into.fact("optimizer", "adamw", line=self._settings["opt_adamw_weight_decay"][1])
        self._composed(into)
        for event, step in zip(self._events, self._steps(into), strict=True):
            self._place(event, step, into)

    def _composed(self, into: Collector) -> None:
        schedule = sorted(k for k in self._settings if k.startswith(_SCHEDULE))
        if schedule:
            text = ", ".join(
                f"{k.removeprefix(_SCHEDULE)}={self._settings[k][0]}" for k in schedule
            )
            into.fact("schedule", text, line=self._settings[schedule[0]][1])
        if "submission_benchmark" in self._settings:
            name, line = self._settings["submission_benchmark"]
            parts = [f"{k}={self._settings[k][0]}" for k in sorted(_MODEL & set(self._settings))]
            inner = ", ".join(part for part in parts if not part.startswith("submission"))
            into.fact("model", f"{name}({inner})" if inner else name, line=line)

    def _steps(self, into: Collector) -> list[int | None]:
        """The step of each event; None where an event states none."""
        batch = self._count("global_batch_size")
        steps = [_step(event.metadata, batch) for event in self._events]
        epochs = [
            _epoch(event.metadata) if step is None else None
            for event, step in zip(self._events, steps, strict=True)
        ]
        stated = [epoch for epoch in epochs if epoch is not None]
        if all(epoch.is_integer() for epoch in stated):
            numbers = {epoch: int(epoch) for epoch in stated}
        elif (samples := self._count("train_samples")) and batch:
            numbers = {e: min(MAX_COUNT, round(e * samples / batch)) for e in stated}
        else:
            numbers = {epoch: i for i, epoch in enumerate(dict.fromkeys(stated))}
            into.note("mllog: fractions of epochs without train_samples are numbered in order")
            for event, epoch in zip(self._events, epochs, strict=True):
                into.by_order(*(event.figures if epoch is not None else ()))
        return [
            step if epoch is None else numbers[epoch]
            for step, epoch in zip(steps, epochs, strict=True)
        ]

    def _count(self, setting: str) -> int:
        """A setting that is a number of samples; 0 where the log states none."""
        value = self._settings.get(setting, (0, 0))[0]
        return value if isinstance(value, int) and 0 < value <= MAX_COUNT else 0

    def _place(self, event: _Event, step: int | None, into: Collector) -> None:
        """Hands over the figures of an event."""
        into.line = event.line
        if step is None:
            reason = "needs a step, an epoch_num, or samples_count and a global_batch_size"
            into.skip(event.line, f"{event.key}: {event.figures!r:.200}", reason)
            return
        values = {}
        for name, stated in event.figures.items():
            value = _figure(name, stated, into)
            if value is None:
                into.skip(event.line, f"{name}: {stated!r:.200}", f"{name} is not a number")
            else:
                values[name] = value
        if "loss" in values and (samples := event.metadata["samples_count"]) is not None:
            seen = _figure(SAMPLES, samples, into)
            values |= {} if seen is None else {SAMPLES: seen}
        into.record(Place(step), values)


def _series(key: object, metric: object) -> str | None:
    """The series of the value under a key; None where the value is no figure of the training."""
    if not isinstance(key, str):
        return None
    if key.startswith(_RESULTS):
        return f"val.{metric or key}"
    if not is_loss(key):
        return None
    name = canonical(key)
    return "loss" if name in LOSSES else name


def _figures(key: str, value: object, metadata: dict[str, Any]) -> dict[str, Any]:
    """The figures of an event by their series: a value, or those of an object of values."""
    series = _series(key, metadata["metric"])
    if key == _STATISTICS and isinstance(value, dict):
        figures = {name: v for n, v in value.items() if (name := _series(n, None)) is not None}
        beside = {canonical(n): v for n, v in value.items() if canonical(n) in _BESIDE}
        figures |= beside if figures else {}
    elif series is not None and isinstance(value, dict):
        figures = {f"val.{n}" if series.startswith("val.") else n: v for n, v in value.items()}
    else:
        figures = {} if series is None else {series: value}
    rate = next((metadata[n] for n in ("lr", "learning_rate") if metadata[n] is not None), None)
    return {"lr": rate} | figures if "loss" in figures and rate is not None else figures


def _figure(name: str, value: object, into: Collector) -> float | None:
    """The number that an event states, NaN for a word; None for the rest of a number."""
    stated = json_number(value)
    if stated is not None:
        return stated
    text = "null" if value is None else str(value)
    read = number(text) if isinstance(value, str) else None
    if read is not None and read - read == 0:
        return read
    return word(name, text, f"{name}: {text}", into)


def _step(metadata: dict[str, Any], batch: int) -> int | None:
    """The optimizer step, from 0; None where an event states none."""
    samples = json_number(metadata["samples_count"])
    stated = next((n for n in (json_count(metadata[k]) for k in _STEPS) if n is not None), None)
    if stated is not None and not (batch > 1 and samples == stated):
        return max(0, stated - 1)
    if samples is None or not batch or not 0 <= samples <= MAX_COUNT:
        return None
    return max(0, int(samples) // batch - 1)


def _epoch(metadata: dict[str, Any]) -> float | None:
    """The epoch that an event states; None without one."""
    epoch = json_number(metadata["epoch_num"])
    return epoch if epoch is not None and 0 <= epoch <= MAX_COUNT else None

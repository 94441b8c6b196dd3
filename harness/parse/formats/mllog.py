"""MLPerf's logging format: one JSON event a line, after whatever prefix a launcher put there.

0: :::MLLOG {"key": "train_loss", "value": 1.92, "metadata": {"samples_count": 80, "lr": 0.0005}}
"""

from __future__ import annotations

from typing import Any

from harness.log.fact_table import aliases
from harness.log.facts import FactValue
from harness.parse.collect import Collector
from harness.parse.damage import word
from harness.parse.jsonlike import loads
from harness.parse.line import Line, Place
from harness.parse.number import MAX_COUNT, json_number, number

MARK = ":::MLLOG"
SAMPLES = "samples"
"""Series of the samples seen when a loss was logged; a changed batch size shows in it."""

_FACTS = aliases("mllog")
_SCHEDULE = "opt_learning_rate_"
_METADATA = ("step", "samples_count", "lr", "epoch_num", "metric")
_TRACKED = frozenset({"train_loss", "loss"})
"""Losses among the statistics that some systems log in one event."""
_MODEL = frozenset({"submission_benchmark", "lora_rank", "lora_alpha"})


class Mllog:
    """Reads losses, evaluations and hyperparameters; a step is an optimizer step from 0.

    An event says how many samples were seen, so its step is samples / global_batch_size - 1; an
    event that states its own step is believed, and one that states an epoch alone counts in
    epochs, as it does. Runs of different batch sizes then meet on optimizer
    steps, and the samples that each had seen by then are a series of their own.
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
        self._events: list[tuple[int, dict[str, Any]]] = []

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a line that holds an event."""
        number, text = line.number, line.spelled
        at = text.find(MARK)
        if at < 0:
            return False
        try:
            event = loads(text[at + len(MARK) :])
            key, metadata = event["key"], event.get("metadata") or {}
            is_loss = key == "train_loss"
            value = event.get("value") if is_loss else event["value"]
            metadata = {k: metadata.get(k) for k in _METADATA}
        except (KeyError, TypeError, AttributeError):
            into.skip(number, text[at:], "no JSON event with key and value after the mark")
            return True
        into.claim(self.name)
        if key == "tracked_stats" and isinstance(value, dict):
            for name in _TRACKED & value.keys():
                event = {"key": "train_loss", "value": value[name], "metadata": metadata}
                self._events.append((number, event))
        elif is_loss or (isinstance(key, str) and key.startswith("eval_accuracy")):
            self._events.append((number, {"key": key, "value": value, "metadata": metadata}))
        elif isinstance(key, str) and isinstance(value, str | int | float):
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
        batch = self._settings.get("global_batch_size", (None, 0))[0]
        for line, event in self._events:
            self._place(line, event, batch, into)

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

    def _place(self, line: int, event: dict[str, Any], batch: object, into: Collector) -> None:
        key, metadata = event["key"], event["metadata"]
        metric = metadata["metric"]
        name = "loss" if key == "train_loss" else f"val.{metric or key}"
        step = _step(metadata, batch)
        into.line = line
        value = None if step is None else _figure(name, event["value"], into)
        if step is None or value is None:
            reason = "needs a number and a step, or samples_count and a global_batch_size"
            into.skip(line, f"{key}: {event['value']!r}", reason)
            return
        values = {name: value}
        for extra, series in (("lr", "lr"), ("samples_count", SAMPLES)) if name == "loss" else ():
            also = metadata.get(extra)
            read = _figure(series, also, into) if also is not None else None
            if read is not None:
                values[series] = read
        into.record(Place(step), values)


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


def _step(metadata: dict[str, Any], batch: object) -> int | None:
    """The optimizer step, from 0, or the epoch; None where an event says neither."""
    stated = metadata.get("step")
    if isinstance(stated, int) and not isinstance(stated, bool) and stated <= MAX_COUNT:
        return max(0, stated - 1)
    samples = metadata.get("samples_count")
    epoch = metadata.get("epoch_num")
    if samples is None and isinstance(epoch, int | float) and not isinstance(epoch, bool):
        return int(epoch) if 0 <= epoch <= MAX_COUNT and epoch == int(epoch) else None
    if not isinstance(samples, int | float) or not isinstance(batch, int) or batch <= 0:
        return None
    return max(0, int(samples) // batch - 1) if 0 <= samples <= MAX_COUNT else None

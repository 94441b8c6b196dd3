"""Megatron-LM's training lines: means since the last line, parted by bars.

iteration       10/     500 | consumed samples:           80 | elapsed time per iteration (ms): \
1234.5 | learning rate: 1.500E-04 | global batch size:     8 | lm loss: 1.046E+01 | grad norm: 1.2 |
"""

from __future__ import annotations

import re

from harness.log.fact_table import aliases
from harness.parse.averaged import Averaged
from harness.parse.collect import Collector
from harness.parse.damage import word
from harness.parse.line import Fields, Line, Place, records_of
from harness.parse.names import canonical, is_loss
from harness.parse.number import VALUE, count, number

_LINE = re.compile(r"\biteration\s{1,20}(?P<done>\d+)/\s{0,20}(?P<total>\d+) \|", re.ASCII)
_FIELD = re.compile(rf"\s*(?P<name>[A-Za-z][^|:]{{0,60}}):\s*(?P<value>{VALUE})\s*", re.ASCII)
_OTHER = re.compile(r"\s*(?P<name>[A-Za-z][^|:]{0,60}):\s*(?P<value>[^|]{0,60}?)\s*", re.ASCII)
"""A field in which no number stands."""
_VALIDATION = re.compile(
    r"\bvalidation loss at iteration (?P<step>\d+)(?: on validation set)? \| ", re.ASCII
)
_RESULT = re.compile(rf"(?P<name>[A-Za-z][^|:]{{0,60}}) (?P<kind>value|PPL): (?P<value>{VALUE})")
_STAMP = re.compile(r"\s{0,8}\[[\d :.-]{8,40}\]\s{0,8}")
"""The time that stands before an iteration."""
_NAMES = {"consumed samples": "samples", "lm loss": "loss", "grad norm": "grad_norm"}
_INSTANT = frozenset({"lr", "samples", "loss scale"})
_FACTS = aliases("megatron")
_COUNTS = frozenset({"number of skipped iterations", "number of nan iterations", *_FACTS})


class Megatron:
    """Reads every field of a line; a field that its bar does not end was cut off."""

    name = "megatron"
    example = (
        " iteration       10/     500 | consumed samples:           80 | "
        "learning rate: 1.500E-04 | global batch size:     8 | lm loss: 1.046E+01 |"
    )
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._averaged = Averaged()
        self._fields: set[str] = set()

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a line of the training log, or the result of a validation."""
        text = line.text
        result = _VALIDATION.search(text) if "validation loss at" in text else None
        if result is not None:
            self._validation(line.number, result, text, into)
            return True
        heads = list(_LINE.finditer(text)) if "iteration " in text else []
        ends = [*(head.start() for head in heads[1:]), len(text)]
        for head, end in zip(heads, ends, strict=False):
            self._iteration(line.number, head, text[head.end() : end], into)
        return bool(heads)

    def close(self, into: Collector) -> None:
        """Hands over a line that stayed alone."""
        self._averaged.close(into)

    def _iteration(self, line: int, head: re.Match[str], text: str, into: Collector) -> None:
        step, total = count(head["done"]), count(head["total"])
        *fields, rest = text.split("|")
        cut = bool(rest.strip()) and not _STAMP.fullmatch(rest)
        if cut:
            into.skip(line, text, "a field without its closing bar: the line was cut")
        values = self._values(line, fields, into)
        if step is None or not any("loss" in name for name, _ in values):
            if not cut:
                into.skip(line, text, "an iteration without a loss")
            return
        if total is not None:
            into.fact("planned_steps", total, line=line)
        into.claim(self.name)
        for record in records_of(values):
            self._averaged.add(step, record, into, done=step, instant=_INSTANT)

    def _validation(self, line: int, head: re.Match[str], text: str, into: Collector) -> None:
        """Hands over the results of a validation; a field that its bar does not end was cut off."""
        step = count(head["step"])
        fields = text[head.end() :].split("|")[:-1]
        values = {}
        for result in filter(None, (_RESULT.fullmatch(field.strip()) for field in fields)):
            name = _NAMES.get(result["name"], result["name"])
            series = name if result["kind"] == "value" else f"{name} PPL"
            values[f"val.{series}"] = number(result["value"]) or 0.0
        if step is None or not values:
            into.skip(line, text, "a validation without 'name value: number' between bars")
            return
        into.claim(self.name)
        into.record(Place(step), values)

    def _values(self, line: int, fields: list[str], into: Collector) -> Fields:
        values = []
        for text in fields[:100]:
            field = _FIELD.fullmatch(text) or _OTHER.fullmatch(text)
            value = number(field["value"]) if field else None
            if value is None and field is not None:
                value = self._word(field, text, into)
            if field is None or value is None:
                into.skip(line, text, "expected 'name: number' between bars")
                continue
            name = canonical(field["name"])
            self._fields.add(field["name"])
            if name in _FACTS and value.is_integer():
                into.fact(_FACTS[name], int(value), line=line)
            if name not in _COUNTS:
                values.append((_NAMES.get(name, name), value))
        return values

    def _word(self, field: re.Match[str], text: str, into: Collector) -> float | None:
        """What a word in the place of a number is taken as; None where no number belongs."""
        name = field["name"]
        belongs = is_loss(name) or name in self._fields
        return word(name, field["value"], text, into) if belongs else None

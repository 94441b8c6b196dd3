"""The text log of mmengine: window means of rank 0 during training, metrics after validation.

2026/11/23 15:52:15 - mmengine - INFO - Iter(train) [ 50/40000]  lr: 9.9e-03  ...  loss: 2.1715
2026/11/23 16:01:04 - mmengine - INFO - Iter(val) [5/5]    mIoU: 33.3330  aAcc: 55.0000
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector
from harness.parse.line import Fields, Line, Place, records_of
from harness.parse.names import is_loss
from harness.parse.number import count, number
from harness.parse.tokens import instead

INSTANT = frozenset({"lr", "base_lr", "memory", "momentum"})
"""Fields that are not averaged."""

_LINE = re.compile(
    r"(?P<unit>Iter|Epoch)\((?P<mode>train|val|test)\)\s{0,8}(?:\[\s{0,8}(?P<epoch>\d+)\])?"
    r"\[\s{0,16}(?P<done>\d+)/\s{0,16}(?P<total>\d+)\]\s",
    re.ASCII,
)
_FIELD = re.compile(r"(?<![\w./-])(?P<name>[A-Za-z_][\w./-]{0,120}):(?: (?P<value>\S*)|(?=\s))")
_SAVED = re.compile(r"Saving checkpoint at (?P<count>\d+) iterations", re.ASCII)


class MmengineText:
    """Reads training lines as series with mmengine's window, validation lines as `val.` series.

    `[50/40000]` counts finished iterations, so the line speaks of step 49. A validation line names
    no step; it belongs to the last step that the log has seen.
    """

    name = "mmengine"
    example = (
        "2026/11/23 15:52:15 - mmengine - INFO - Iter(train) [   50/40000]  lr: 9.9891e-03  "
        "eta: 1:59:13  time: 0.1278  loss: 2.1715  decode.acc_seg: 68.6723"
    )

    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._done = -1

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes one line of the text log."""
        number, text = line.number, line.text
        if "mmengine" not in text:
            return False
        heads = list(_LINE.finditer(text))
        if not heads:
            saved = _SAVED.search(text)
            if saved:
                self._done = (count(saved["count"]) or 0) - 1
            return saved is not None
        ends = [*(head.start() for head in heads[1:]), len(text)]
        for head, end in zip(heads, ends, strict=True):
            of = "" if head["mode"] == "train" else f"{head['mode']}."
            fields = fields_of(number, text[head.end() : end], _FIELD, into, prefix=of)
            if head["mode"] == "train":
                self._train(number, head, fields, into)
            else:
                self._validation(head["mode"], fields, into)
        into.claim(self.name)
        return True

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""

    def _train(self, line: int, match: re.Match[str], fields: Fields, into: Collector) -> None:
        done, total = count(match["done"]), count(match["total"])
        epoch = count(match["epoch"] or "1")
        if done is None or total is None or epoch is None:
            into.skip(line, match[0], "counters that are no whole numbers of a sane size")
            return
        if match["unit"] == "Epoch":
            done += (max(1, epoch) - 1) * total
        else:
            into.fact("planned_steps", total, line=line)
        self._done = done - 1
        for record in records_of(fields):
            place = Place(max(0, done - 1), window=into.window)
            into.record(place, record, instant=INSTANT)

    def _validation(self, mode: str, fields: Fields, into: Collector) -> None:
        named = [(f"{mode}.{n}", v) for n, v in fields if n not in {"time", "data_time"}]
        for record in records_of(named):
            into.record(Place(max(self._done, 0), after_last=True), record)


def fields_of(
    line: int, text: str, pattern: re.Pattern[str], into: Collector, *, prefix: str = ""
) -> Fields:
    """The names and numbers behind a head. A number is whole if the next field or the end follows.

    Behind what does not belong there nothing is taken: it may be another line's. A word, or
    nothing, in the place of a number is NaN where the series, called so behind `prefix`, is known.
    """
    found = list(pattern.finditer(text))
    ends = [*(field.start() for field in found[1:]), len(text)]
    values = []
    for field, end in zip(found, ends, strict=False):
        name, shown = field["name"], field["value"] or ""
        behind = text[field.end() : end].strip(" \t\r\n,")
        value = number(shown)
        if name == "eta" or name.endswith("_copypaste"):
            continue
        if field.end() == len(text):  # neither a line end nor the next field
            into.skip(line, text, f"the line was cut inside {name}")
        elif value is None and not behind and _is_series(name, shown, prefix, into):
            values.append((name, _odd(name, shown, text, into)))
        elif value is None:
            into.skip(line, text, f"{name} {shown!r:.80} is not a number")
        elif behind:
            into.skip(line, text, f"{behind!r:.80} stands behind {name}")
            break
        else:
            values.append((name, value))
    return values


def _is_series(name: str, shown: str, prefix: str, into: Collector) -> bool:
    """Whether what stands in the place of a number is the value of a series."""
    return instead(shown) is not None and (is_loss(name) or into.knows(prefix + name))


def _odd(name: str, shown: str, text: str, into: Collector) -> float:
    value = instead(shown)
    assert value is not None  # noqa: S101  (asked before)
    into.odd(name, shown, value, text)
    return value

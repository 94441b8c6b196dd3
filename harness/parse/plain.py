"""Lines of a script of one's own: a loss beside its name, and somewhere a step.

Iteration 12/100 - Loss: 1.23
step 3 loss 4.5
2iter - loss: 14.2954 - learning_rate: 4.997e-05 - epoch: 0.0 - step: 1
|Loss: 0.1
"""

from __future__ import annotations

import re

from harness.parse.collect import Collector
from harness.parse.names import canonical
from harness.parse.number import VALUE, count, number

MAX_LINE = 4000
"""Characters of a line that this format can be in."""

_LOSS = re.compile(
    rf"(?P<name>(?<![\w./])[A-Za-z_]*[Ll]oss|(?<![\w./])LOSS)(?:\s*[:=]\s*|\s+)(?P<value>{VALUE})(?P<end>[^\w.]|$)",
    re.ASCII,
)
_STEP = re.compile(
    r"\b(?:global[ _])?(?:step|iteration|iter)s?\b\s{0,8}[:=#]?\s{0,8}[\[(]?\s{0,8}(?P<step>\d+)"
    r"(?:\s{0,8}(?:/|of)\s{0,8}(?P<total>\d+))?",
    re.ASCII | re.IGNORECASE,
)
_NTH = re.compile(r"^\s{0,8}(?P<step>\d+)\s?(?:iter|it|step)\b", re.ASCII | re.IGNORECASE)
_EPOCH = re.compile(
    r"\bepochs?\b\s{0,8}[:=#]?\s{0,8}[\[(]?\s{0,8}(?P<epoch>\d+(?:\.\d+)?)"
    r"(?:/\d+)?[\])]?(?:\[\s{0,8}(?P<step>\d+)/\s{0,8}(?P<total>\d+)\])?",
    re.ASCII | re.IGNORECASE,
)
_RANK = re.compile(r"\brank\b\s{0,8}[:=]?\s{0,8}(?P<rank>\d+)", re.ASCII | re.IGNORECASE)
_LR = re.compile(
    rf"\b(?:learning[_ ]rate|lr)\b(?:\s*[:=]\s*|\s+)(?P<value>{VALUE})", re.ASCII | re.IGNORECASE
)


class Plain:
    """Reads `loss` where a number follows it. Lines without a step are numbered in order.

    Used only where no other format has a record: in their logs such lines say the same again.
    """

    name = "plain"
    example = "Iteration 12/100 - Loss: 1.23"
    fallback = True
    long_lines = False

    def __init__(self) -> None:
        self._unnumbered = 0
        self._epoch = 0.0

    def feed(self, number: int, line: str, into: Collector) -> bool:
        """Takes a line with a loss."""
        if len(line) > MAX_LINE or "oss" not in line.lower():
            if "poch" in line and len(line) <= MAX_LINE and (m := _EPOCH.search(line)):
                self._epoch = float(m["epoch"][:16])
            return False
        loss = _LOSS.search(line)
        if loss is None:
            return False
        if not line.endswith("\n") and loss.end("value") == len(line):
            into.skip(number, line, "the log ends inside the loss")
            return True
        self._take(number, line, loss, into)
        return True

    def close(self, into: Collector) -> None:
        """Says how lines without a step were numbered."""
        if self._unnumbered:
            into.note(f"plain: {self._unnumbered} losses without a step are numbered from 0")

    def _take(self, line: int, text: str, loss: re.Match[str], into: Collector) -> None:
        value = number(loss["value"])
        place = self._place(text)
        if value is None or place is None:
            into.skip(line, text, "a loss whose number or step is none")
            return
        epoch, step, total = place
        rank_text = _RANK.search(text)
        rank = (count(rank_text["rank"]) if rank_text else 0) or 0
        into.claim(self.name)
        name = canonical(loss["name"])
        into.record(
            "loss" if name.lower() == "loss" else name,
            rank=rank,
            iteration=step,
            epoch=epoch,
            total=total,
            value=value,
        )
        lr = _LR.search(text)
        rate = number(lr["value"]) if lr else None
        if rate is not None:
            into.record("lr", rank=rank, iteration=step, epoch=epoch, total=total, value=rate)

    def _place(self, text: str) -> tuple[float, int, int] | None:
        """Epoch, step and the counter's total, 0 where it is not stated."""
        found_epoch = _EPOCH.search(text)
        if found_epoch is not None:
            self._epoch = float(found_epoch["epoch"][:16])
        whole = self._epoch if self._epoch.is_integer() else 0.0
        in_epoch = found_epoch if found_epoch is not None and found_epoch["step"] else None
        match = in_epoch or _STEP.search(text) or _NTH.search(text)
        if match is None:
            self._unnumbered += 1
            return 0.0, self._unnumbered - 1, 0
        step = count(match["step"])
        total = count(match.groupdict().get("total") or "0")
        return None if step is None or total is None else (whole, step, total)

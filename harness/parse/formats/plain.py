"""Lines of a script of one's own: a loss beside its name, and somewhere a step.

Iteration 12/100 - Loss: 1.23
step 3 loss 4.5
2iter - loss: 14.2954 - learning_rate: 4.997e-05 - epoch: 0.0 - step: 1
|Loss: 0.1
"""

from __future__ import annotations

import re
from array import array
from math import nan

from harness.parse.collect import Collector
from harness.parse.line import Line, Place
from harness.parse.names import canonical
from harness.parse.number import VALUE, count, number
from harness.parse.tokens import instead, is_known_word

MAX_HELD = 1000
"""Series without steps that are kept."""
MAX_LINE = 4000
"""Characters of a line that this format can be in."""
LEARNED = 200
"""Lines from which is learned what stands before a loss."""
BEFORE = 24
"""Characters before a loss that lines of records share, numbers aside."""

_LOSS = re.compile(
    rf"(?<![\w./])(?P<set>(?i:val|valid|validation|eval|evaluation|test|dev)[ _])?"
    rf"(?P<name>[A-Za-z_]{{0,60}}[Ll]oss|LOSS)(?P<gap>\s{{0,8}}[:=]\s{{0,8}}|\s{{1,8}})"
    rf"(?:(?P<value>{VALUE})(?![\w.%])|(?=\d))",
    re.ASCII,
)
_WORD = re.compile(
    rf"(?<![\w./])(?P<set>(?i:val|valid|validation|eval|evaluation|test|dev)[ _])?"
    rf"(?P<name>[A-Za-z_]{{0,60}}[Ll]oss|LOSS)(?P<gap>\s{{0,8}}[:=][ \t]{{0,8}}|[ \t]{{1,8}})"
    rf"(?!{VALUE}(?![\w.%])|\d)(?=(?P<value>\[[^\]\n]{{0,40}}\]|[^\s,;|)}}\]]{{0,40}})(?P<behind>\s{{0,8}}[^\n]?))",
    re.ASCII,
)
"""A loss and what stands in the place of its number."""
_STEP = re.compile(
    r"\b(?:global[ _])?(?:step|iteration|iter)s?\b\s{0,8}[:=#]?\s{0,8}[\[(]?\s{0,8}"
    r"(?P<step>\d+)(?!\w|\.\d)(?:\s{0,8}(?:/|of)\s{0,8}(?P<total>\d+))?",
    re.ASCII | re.IGNORECASE,
)
_COUNTER = re.compile(r"step|iter", re.ASCII | re.IGNORECASE)
_NTH = re.compile(r"^\s{0,8}(?P<step>\d+)\s?(?:iter|it|step)\b(?!/)", re.ASCII | re.IGNORECASE)
_BAR = re.compile(r"%\|[^|]{0,400}\|\s{0,8}(?P<step>\d+)/(?P<total>\d+) \[", re.ASCII)
"""The bar of tqdm."""
_EPOCH = re.compile(
    r"\bepochs?\b\s{0,8}[:=#]?\s{0,8}[\[(]?\s{0,8}(?P<epoch>\d+(?:\.\d+)?)"
    r"(?:/\d+)?[\])]?(?:\[\s{0,8}(?P<step>\d+)/\s{0,8}(?P<total>\d+)\])?",
    re.ASCII | re.IGNORECASE,
)
_RANK = re.compile(r"\brank\b\s{0,8}[:=]?\s{0,8}(?P<rank>\d+)(?!\w|\.\d)", re.ASCII | re.IGNORECASE)
_NUMBERS = re.compile(rf"(?<![A-Za-z]){VALUE}", re.ASCII)
_MARKS = re.compile(r"[#\s]+")
_LR = re.compile(
    rf"\b(?:learning[_ ]rate|lr)\b(?:\s{{0,8}}[:=]\s{{0,8}}|\s{{1,8}})(?P<value>{VALUE})(?![\w.%])",
    re.ASCII | re.IGNORECASE,
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
        self._held: dict[tuple[str, int], tuple[array[int], array[float]]] = {}
        self._numbered = False
        self._ranked = False
        self._epoch = 0.0
        self._shapes: set[tuple[str, str]] = set()
        self._lines = 0

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a line with a loss."""
        number, text = line.number, line.text
        if len(text) > MAX_LINE or "oss" not in text.lower():
            if "poch" in text and len(text) <= MAX_LINE and (m := _EPOCH.search(text)):
                self._epoch = float(m["epoch"][:16])
            return False
        losses = list(_LOSS.finditer(text))
        if text.lower().count("oss") > len(losses):
            losses = self._with_words(text, losses)
        if not losses and self._is_record(text):
            into.skip(number, text, "a loss whose number cannot be read")
            return True
        if not losses:
            return False
        if not line.whole:
            into.skip(number, text, "the log ends inside this line")
        else:
            self._take(number, text, losses, into)
        return True

    def close(self, into: Collector) -> None:
        """Numbers the losses without a step, if no other has one."""
        lines = self._unnumbered
        if self._numbered and lines:
            into.note(f"plain: {lines} losses without a step beside others with one are left out")
        elif lines:
            into.note(f"plain: {lines} losses without a step are numbered from 0")
            into.claim(self.name)
            for (name, rank), (steps, values) in self._held.items():
                for step, value in zip(steps, values, strict=True):
                    into.record(Place(step, rank=rank), {name: value})
                into.by_order(name)

    def _take(self, line: int, text: str, losses: list[re.Match[str]], into: Collector) -> None:
        figures = _figures(losses)
        if self._lines < LEARNED:
            self._lines += 1
            self._shapes |= {(_name(loss), _before(text, loss)) for loss in losses}
        place = self._place(text)
        if figures is None:
            into.skip(line, text, "a loss whose number is none")
            return
        if len(figures) < len(losses) and len(_COUNTER.findall(text)) > 1:
            into.skip(line, text, "two steps, each with a loss, on one line")
            return
        rank_text = _RANK.search(text)
        rank = (count(rank_text["rank"]) if rank_text else 0) or 0
        self._ranked |= rank_text is not None
        if self._ranked and rank_text is None:
            into.skip(line, text, "a loss without the rank that lines before it have")
            return
        rate = number(lr["value"]) if (lr := _LR.search(text)) else None
        if rate is not None:
            figures["lr"] = rate
        if place is None:
            self._tell(text, losses, into)
            self._hold(rank, figures)
            return
        epoch, step, total = place
        if step is None or total is None:
            into.skip(line, text, "a loss whose step is none")
            return
        self._numbered = True
        self._tell(text, losses, into)
        into.claim(self.name)
        into.record(Place(step, rank=rank, epoch=epoch, total=total), figures)

    def _with_words(self, line: str, losses: list[re.Match[str]]) -> list[re.Match[str]]:
        """The losses of a line, and those in whose place a word stands, which is NaN."""
        if not line.endswith("\n"):
            return losses
        placed = _is_placed(line)
        words = [m for m in _WORD.finditer(line) if self._is_value(m, line, placed)]
        return sorted([*losses, *words], key=lambda match: match.start())

    def _is_value(self, match: re.Match[str], line: str, placed: bool) -> bool:
        """Whether a word is the value of a loss, and not the next word of a sentence."""
        word, behind = match["value"], match["behind"].strip()
        stated = ":" in match["gap"] or "=" in match["gap"]
        if instead(word) is None:
            return False
        alone = not behind or behind in ",;|)]}-[("
        alike = (_name(match), _before(line, match)) in self._shapes
        if placed and alike:
            return is_known_word(word) or alone
        surely = is_known_word(word) and stated and alone
        return surely and (alike or (placed and word != ""))

    def _is_record(self, line: str) -> bool:
        """Whether a line has a step, and a loss where lines of records have it."""
        return (
            line.endswith("\n")
            and _is_placed(line)
            and any((_name(m), _before(line, m)) in self._shapes for m in _WORD.finditer(line))
        )

    def _hold(self, rank: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            if len(self._held) < MAX_HELD or (name, rank) in self._held:
                steps, values = self._held.setdefault((name, rank), (array("q"), array("d")))
                steps.append(self._unnumbered)
                values.append(value)
        self._unnumbered += 1

    def _tell(self, text: str, losses: list[re.Match[str]], into: Collector) -> None:
        for loss in losses:
            if loss["value"] is not None and number(loss["value"]) is None:
                into.odd(_name(loss), loss["value"], instead(loss["value"]) or nan, text)

    def _place(self, text: str) -> tuple[float, int | None, int | None] | None:
        """Epoch, step and the counter's total, 0 where it is not stated; None without a step."""
        found_epoch = _EPOCH.search(text)
        if found_epoch is not None:
            self._epoch = float(found_epoch["epoch"][:16])
        whole = self._epoch if self._epoch.is_integer() else 0.0
        in_epoch = found_epoch if found_epoch is not None and found_epoch["step"] else None
        match = in_epoch or _STEP.search(text) or _NTH.search(text) or _BAR.search(text)
        if match is None:
            return None
        return whole, count(match["step"]), count(match.groupdict().get("total") or "0")


def _figures(losses: list[re.Match[str]]) -> dict[str, float] | None:
    """The first number of each loss by its name; None if any has none."""
    figures: dict[str, float] = {}
    for loss in losses:
        shown = loss["value"]
        value = None if shown is None else number(shown)
        if value is None and loss.re is _WORD:
            value = instead(shown)
        if value is None:
            return None
        figures.setdefault(_name(loss), value)
    return figures


def _name(loss: re.Match[str]) -> str:
    name = loss["name"] if loss["name"].lower() != "loss" else "loss"
    return f"val.{name}" if loss["set"] else canonical(name)


def _before(line: str, loss: re.Match[str]) -> str:
    """What stands before a loss, with a mark for each number."""
    text = line[max(0, loss.start() - 3 * BEFORE) : loss.start()]
    return _MARKS.sub("#", _NUMBERS.sub("#", text))[-BEFORE:]


def _is_placed(line: str) -> bool:
    """Whether a line states a step."""
    epoch = _EPOCH.search(line)
    in_epoch = epoch is not None and epoch["step"] is not None
    return in_epoch or any(kind.search(line) for kind in (_STEP, _NTH, _BAR))

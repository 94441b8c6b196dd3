"""Arguments that a training script prints at its start, read into facts.

Namespace(batch_size=1, lr=0.0004260800570575518, num_epochs=100, weight_decay=0.0)   (argparse)
TrainingArguments(                                                     (Hugging Face, one a line)
learning_rate=5e-05,
[INFO:swift] args: SftArguments(per_device_train_batch_size=1, seed=42)            (ms-swift)
args: {'lr': 0.1, 'batch_size': 32}                                           (`print(vars(args))`)
"""

from __future__ import annotations

import re

from harness.log.fact_table import BY_NAME, aliases
from harness.log.facts import CONFIG, FactValue
from harness.parse.collect import Collector
from harness.parse.line import Line
from harness.parse.number import number

ARGUMENTS = f"{CONFIG}args."
"""Arguments without a name in the vocabulary of facts."""
MAX_LINES = 2000
MAX_TEXT = 65_536

_START = re.compile(r"\b(?P<kind>Namespace|\w{0,60}Arguments)\((?P<rest>.*)", re.DOTALL)
_PAIR = re.compile(
    r"(?P<name>[A-Za-z_]\w{0,60})=(?P<value>'[^']{0,500}'|\"[^\"]{0,500}\"|[^\s,()'\"\[\]{}]{1,200})(?=[,)\s]|$)"
)
_DICT = re.compile(
    r"(?:\b(?:arg\w{0,20}|config\w{0,20}|hparams|hyper-?param\w{0,10}|opts?|options|settings"
    r"|param(?:eter)?s)['\"]?\s{0,4}[:=]?\s{0,4}|(?P<bare>\A\s{0,8}|[:\]-]\s{1,4}))"
    r"\{(?P<rest>['\"].*)\}\s*\Z",
    re.DOTALL | re.IGNORECASE,
)
_ENTRY = re.compile(
    r"['\"](?P<name>[A-Za-z_]\w{0,60})['\"]\s{0,4}:\s{0,4}"
    r"(?P<value>'[^']{0,500}'|\"[^\"]{0,500}\"|[^\s,()'\"\[\]{}]{1,200})(?=\s{0,4}(?:,|\Z))"
)
_NAMED = aliases("arguments")


class Arguments:
    """Reads `name=value` pairs up to the closing bracket."""

    name = "argument block"
    example = "Namespace(batch_size=1, lr=0.0004, num_epochs=100) / TrainingArguments( ... )"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._open = 0

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes the heading, and the lines after it up to a bracket alone."""
        number, text = line.number, line.text
        if not line.whole:  # cut off, and so may be the value
            return False
        if self._open:
            self._open = 0 if text.strip() == ")" else self._open - 1
            self._pairs(number, text, into)
            return "=" in text or not self._open
        if "{" in text and len(text) <= MAX_TEXT and self._dict(line, into):
            return True
        named = "Namespace(" in text or "Arguments(" in text
        start = _START.search(text) if named and len(text) <= MAX_TEXT else None
        if start is None:
            return False
        rest = start["rest"].strip()
        if not rest:
            self._open = MAX_LINES
        elif not rest.endswith(")"):
            return False
        self._pairs(number, rest, into)
        return True

    def close(self, into: Collector) -> None:
        """A block that the log's end cuts off keeps the entries it had."""

    def _dict(self, line: Line, into: Collector) -> bool:
        """Takes a dict of arguments before the first record; without a name it must hold facts."""
        ends = line.text.rstrip().endswith("}")  # else each start would be sought an end for
        match = _DICT.search(line.text) if ends and not into.has_records() else None
        if match is None or "loss'" in match["rest"] or 'loss"' in match["rest"]:
            return False
        names = [entry["name"] for entry in _ENTRY.finditer(match["rest"])]
        if len(names) < 2 or (match["bare"] is not None and _NAMED.keys().isdisjoint(names)):
            return False
        self._pairs(line.number, match["rest"], into, of=_ENTRY)
        return True

    def _pairs(self, line: int, text: str, into: Collector, *, of: re.Pattern[str] = _PAIR) -> None:
        for pair in of.finditer(text[:MAX_TEXT]):
            state(pair["name"], pair["value"], into, line=line)


def state(name: str, given: FactValue, into: Collector, *, line: int | None = None) -> None:
    """States an argument: as a fact of the vocabulary if it is one, otherwise as a setting.

    `given` is its value, or the text of its value; `None` and an empty text state nothing.
    """
    value = argument_value(given) if isinstance(given, str) and given else given
    if value is None or value == "":
        return
    fact = _NAMED.get(name)
    if fact is not None and fits(fact, value):
        into.fact(fact, value, line=line)
    else:
        into.fact(ARGUMENTS + name, value, line=line)
    if name in {"fp16", "bf16"} and value is True:
        kind = "float16" if name == "fp16" else "bfloat16"
        into.fact("precision", f"amp-{kind}", line=line)


def argument_value(text: str) -> FactValue | None:
    """Returns the value of an argument; None for `None`, which states nothing."""
    if text[0] in "'\"":
        return text[1:-1]
    if text in {"True", "False"}:
        return text == "True"
    if text == "None":
        return None
    found = number(text)
    if found is None:
        return text
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else found


def fits(name: str, value: FactValue) -> bool:
    """Returns whether the fact takes a value: -1 for max_steps says that there is none."""
    kind = BY_NAME[name].value
    if kind == "word":
        return isinstance(value, str)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (kind != "count" or (isinstance(value, int) and value > 0))

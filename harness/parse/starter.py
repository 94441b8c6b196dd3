"""A regular expression for `--pattern`, made from lines that one statement of a program printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from harness.parse.formats.pattern import compiled
from harness.parse.grammar.words import GRADIENT_NORMS, LEARNING_RATES, SPEEDS
from harness.parse.number import NUMBER, count, number

NUMBER_IN_LINE = re.compile(
    rf"(?<![\d.,#])(?:(?<=\w)|(?<![\w])[-+]?)(?:{NUMBER}|(?i:nan|inf)(?!\w))", re.ASCII
)
"""A number of a line, alone or behind letters: `E2.5`, `step=10`."""
STEPS = re.compile(
    r"(?<![^\W_])(?:step|iter|iteration|it|batch|update|upd|tick|round|epoch|ep|i|n|t|k)s?"
    r"\W*\Z",
    re.I,
)
LOSSES = re.compile(
    r"(?<![^\W_])(?:loss|cost|err|error|obj|objective|nll|xent|ce|bce|mse|mae|rmse|kl|elbo|energy|"
    r"crit|criterion|ppl|perplexity|residual|l|e|j|损失|損失|verlust|perte|perdida)(?:_\w{1,12})?\W*\Z",
    re.I,
)
"""Ends of the text before a number that name it."""
EPOCHS = re.compile(r"(?<![^\W_])(?:epoch|ep)\W*\Z|轮次?\W*\Z", re.I)
EPOCHS_BEHIND = re.compile(r"\s*轮")
EVALUATES = re.compile(
    r"(?<![a-z])(?:val|valid|validation|validate|eval|evaluation|evaluate|test|testing|dev|cv)"
    r"(?![a-z])|验证|驗證|测试|測試|评估",
    re.I,
)
"""A word of a line whose loss is not that of training."""
CONTEXT = 24
"""Characters before a number that become part of the pattern."""
_OTHERS = LEARNING_RATES | GRADIENT_NORMS | SPEEDS | {"sec", "s", "dt", "acc", "accuracy"}
_WORD = re.compile(r"([^\W\d][\w/]*)\W*\Z")
_NAMED = re.compile(r"[^\s@]*\w[^\s@]*[\W]*\Z")
_MARKS = frozenset(r"\.+*?()|[]{}^$")
_ANY = r"[-+.,\w]+"
_COUNT = r"\d+"
VALUES = (r"\S+", r"[-+.\w]*\w", r"[-+]?[.\d]+(?:[eE][-+]?\d+)?")
"""Expressions for a loss, the plainest first: what follows the number decides which fits."""


class Sample(NamedTuple):
    """A line, its text with `@` over dates and times, and the numbers in it."""

    line: int
    text: str
    masked: str
    slots: tuple[re.Match[str], ...]


def starter(samples: Sequence[Sample], kept: Sequence[Sample] = ()) -> str:
    """Returns a pattern that reads the loss, and the step if there is one, of every sample.

    Samples are lines of one shape, `kept` those of every shape. Returns an empty text where no
    number can be the loss, and where each pattern also reads lines of an evaluation, or reads two
    losses of one step.
    """
    if len(samples) < 2 or EVALUATES.search(samples[0].masked):
        return ""
    places = [*_places(samples), {}]
    for loss in _losses(samples):
        for place in places:
            groups = {**place, loss: "loss"}
            if len(groups) > len(place):
                fits = (p for p in _patterns(samples, groups) if _reads(p, samples, groups))
                if pattern := next((p for p in fits if _is_of_training(p, kept)), ""):
                    return pattern
    return ""


def _column(samples: Sequence[Sample], slot: int) -> list[str]:
    return [sample.slots[slot][0] for sample in samples]


def _before(sample: Sample, slot: int) -> str:
    """The text between the number before and this one."""
    start = sample.slots[slot - 1].end() if slot else 0
    return sample.masked[start : sample.slots[slot].start()]


def _places(samples: Sequence[Sample]) -> list[dict[int, str]]:
    """The numbers that can count steps, named ones first, each with the epoch beside it if any.

    A counter is whole and rises from line to line, except where the epoch does.
    """
    columns = {}
    for slot in range(len(samples[0].slots)):
        if _is_share(samples[0], slot):
            continue
        counts = [count(text) for text in _column(samples, slot)]
        whole = [c for c in counts if c is not None]
        if len(whole) == len(counts):
            columns[slot] = whole
    named = (slot for slot in columns if _counts_epochs(samples[0], slot))
    epoch = next((slot for slot in named if _is_epoch(columns[slot])), None)
    places = []
    for slot, whole in columns.items():
        if epoch is not None and slot != epoch and _rises(zip(columns[epoch], whole, strict=True)):
            places.append({epoch: "epoch", slot: "step"})
        elif _rises(whole):
            places.append({slot: "step"})
    return sorted(places, key=lambda place: not STEPS.search(_before(samples[0], max(place))))


def _counts_epochs(sample: Sample, slot: int) -> bool:
    """Whether the text beside a number names an epoch."""
    behind = EPOCHS_BEHIND.match(sample.masked, sample.slots[slot].end())
    return behind is not None or EPOCHS.search(_before(sample, slot)) is not None


def _is_share(sample: Sample, slot: int) -> bool:
    """Whether a number is a percentage."""
    return sample.masked[sample.slots[slot].end() :].lstrip().startswith("%")


def _is_epoch(counts: Sequence[int]) -> bool:
    return all(a <= b for a, b in pairwise(counts)) and not _rises(counts)


def _rises(values: Iterable[object]) -> bool:
    return all(a < b for a, b in pairwise(values))  # type: ignore[operator]


def _losses(samples: Sequence[Sample]) -> list[int]:
    """The numbers that can be the loss: named ones, then decimals that change without a trend."""
    named, likely = [], []
    for slot in range(len(samples[0].slots)):
        texts = _column(samples, slot)
        values = [number(text) for text in texts]
        before = _before(samples[0], slot)
        word = _WORD.search(before)
        share = _is_share(samples[0], slot)
        if share or None in values or (word is not None and word[1].lower() in _OTHERS):
            continue
        changes = len(set(texts)) > 1
        rises = all(a < b for a, b in pairwise(v for v in values if v is not None))
        decimal = any("." in text or "e" in text.lower() for text in texts)
        if LOSSES.search(before) and changes and (decimal or not rises):
            named.append(slot)
        elif decimal and changes and not rises:
            likely.append(slot)
    named.sort(key=lambda slot: "loss" not in _before(samples[0], slot).lower())
    return [*named, *likely]


def _patterns(samples: Sequence[Sample], groups: Mapping[int, str]) -> Iterator[str]:
    """Patterns from the shortest to that of the whole line up to the last group."""
    sample = samples[0]
    for value in VALUES:
        made = {
            slot: f"(?P<{name}>{value if name == 'loss' else _COUNT})"
            for slot, name in groups.items()
        }
        yield ".*?".join(_context(sample, slot) + made[slot] for slot in sorted(made))
        yield "^" + "".join(
            _literal(_before(sample, slot), start=slot == 0) + made.get(slot, _ANY)
            for slot in range(max(made) + 1)
        )


def _context(sample: Sample, slot: int) -> str:
    """The text before a number from the start of a word on."""
    before = _before(sample, slot)
    if not slot and len(before.strip()) <= CONTEXT:
        return "^" + _literal(before, start=True)
    word = _NAMED.search(before[-CONTEXT:])
    return _literal(before[-CONTEXT:] if word is None else word[0])


def _literal(text: str, *, start: bool = False) -> str:
    r"""A text as a part of a pattern: any blanks for blanks, any characters for dates and times.

    >>> _literal("loss ->  [")
    'loss\\s+->\\s+\\['
    """
    out = r"\s*" if start and not text[:1].isspace() else ""
    for part in re.split(r"(\s+|[@'\"]+)", text):
        if part.isspace():
            out += r"\s*" if start and not out else r"\s+"
        elif part and set(part) <= {"@", "'", '"'}:
            out += "." * len(part)
        else:
            out += "".join(f"\\{c}" if c in _MARKS else c for c in part)
    return out


def _reads(pattern: str, samples: Sequence[Sample], groups: Mapping[int, str]) -> bool:
    """Whether a pattern takes from every sample the numbers that its groups are for."""
    expression = compiled(pattern)
    for sample in samples:
        match = expression.search(sample.text)
        if match is None:
            return False
        for slot, name in groups.items():
            stated = sample.slots[slot]
            same = number(match[name]) == number(stated[0]) or match[name] == stated[0]
            if match.start(expression.groupindex[name]) != stated.start() or not same:
                return False
    return True


def _is_of_training(pattern: str, kept: Iterable[Sample]) -> bool:
    """Whether a pattern reads no line of an evaluation, and each step of an epoch once, in order.

    Other records would be set aside, or be taken for those of training.
    """
    expression = compiled(pattern)
    last: tuple[int, ...] = ()
    for sample in sorted(kept, key=lambda sample: sample.line):
        match = expression.search(sample.text)
        if match is None:
            continue
        groups = match.groupdict()
        place = tuple(count(groups[name]) or 0 for name in ("epoch", "step") if name in groups)
        if EVALUATES.search(sample.masked) or ("step" in groups and place <= last):
            return False
        last = place
    return True

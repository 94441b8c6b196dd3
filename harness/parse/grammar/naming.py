"""The name of a figure: the words that belong to it, and the series that they mean."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.parse.grammar.owners import OWNERS
from harness.parse.grammar.phases import EVALUATED, Phase
from harness.parse.grammar.words import (
    EVALUATION,
    FUNCTIONS,
    GRADIENT_NORMS,
    LEARNING_RATES,
    MEANS,
    NO_QUALIFIER,
    NOT_A_LOSS,
    OTHER_LOSSES,
    TEST_LOSSES,
    TOTALS,
    TRAINING,
    TWO_WORDS,
)
from harness.parse.names import alternation
from harness.parse.sets import TEST, VALIDATION, result

CACHED = 4096
"""Names whose meaning is remembered: a log prints the same few on every line."""

_MEANT = (
    dict.fromkeys(LEARNING_RATES, "lr")
    | dict.fromkeys(GRADIENT_NORMS, "grad_norm")
    | {name: f"val.{name}" for name in TEST_LOSSES}
)
"""Names that mean one series wherever they are printed."""
_PHASES = alternation(TRAINING | EVALUATION)
_BEFORE = re.compile(
    rf"(?:(?<![\w./])(?:[A-Za-z][\w/]{{0,30}}|(?i:{_PHASES})\.)[ -]){{1,3}}\Z", re.ASCII
)
"""Words before a name; an abbreviated phase keeps its dot: `Val. Loss`."""
_PHASE = re.compile(rf"(?<![\w./])(?:{OWNERS})(?:'s)?\.?[ ]\Z", re.I)
_PARTS = re.compile(r"[_./ -]+")
_LOSS = re.compile(r"[a-z]*loss(?:es)?\d*")


@lru_cache(maxsize=CACHED)
def is_loss(name: str) -> bool:
    """Whether a name is that of a loss.

    >>> is_loss("loss_cls"), is_loss("D_loss"), is_loss("loss_scale"), is_loss("glossary")
    (True, True, False, False)
    >>> is_loss("l_pix"), is_loss("value function loss"), is_loss("loss_function")
    (True, True, False)
    """
    parts = _PARTS.split(name.lower())
    losses = [at for at, part in enumerate(parts) if _LOSS.fullmatch(part)]
    if not losses:
        return parts[0] == "l" and len(parts) > 1 and "_" in name
    return NOT_A_LOSS.isdisjoint(parts) and FUNCTIONS.isdisjoint(parts[losses[0] :])


def full_name(text: str, start: int, name: str, floor: int) -> tuple[str, int]:
    """Returns a name with the words before it that belong to it, and where it starts.

    `name` starts at `start` of `text`; `floor` is where the prefixes of the line end.

    >>> full_name("step 10 kl loss: 0.5", 11, "loss", 0)
    ('kl loss', 8)
    """
    low = name.lower()
    phase = _PHASE.search(text[max(floor, start - 24) : start])
    if phase is not None and low != "loss":
        return text[start - len(phase[0]) : start + len(name)], start - len(phase[0])
    if low != "loss" and low not in TWO_WORDS and low not in OTHER_LOSSES:
        return name, start
    at = max(floor, start - 64)
    before = _BEFORE.search(text[at:start])
    if before is None:
        return name, start
    words = re.split(r"[ -]", before[0][:-1])
    wanted = TWO_WORDS.get(low)
    if wanted is not None:
        return _two_words(text, name, words, wanted, at + before.end())
    kept = 0
    for word in reversed(words):
        if word.lower() in NO_QUALIFIER:
            break
        kept += len(word) + 1
    first = at + before.end() - kept
    return text[first : start + len(name)], first


def _two_words(
    text: str, name: str, words: list[str], wanted: frozenset[str], start: int
) -> tuple[str, int]:
    """A name whose first word belongs to it, with a loss of two words before `value`."""
    if words[-1].lower() not in wanted:
        return name, start
    more = len(words[-1]) + 1
    if (
        name.lower() in ("value", "total")
        and len(words) > 1
        and words[-2].lower() not in NO_QUALIFIER
    ):
        more += len(words[-2]) + 1
    return text[start - more : start + len(name)], start - more


@lru_cache(maxsize=CACHED)
def series_name(name: str, phase: Phase) -> str:
    """Returns the name of the series of a figure on a line of a phase.

    >>> series_name("kl loss", ""), series_name("Test Loss", ""), series_name("loss", "eval")
    ('kl_loss', 'val.test_loss', 'val.loss')
    >>> series_name("LR", ""), series_name("gnorm", ""), series_name("train/loss", "")
    ('lr', 'grad_norm', 'train/loss')
    """
    low = name.lower()
    if low in _MEANT:
        return _MEANT[low]
    ends = (low.partition("/")[0], low.rpartition("/")[2])
    if phase not in EVALUATED and "/" in name and EVALUATION.isdisjoint(ends):
        return name
    parts = [part.rstrip(".") for part in re.split(r"[ -]", name) if part]
    if len(parts) > 1 and parts[-1].lower() == "value":
        parts.pop()
    joined = "_".join([*parts[:-1], parts[-1].lower() if _is_word(parts) else parts[-1]])
    rest, evaluated, trained = _without_phase(joined)
    if evaluated or (phase in EVALUATED and not trained):
        test = evaluated in TEST or (phase == "test" and evaluated not in VALIDATION)
        return result(_result(rest), test=test)
    if trained and joined.lower().startswith("train") and "." not in joined:
        return f"train_{_plain(rest)}"
    return _plain(joined)


def _is_word(parts: list[str]) -> bool:
    return parts[-1].lower() == "loss"


def _plain(name: str) -> str:
    """A name of the judged loss in small letters, others as they are."""
    low = name.lower()
    return low if low in TOTALS or low in OTHER_LOSSES else name


def _result(name: str) -> str:
    """The name of an evaluation's figure: its mean is the result."""
    parts = name.split("_")
    while len(parts) > 1 and parts[0].lower() in MEANS | {"set"}:
        parts.pop(0)
    return _plain("_".join(parts))


def _without_phase(name: str) -> tuple[str, str, bool]:
    """A name without a word of a phase at its ends; the word of evaluation; or of training."""
    parts = re.split(r"([_./])", name)
    for at, words in ((0, parts[2:]), (-1, parts[:-2])):
        low = parts[at].lower()
        evaluated, trained = low in EVALUATION, low in TRAINING
        if words and (evaluated or trained):
            return "".join(words), low if evaluated else "", trained
    return name, "", False

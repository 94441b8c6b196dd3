"""Whether a line speaks of training, of an evaluation, or sums up what came before."""

from __future__ import annotations

import re
from typing import Literal

from harness.parse.grammar.words import TRAINING
from harness.parse.names import alternation
from harness.parse.sets import EITHER, EVALUATIONS, TEST

Phase = Literal["", "train", "eval", "test", "summary"]
"""Empty where a line does not say. An evaluation is `test` if the line says so."""
EVALUATED = ("eval", "test")
"""The phases of evaluations."""

MAX_HEADING = 60
"""Characters of a heading."""
MAX_HEAD = 400
"""Characters before the first figure in which a phase is looked for."""

_EVALUATION = (
    rf"{alternation(EVALUATIONS)}|saving dict for global step|cv(?=\s(?:\|\s)?(?:batch|info)\b)"
)
"""TensorFlow's Estimator prints `Saving dict for global step 30: loss = 1.5`, WeNet prints
`CV Batch 1/0 loss 2.5` and `Epoch 1 CV info cv_loss 2.5`."""
_WORDS = re.compile(
    rf"(?<![\w./])(?:(?P<train>{alternation(TRAINING)})|(?P<eval>{_EVALUATION}))(?![\w./=])",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"[\W_]{0,8}(?:averaged? stats|summary)\b|\s{0,8}\[train\][^\n]{0,80}\[avg\]"
    r"|\s{0,8}train \| (?:epoch\b|\{)|\s{0,8}\d{1,9}epoch results: \[train\]",
    re.IGNORECASE,
)


def phase_of(head: str) -> Phase:
    """Returns the phase that the text before the first figure of a line states.

    A leading word decides; else a word of evaluation anywhere outweighs one of training. The word
    for the data outweighs one for evaluations in general: `Evaluation on the test set`.

    >>> phase_of("Test: [ 0/8]  "), phase_of("Epoch(val) [1]"), phase_of("Epoch 3 - ")
    ('test', 'eval', '')
    """
    head = head[:MAX_HEAD]
    if _SUMMARY.match(head):
        return "summary"
    stated: Phase = ""
    for match in _WORDS.finditer(head):
        if match["eval"]:
            return _evaluation(head, match)
        if not head[: match.start()].strip(" \t[(<*=-#"):
            return "train"
        stated = stated or "train"
    return stated


def heading_of(text: str) -> Phase:
    """Returns the phase that a heading names: a line of words that ends in a colon.

    >>> heading_of("Test Error: "), heading_of("step 5 test:"), heading_of("Hint:")
    ('test', '', '')
    """
    text = text.strip()
    is_heading = text.endswith(":") and len(text) <= MAX_HEADING
    if not is_heading or any(letter.isdigit() for letter in text):
        return ""
    return phase_of(text)


def _evaluation(head: str, first: re.Match[str]) -> Phase:
    """Which evaluation the words from the first one of evaluation on state."""
    words = [(m["eval"] or "").lower() for m in _WORDS.finditer(head, first.start())]
    clear = min(filter(None, words), key=lambda word: (word in EITHER, word.endswith("ing")))
    return "test" if clear in TEST else "eval"

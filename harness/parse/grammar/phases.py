"""Whether a line speaks of training, of an evaluation, or sums up what came before."""

from __future__ import annotations

import re
from typing import Literal

from harness.parse.grammar.words import TRAINING
from harness.parse.names import EVALUATIONS, alternation

Phase = Literal["", "train", "eval", "summary"]
"""Empty where a line does not say."""

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

    A leading word decides; else a word of evaluation anywhere outweighs one of training.

    >>> phase_of("Test: [ 0/8]  "), phase_of("Epoch(val) [1]"), phase_of("Epoch 3 - ")
    ('eval', 'eval', '')
    """
    head = head[:MAX_HEAD]
    if _SUMMARY.match(head):
        return "summary"
    stated: Phase = ""
    for match in _WORDS.finditer(head):
        kind: Phase = "train" if match["train"] else "eval"
        if kind == "eval" or not head[: match.start()].strip(" \t[(<*=-#"):
            return kind
        stated = stated or kind
    return stated

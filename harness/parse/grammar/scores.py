"""Figures that are read where a line has no loss: other objectives, rates and scores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from harness.parse.grammar.figures import Figure
from harness.parse.grammar.line import Parsed
from harness.parse.grammar.naming import series_name
from harness.parse.grammar.phases import Phase
from harness.parse.grammar.words import SCORES
from harness.parse.sets import RESULT, TESTED
from harness.parse.sources import OBJECTIVES

_PHASE = re.compile(r"val\.(?:test_|\d+_)?|train_")


def objectives(figures: Sequence[Figure], names: Sequence[str]) -> list[Figure]:
    """Returns the figures that a training minimizes though they are called no loss; see `names`.

    `names` are the series of the figures.
    """
    named = zip(figures, names, strict=True)
    return [figure for figure, name in named if _bare(name) in OBJECTIVES]


def headed(said: Parsed) -> Parsed:
    """Returns a line whose first figure is of an evaluation as one of that evaluation.

    Its counter, if it has an end, counts batches of the evaluation.
    """
    if said.phase or not said.names or not said.names[0].startswith(RESULT):
        return said
    phase: Phase = "test" if said.names[0].startswith(TESTED) else "eval"
    names = tuple(series_name(figure.name, phase) for figure in said.figures)
    return replace(said, phase=phase, names=names, progress=said.place.length > 1)


@lru_cache(maxsize=4096)
def is_score(name: str) -> bool:
    """Returns whether a series is a rate, a norm or a score.

    >>> is_score("lr"), is_score("val.accuracy"), is_score("train_auc"), is_score("val.seconds")
    (True, True, True, False)
    """
    bare = _bare(name)
    last = re.split(r"[_/]", bare)[-1]
    return bare in {"lr", "grad_norm"} or bare in SCORES | OBJECTIVES or last in SCORES


def _bare(name: str) -> str:
    """A name in small letters without its phase."""
    return _PHASE.sub("", name.lower(), count=1)

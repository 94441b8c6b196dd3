"""The series of the figures of a line, of which a part may be about an evaluation."""

from __future__ import annotations

import re

from harness.parse.grammar.figures import Figure
from harness.parse.grammar.naming import series_name
from harness.parse.grammar.phases import Phase
from harness.parse.grammar.words import EVALUATION
from harness.parse.names import alternation
from harness.parse.sets import RESULT, TEST, TESTED, VALIDATION

Figures = tuple[Figure, ...]
Names = tuple[str, ...]

HINTS = ("val", "test", "dev", "cv")
"""Parts of every word for an evaluation: a search for them takes a tenth of the time."""
_PART = re.compile(
    rf"(?<![\w./])(?:\[(?P<part>{alternation(EVALUATION)})\](?=\s)"
    rf"|(?P<behind>{alternation(EVALUATION)}):(?=\s{{1,8}}[A-Za-z]))",
    re.IGNORECASE,
)
"""The second part of `[train] loss=2.5, [valid] loss=1.5` and `Train: loss 2.5 | Val: loss 1.5`."""
_DATA = re.compile(rf"(?<![A-Za-z])(?:{alternation(VALIDATION | TEST)})(?![A-Za-z])", re.IGNORECASE)


def names_of(text: str, figures: Figures, phase: Phase) -> Names:
    """Returns the series of each figure of a line of this phase."""
    low = text.lower()
    if not figures or not any(hint in low for hint in HINTS):
        return tuple(series_name(figure.name, phase) for figure in figures)
    parts = list(_PART.finditer(text, figures[0].start))
    names = tuple(series_name(f.name, _phase_at(f.start, parts) or phase) for f in figures)
    if not phase and "%|" not in text and _is_headed_by_result(figures, names):
        return _of_results(figures, names)
    return names


def is_general(text: str, names: Names) -> bool:
    """Returns whether a line has results, and no word for the data on which they were made."""
    return any(name.startswith(RESULT) for name in names) and _DATA.search(text) is None


def _phase_at(start: int, parts: list[re.Match[str]]) -> Phase:
    """The phase of the part of a line in which a figure starts; empty in the first one."""
    before = next((part for part in reversed(parts) if part.end() <= start), None)
    if before is None:
        return ""
    return "test" if (before["part"] or before["behind"]).lower() in TEST else "eval"


def _is_headed_by_result(figures: Figures, names: Names) -> bool:
    """Whether a line's first figure is the loss of an evaluation, and no other loss is there.

    The figures behind it are of the same evaluation: `val Loss: 2.5 Acc: 0.5`.
    """
    losses = [name for figure, name in zip(figures, names, strict=True) if figure.is_loss]
    return bool(losses) and figures[0].is_loss and all(n.startswith(RESULT) for n in losses)


def _of_results(figures: Figures, names: Names) -> Names:
    """The series of figures of evaluations: each is of the same one as the loss before it."""
    of: Phase = "eval"
    found = []
    for figure, name in zip(figures, names, strict=True):
        if figure.is_loss:
            of = "test" if name.startswith(TESTED) else "eval"
        found.append(series_name(figure.name, of))
    return tuple(found)

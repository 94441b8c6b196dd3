"""One line of a training log, read by the grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.parse.grammar.figures import Figure, figures_of
from harness.parse.grammar.phases import EVALUATED, Phase, phase_of
from harness.parse.grammar.positions import Place, place_of
from harness.parse.grammar.prefixes import prefix_of
from harness.parse.grammar.results import is_general, names_of
from harness.parse.grammar.words import EVALUATION
from harness.parse.names import PHASES, alternation
from harness.parse.number import count
from harness.parse.sets import TEST

_RANK = re.compile(
    r"(?<![\w./])(?:global_|local_)?rank\b['\"]?\s{0,8}[:=]?\s{0,8}(?P<rank>\d+)(?!\w|\.\d)"
    r"|\bxla:\d{1,6}/(?P<ordinal>\d{1,6})",
    re.ASCII | re.IGNORECASE,
)

_BATCH = re.compile(
    rf"(?<![\w./])(?:cv|{alternation(EVALUATION)})(?: \|)? (?:mini)?(?:batch|iter(?:ation)?)s?\b",
    re.IGNORECASE,
)
"""A batch of an evaluation without an end: `CV Batch 0/100`, `Validation Iteration: 5`."""
_RESULT = re.compile(r"(?:\s{0,8}\*|\s{0,8}(?P<test>Test):)\s{1,8}(?=(?:Acc|Prec)@1\b)")
"""` * Acc@1 50.5 Acc@5 75.5`, and `Test:  Acc@1 50.5`: the results of an evaluation."""

_EPOCH_MEANS = re.compile(
    r"[\s|]{0,8}epoch \d{1,9} \| loss [^\n]{0,400}\| num_updates \d", re.ASCII
)
"""Means over an epoch of old versions of fairseq."""

_DRAWN = re.compile(r"\[[=>.]{3,200}\]|[━╸╺]")
"""The bar of Keras; one line an epoch (`verbose=2`) has none."""


_STATED_PHASE = re.compile(
    rf"(?<![\w./])(?:{'|'.join(PHASES)})['\"]?\s{{0,4}}[:=]\s{{0,4}}['\"]?"
    rf"(?P<set>{alternation(EVALUATION)})(?![a-z])",
    re.IGNORECASE,
)
"""A figure anywhere on the line that names the phase: `step=3 loss=1.5 split=valid`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What one line says.

    `prefix` is the text of its prefixes. `rank` is None where the line states none. `figures` are
    in the order of the line; `names` holds the series that each belongs to. `refreshed` says that
    the line is a bar of tqdm, which may show one step several times while its figures change,
    `drawn` that it is a bar of Keras and not its numbers alone; `progress` that it is about a part
    of an evaluation, `ends` that it has the results behind such lines, `general` that its results
    do not name their data. `container` says that the rank is the number of a container.
    """

    prefix: str
    rank: int | None
    phase: Phase
    place: Place
    figures: tuple[Figure, ...]
    names: tuple[str, ...]
    refreshed: bool = False
    drawn: bool = False
    progress: bool = False
    ends: bool = False
    general: bool = False
    container: bool = False

    def values(self) -> dict[str, float]:
        """Returns the first number of each series that the line states."""
        values: dict[str, float] = {}
        for name, figure in zip(self.names, self.figures, strict=True):
            if figure.value is not None:
                values.setdefault(name, figure.value)
        return values

    def means(self) -> dict[str, float]:
        """Returns the means since the start of an epoch or an evaluation that the line states."""
        named = zip(self.names, self.figures, strict=True)
        means = {name: figure.mean for name, figure in named if figure.mean is not None}
        history = self.values().get("val.history_loss")  # the mean so far, in WeNet's words
        return means if history is None else {**means, "val.loss": history}


def parsed(text: str, *, ranked: bool = False, heading: Phase = "", inside: Phase = "") -> Parsed:
    """Returns what a line of text says; `ranked` says that lines before state their rank.

    `heading` is the phase that a heading before the line names, for a line without a counter;
    `inside` the phase between two lines that begin and end it.

    >>> line = parsed("[rank1]: Epoch: [2][20/40] train loss: 0.5 (0.75) lr 0.1")
    >>> line.rank, line.place.epoch, line.place.counter, line.place.length, line.values()
    (1, 2.0, 20, 40, {'train_loss': 0.5, 'lr': 0.1})
    """
    prefix = prefix_of(text)
    place = place_of(text, prefix.end)
    floor = prefix.end if prefix.srun is None else 0
    figures = tuple(figures_of(text, floor, between=place.between))
    rank, end = prefix.rank, prefix.end
    if prefix.srun is not None:
        if ranked or place.is_stated or place.epoch is not None:
            rank = prefix.srun if rank is None else rank
        else:
            place, end = place_of(text, 0), 0
    if rank is None and (stated := _RANK.search(text)):
        rank = count(stated["rank"] or stated["ordinal"])
    head = text[end : figures[0].start] if figures else text[end:]
    ends = _RESULT.match(text, end) is not None
    phase = _stated(text, end) or phase_of(head) or inside
    phase = phase or ("" if place.is_stated else heading)
    if not phase and _EPOCH_MEANS.match(text, end):
        phase = "summary"
    if phase == "summary" and place.counter is not None:
        phase = "train"  # fairseq's means over an epoch count updates, and no steps of the epoch
    names = names_of(text, figures, phase)
    return Parsed(
        prefix=text[:end],
        rank=rank,
        phase=phase,
        place=place,
        figures=figures,
        names=names,
        refreshed="%|" in text or "━" in text,
        drawn=place.bar and _DRAWN.search(text, end) is not None,
        progress=phase in EVALUATED and (place.length > 1 or _BATCH.search(head) is not None),
        ends=ends,
        general=is_general(text, names),
        container=prefix.container,
    )


def _stated(text: str, start: int) -> Phase:
    """The phase of a line of results, or of one with a figure that names the phase; else empty."""
    ends = _RESULT.match(text, start)
    if ends is not None:
        return "test" if ends["test"] else "eval"
    said = _STATED_PHASE.search(text)
    if said is None:
        return ""
    return "test" if said["set"].lower() in TEST else "eval"

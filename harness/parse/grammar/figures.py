"""Named figures of a line: `name: 1`, `name=1`, `name 1`, `'name': '1'`, `[1/2]`, `1 (2)`."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.parse.grammar.naming import full_name, is_loss
from harness.parse.grammar.owners import owned
from harness.parse.grammar.positions import BETWEEN
from harness.parse.grammar.unlike import unlike
from harness.parse.grammar.words import (
    EVALUATION,
    GRADIENT_NORMS,
    LEARNING_RATES,
    NAMED_LOSSES,
    OTHER_LOSSES,
    POSITIONS,
    SPACED,
    SPEEDS,
)
from harness.parse.number import VALUE, number

NO_FIGURES = (
    *(".py", ".cc", ".cpp", "/sec", "/s", "_time", "time", "_throughput", "/throughput"),
    *("_per_second", "_per_sec", "_ips", ".ips", "/epoch", "/global_step", "_num_updates"),
)
"""Ends of the names of source files, speeds, times and counters."""
TIMES = "timing_"
"""How names of times begin: verl's `timing_s/step`."""

_LOSSES = OTHER_LOSSES | NAMED_LOSSES
_NAME = re.compile(
    r"(?<![\w./@])(?P<name>L\.r\.(?=\s)|[^\W\d]\w{0,60}(?:[./@+-]\w{1,60}){0,8})['\"]?"
    r"(?:\([A-Za-z]\w{0,40}\)|[^\S\n](?P<set>(?i:train|val|valid|test|eval))(?=[:=]))?"
    r"(?P<gap>[^\S\n]{0,8}[:=][^\S\n]{0,8}|[^\S\n]{1,8}(?:is[^\S\n]{1,8})?"
    r"|(?<=['\"]),[^\S\n]{1,2}(?=[-+.\d]))"
)
_AT = re.compile(
    rf"(?P<open>['\"\[{{(]{{0,2}}[^\S\n]{{0,4}})(?:(?P<value>{VALUE})(?!\w|\.(?!\s)|%\||:\d\d\b)(?P<share>%)?(?P<close>[\]}})'\"]?)"
    rf"(?:[^\S\n]{{0,4}}\([^\S\n]{{0,4}}(?P<mean>{VALUE})\))?|(?P<torn>\d))",
    re.ASCII,
)
_LOSS_BEFORE = re.compile(r"\bloss[ ]\Z", re.IGNORECASE)
"""What precedes `Total : 2.5` in `Gen Loss Total : 2.5` of HiFi-GAN."""
_SHARE = re.compile(r"acc|prec|recall|top-?\d|iou|dice|err|[wc]er", re.ASCII)
"""Parts of the names of figures that may be a percentage: others are of the progress."""
_WORD = re.compile(r"(?P<word>\[[^\]\n]{0,40}\]|[^\s,;|)}\]]{0,40})(?P<behind>\s{0,8}[^\n]?)")


class Figure(NamedTuple):
    """A figure as a line states it.

    `value` is None where a word replaces the number: then `text` is that word and `behind` what
    follows it; `torn` says that the word begins like a number. `mean` is the number in parentheses
    after the value: the mean since the start of the epoch.
    """

    name: str
    value: float | None
    text: str
    start: int
    mean: float | None = None
    behind: str = ""
    stated: bool = True
    is_loss: bool = True
    torn: bool = False


def figures_of(text: str, floor: int = 0, *, between: bool = False) -> list[Figure]:
    """Returns the figures of a line in order; `floor` is where its prefixes end.

    `between` says that a counter stands between the name of a loss and its value.

    A loss may lack its number; other figures without one are left out, and so are times and speeds.

    >>> [(f.name, f.value) for f in figures_of("lr: [0.01], loss is 2.5 (2.75)  time: 1.5")]
    [('lr', 0.01), ('loss', 2.5)]
    """
    figures = [
        Figure(name, value, "", at, is_loss=is_loss(name)) for name, value, at in unlike(text)
    ]
    if figures:
        return figures
    shared = ""
    for match in _NAME.finditer(text, floor):
        name, gap = match["name"], match["gap"]
        low = name.lower()
        stated = ":" in gap or "=" in gap or "," in gap
        if low == "learn" or match["set"]:
            shared = name
        elif shared and stated and low in EVALUATION:
            figures += _of_other_data(shared, match, text)
            continue
        loss = ("loss" in low and (stated or not low[-1].isdigit())) or low in _LOSSES
        if low == "total" and stated:
            loss = _LOSS_BEFORE.search(text, floor, match.start()) is not None
        if not loss and (not _is_named(low, stated=stated) or _is_no_figure(low)):
            continue
        counted = BETWEEN.match(text, match.start("name")) if between and low == "loss" else None
        at = _AT.match(text, match.end() if counted is None else counted.end())
        if at is not None and at["share"] and not _SHARE.search(low):
            at = None
        if at is None and not loss:
            continue
        figure = _figure(text, match, at, floor, stated=stated)
        if figure is not None:
            figures.append(figure)
    names = owned([figure.name for figure in figures])
    return [figure._replace(name=name) for figure, name in zip(figures, names, strict=True)]


def _of_other_data(name: str, match: re.Match[str], text: str) -> list[Figure]:
    """The second figure of `loss train: 2.5, val: 2.25` or `learn: 2.5 test: 2.25`."""
    at = _AT.match(text, match.end())
    if at is None or at["value"] is None:
        return []
    return [Figure(f"val {name}", number(at["value"]), at["value"], match.start())]


def _is_no_figure(low: str) -> bool:
    """Whether a word is a counter, a speed, a time or the name of a source file."""
    counts = all(part in POSITIONS for part in low.split("/"))
    return (
        counts
        or low in SPEEDS
        or low in POSITIONS
        or low.endswith(NO_FIGURES)
        or low.startswith(TIMES)
    )


def _is_named(low: str, *, stated: bool) -> bool:
    """Whether a number behind this word can be its figure."""
    return (
        stated or low in LEARNING_RATES or low in GRADIENT_NORMS or low in SPACED or low == "rate"
    )


def _figure(
    text: str, match: re.Match[str], at: re.Match[str] | None, floor: int, *, stated: bool
) -> Figure | None:
    """The figure of a name; None without a number, unless the name is that of a loss."""
    name, start = full_name(text, match.start(), match["name"], floor)
    name = f"{match['set']} {name}" if match["set"] else name
    low = name.lower()
    loss = is_loss(name) or low in _LOSSES
    if low in SPEEDS and not loss:
        return None
    if at is not None and at["value"] is not None:
        value = number(at["value"])
        mean = None if at["mean"] is None else number(at["mean"])
        shown = (at["open"].strip() + at["value"] + at["close"]) if at["open"] else at["value"]
        return Figure(name, value, shown, start, mean, stated=stated, is_loss=loss)
    if not loss:
        return None
    if at is not None:  # a digit that begins no whole number
        return Figure(name, None, "", start, stated=stated, torn=True)
    word = _WORD.match(text, match.end())
    assert word is not None  # noqa: S101  (it may be empty)
    return Figure(name, None, word["word"], start, behind=word["behind"].strip(), stated=stated)

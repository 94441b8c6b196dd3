"""The table of verdicts: the look, the order, and the exit status and CI severity of each.

`error` has a row too: it is the word for a port whose logs cannot be read or compared. The words
are those of `harness.rules.Verdict`, and a test compares them. This module imports nothing heavy,
because every command needs an exit status.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shade:
    """The colours of a verdict's text and of its background, as in CSS."""

    ink: str
    ground: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One verdict.

    `dot` colours the icon of a page's tab and the marks of a trend; `terminal` is a colour of rich.
    `github` is the level of an annotation, `gitlab` a severity of its code quality, `junit` the
    element inside a test case. An empty field means that nothing is reported.
    """

    word: str
    headline: str
    exit_status: int
    icon: str
    dot: str
    terminal: str
    light: Shade
    dark: Shade
    github: str = ""
    gitlab: str = ""
    junit: str = ""


TABLE = (
    Row(
        word="error", headline="", exit_status=2, icon="!", dot="#555555", terminal="red",
        light=Shade(ink="#444b53", ground="#eceef1"), dark=Shade(ink="#c4cad1", ground="#2a2f35"),
        github="error", gitlab="blocker", junit="error",
    ),
    Row(
        word="fail", headline="the candidate does not reproduce the baseline",
        exit_status=1, icon="✕", dot="#D55E00", terminal="red",
        light=Shade(ink="#a33f00", ground="#fdebe0"), dark=Shade(ink="#ffa06a", ground="#3a2115"),
        github="error", gitlab="critical", junit="failure",
    ),
    Row(
        word="incomparable", headline="not the same experiment",
        exit_status=4, icon="≠", dot="#CC79A7", terminal="magenta",
        light=Shade(ink="#8d3a6c", ground="#fbeaf3"), dark=Shade(ink="#f0a3cf", ground="#371f2e"),
        github="error", gitlab="critical", junit="failure",
    ),
    Row(
        word="inconclusive", headline="the data cannot decide",
        exit_status=3, icon="?", dot="#E69F00", terminal="yellow",
        light=Shade(ink="#7a5200", ground="#fdf3dc"), dark=Shade(ink="#f3c55f", ground="#362a10"),
        github="warning", gitlab="major", junit="failure",
    ),
    Row(
        word="pass", headline="the candidate reproduces the baseline within the policy",
        exit_status=0, icon="✓", dot="#009E73", terminal="green",
        light=Shade(ink="#00664b", ground="#e3f5ee"), dark=Shade(ink="#5fdcb4", ground="#10302a"),
    ),
)  # fmt: skip
"""Every verdict, the worst first. An error has no headline, because its message is the headline.
The dots have Okabe & Ito's (2008) colours, which colour-blind readers can distinguish."""

QUALIFIED_ICON = "◐"
QUALIFIED_TERMINAL = "cyan"
"""The icon and the colour of a pass with a waiver or on a part of the run."""
_QUALIFIED_CSS = (
    "color: var(--inconclusive); background: repeating-linear-gradient(135deg, "
    "var(--pass-ground) 0 12px, var(--inconclusive-ground) 12px 24px);"
)


def row(word: str) -> Row:
    """Returns the row of a verdict.

    >>> row("fail").exit_status
    1

    Raises:
        KeyError: no verdict has this word.
    """
    for entry in TABLE:
        if entry.word == word:
            return entry
    raise KeyError(word)


def rank(word: str) -> int:
    """Returns the place of a verdict in the order of severity; 0 is the worst."""
    return TABLE.index(row(word))


def worst(words: Iterable[str]) -> str:
    """Returns the worst of the verdicts; there must be at least one."""
    return min(words, key=rank)


def terminal_colour(word: str, *, qualified: bool) -> str:
    """Returns the colour of a verdict in a terminal, or that of a qualified pass."""
    return QUALIFIED_TERMINAL if qualified else row(word).terminal


def icons() -> dict[str, str]:
    """Returns the icon of every verdict, and under `qualified` that of a qualified pass."""
    return {entry.word: entry.icon for entry in TABLE} | {"qualified": QUALIFIED_ICON}


def css() -> str:
    """Returns the style of every verdict: its colours as variables, its badge, its headline."""
    rules = [
        f":is(.badge, .verdict).{entry.word} "
        f"{{ color: var(--{entry.word}); background: var(--{entry.word}-ground); }}"
        for entry in TABLE
    ]
    dark = _variables({entry.word: entry.dark for entry in TABLE})
    return "\n".join(
        [
            _variables({entry.word: entry.light for entry in TABLE}),
            f"@media (prefers-color-scheme: dark) {{ {dark} }}",
            *rules,
            f":is(.badge, .verdict).pass.qualified {{ {_QUALIFIED_CSS} }}",
            ".badge.pass.qualified { outline: 1px dashed var(--inconclusive); }",
            ".verdict.pass.qualified { border-left-style: dashed; }",
        ]
    )


def _variables(shades: dict[str, Shade]) -> str:
    given = " ".join(
        f"--{word}: {shade.ink}; --{word}-ground: {shade.ground};" for word, shade in shades.items()
    )
    return f":root {{ {given} }}"

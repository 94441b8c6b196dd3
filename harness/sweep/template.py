"""Texts of sweep.toml with placeholders, such as `--seed {seed}`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from string import Formatter

from harness.errors import PolicyError

Value = str | int | float
_BRACES = "write {{ and }} for braces that are not a placeholder"


def fields(text: str, where: str) -> Iterator[str]:
    """Yields the names of the placeholders in a text; `where` names the key that holds it.

    Raises:
        PolicyError: a brace has no partner.
    """
    try:
        for _, name, _, _ in Formatter().parse(text):
            if name is not None:
                yield name
    except ValueError as error:
        msg = f"{where} holds {text!r}, whose braces do not match ({error}); {_BRACES}"
        raise PolicyError(msg) from error


def check(text: str, known: Collection[str], where: str) -> None:
    """Refuses a text with an unknown placeholder.

    Raises:
        PolicyError: a placeholder is unknown, or a brace has no partner.
    """
    for name in fields(text, where):
        if name in known:
            continue
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {{{near[0]}}}?" if near else f"known: {_list(known)}; {_BRACES}"
        msg = f"{where} holds the unknown placeholder {{{name}}}; {hint}"
        raise PolicyError(msg)


def fill(text: str, values: Mapping[str, Value], where: str) -> str:
    """Returns a text with its placeholders filled in. `{seed:03d}` formats as Python does.

    Raises:
        PolicyError: a format does not fit its value.
    """
    try:
        return text.format_map(values)
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        msg = f"{where} holds {text!r}, which cannot be filled in: {error}; see Python's str.format"
        raise PolicyError(msg) from error


def _list(names: Collection[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)

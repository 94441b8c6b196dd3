"""What stands where a number should: NaN and infinities in other spellings, and words.

Programs write a loss that is no number as `None`, `nan(ind)`, `1.#QNAN`, `N/A`, `******` or
nothing. Such a value is NaN at its step: left out, it would hide that the run diverged. A number
with something else in it, `2.5abc`, was torn, and is not taken for anything.
"""

from __future__ import annotations

import re
from math import inf, nan

from harness.parse.number import number

ABSENT = frozenset({"", "none", "null", "nil", "n/a", "na", "-", "--", "---", "undefined"})
"""Words, in small letters, that a program writes where it has no value."""
LONGEST = 60
"""Characters of a word that is quoted in a remark."""

_MSVC = re.compile(
    r"(?P<sign>[-+]?)(?:(?P<nan>\d\.#(?:QNAN|SNAN|IND|NAN)\d*|nan\((?:ind|snan|[\da-fx]*)\))"
    r"|(?P<inf>\d\.#INF\d*))",
    re.ASCII | re.IGNORECASE,
)
_TENSOR = re.compile(
    r"\b(?:\w{1,16}\.)?(?:tensor|array|float\d{0,2}|bfloat16|bf16|half|double)"
    r"\(\s{0,8}['\"]?(?P<value>[^\s,()\[\]'\"]{1,64})['\"]?"
    r"(?:[^()\n]|\([^()\n]{0,40}\)){0,200}\)",
    re.IGNORECASE,
)
_HINT = re.compile(r"(?:tensor|array|float\d{0,2}|bf(?:loat)?16|half|double)\(", re.IGNORECASE)
_INFINITE = re.compile(r"(?P<sign>[-+]?)(?:inf(?:inity)?|∞)", re.IGNORECASE)
_NAN = re.compile(r"[-+]?nan", re.IGNORECASE)
_PART = re.compile(r"[.+eE]|[-+.eE]{0,3}[.+eE][-+.eE]{0,3}")
"""What may be left of a number."""
_OPENED = re.compile(r"(?:tensor|array)\(", re.IGNORECASE)


def unwrapped(line: str, odd: list[str]) -> str:
    """A line with `2.5` for `tensor(2.5, device='cuda:0')`; adds to `odd` what is not finite.

    >>> unwrapped("loss: tensor(2.5, device='cuda:0')", [])
    'loss: 2.5'
    """
    if "(" in line and _HINT.search(line):
        return _TENSOR.sub(lambda match: _inner(match, odd), line)
    return line


def respelled(line: str, odd: list[str]) -> str:
    """A line with `nan` for `nan(ind)` and `1.#QNAN`, which it adds to `odd`.

    >>> respelled("loss: 1.#INF lr: -nan(ind)", [])
    'loss: inf lr: nan'
    """
    if ".#" in line or "an(" in line or "AN(" in line:
        return _MSVC.sub(lambda match: _msvc(match, odd), line)
    return line


def _inner(match: re.Match[str], odd: list[str]) -> str:
    value = match["value"]
    read = number(value)
    if read is None:
        return match[0]
    if read - read != 0:
        odd.append(match[0])
    return value


def _msvc(match: re.Match[str], odd: list[str]) -> str:
    odd.append(match[0])
    return "nan" if match["nan"] else match["sign"] + "inf"


def instead(text: str) -> float | None:
    """What is read for a text that is no number; None if it may be the rest of one.

    >>> instead("N/A"), instead("'-Infinity'"), instead("1.#INF"), instead("2.5abc")
    (nan, -inf, inf, None)
    """
    bare = _OPENED.sub("", text.strip().strip("'\"[]() ")).strip("'\"[](), ")
    msvc = _MSVC.fullmatch(text.strip().strip("'\"[]"))
    if msvc is not None:
        return nan if msvc["nan"] else float(msvc["sign"] + "inf")
    infinite = _INFINITE.fullmatch(bare)
    if infinite is not None:
        return -inf if infinite["sign"] == "-" else inf
    torn = any(c.isdigit() for c in text) or _PART.fullmatch(text)
    return None if torn else nan


def is_spelled(text: str) -> bool:
    """Whether a text is a spelling of NaN or of an infinity.

    >>> is_spelled('"NaN"'), is_spelled("[nan]"), is_spelled("-1.#IND"), is_spelled("None")
    (True, True, True, False)
    """
    bare = _OPENED.sub("", text.strip().strip("'\"[]() ")).strip("'\"[](), ")
    return any(kind.fullmatch(bare) for kind in (_NAN, _INFINITE)) or bool(
        _MSVC.fullmatch(text.strip().strip("'\"[]"))
    )


def is_absent(text: str) -> bool:
    """Whether a text says that there is no value: `None`, `N/A`, a dash, nothing."""
    return text.strip(" '\"").lower() in ABSENT


def is_known_word(text: str) -> bool:
    """Whether a text can only be a value that is no number: NaN, `None`, `******`, `true`.

    >>> is_known_word("******"), is_known_word("N/A"), is_known_word("CrossEntropy")
    (True, True, False)
    """
    bare = text.strip(" '\"").lower()
    return (
        is_absent(text)
        or is_spelled(text)
        or bare in {"true", "false"}
        or not any(c.isalnum() for c in bare)
    )


def shown(value: float) -> str:
    """How a remark calls NaN or an infinity."""
    return "NaN" if value != value else f"{value:g}"  # noqa: PLR0124  (NaN)

"""Checks whether a name can be a folder on every system, directly below another folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

LONGEST = 100
"""Longest name in characters."""
LONGEST_BYTES = 200
"""Longest name in bytes of UTF-8. File systems accept 255; temporary names add a suffix."""
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {
    f"{kind}{n}" for kind in ("COM", "LPT") for n in range(10)
}
"""Names that Windows takes for devices, with any suffix."""
_SEPARATORS = "/\\:"


def unfit(name: str) -> str:
    """Returns why a name cannot be a folder's; empty if it can.

    >>> unfit("ccnet-sdaa"), unfit("../ccnet")
    ('', "holds '/'")
    """
    return next(_reasons(name), "")


def _reasons(name: str) -> Iterator[str]:
    if not name:
        yield "is empty"
    held = next((c for c in name if c in _SEPARATORS or c.isspace() or not c.isprintable()), "")
    if held:
        yield f"holds {held!r}"
    if name[0] in ".-":
        yield f"begins with {name[0]!r}"
    if name.endswith("."):
        yield "ends with '.'"
    if len(name) > LONGEST or len(name.encode()) > LONGEST_BYTES:
        yield f"has {len(name)} characters, more than {LONGEST}, or {LONGEST_BYTES} bytes"
    if name.partition(".")[0].upper() in _DEVICES:
        yield "is the name of a device on Windows"


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Returns groups of names that are one folder on systems that ignore case or Unicode form."""
    groups: dict[str, list[str]] = {}
    for name in names:
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        groups.setdefault(key, []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def shortened(name: str) -> str:
    """Returns a name for a message; the middle of a long name is left out.

    >>> shortened("a" * 300)
    'aaaaaaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaaaaaaa'
    """
    return name if len(name) <= LONGEST else f"{name[:20]}...{name[-20:]}"

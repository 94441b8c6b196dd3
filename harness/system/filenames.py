"""Which names may become folders: those that mean one folder below another, on every system."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

LONGEST = 100
"""Characters; in UTF-8 they are less than the 255 bytes that file systems take."""
LONGEST_BYTES = 200
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {
    f"{kind}{n}" for kind in ("COM", "LPT") for n in range(10)
}
"""What Windows takes for a device, whatever its suffix."""
_SEPARATORS = "/\\:"


def unfit(name: str) -> str:
    """Why a name cannot be that of a folder; empty if it can.

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
    """Names that are one folder where the system does not tell capitals, or forms of an accent."""
    groups: dict[str, list[str]] = {}
    for name in names:
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        groups.setdefault(key, []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def shortened(name: str) -> str:
    """A name for a message: a long one with its middle left out.

    >>> shortened("a" * 300)
    'aaaaaaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaaaaaaa'
    """
    return name if len(name) <= LONGEST else f"{name[:20]}...{name[-20:]}"

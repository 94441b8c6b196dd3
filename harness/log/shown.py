r"""What a log, a path or a URL says, as text that can be shown anywhere: no control, no secret.

A log is written by others, and so are names of files and messages of libraries. What is shown of
them goes to terminals, CI systems, browsers and spreadsheets, each of which obeys some characters.
Here those go that no text needs; `report/escape.py` has what each language of output needs besides.
"""

from __future__ import annotations

import re
import unicodedata

MASK = "***"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,20}://"
_URL = re.compile(rf"(?P<scheme>{_SCHEME})(?P<rest>(?:(?!{_SCHEME})\S)+)")
"""A URL may stand anywhere in a text, and in the path of another. Schemes of any length would take
a time that grows with the square of a text."""
_AROUND = ":.,;'\"`)]}>|"
"""What may stand behind a URL in a sentence."""
_USER = re.compile(r"(?:[^/?#]*|[^/?#:]*:(?!\d+[/?#]).*)@")
"""User and password of a URL: up to the last @ of the host's part, and of the whole where a
password holds what had to be escaped (`user:pa/ss@host`)."""
_VALUE = re.compile(r"(?<==)[^&;#]*")
_PARAMETER = re.compile(r"(?<=;)([^=;/?]{1,40}=)[^;/?]*")
"""A parameter of a part of a path, `;sig=...`."""
_LOOSE = re.compile(r"(?<![\w/])((?:[A-Za-z][A-Za-z0-9+.-]{0,20}:)?/{1,2})[^\s/@:]+:[^\s/@]+@")
"""User and password behind a scheme that is written wrong: `http:/user:pw@host`."""
_WORD = re.compile(
    r"(?i)(?P<name>\b(?:password|passwd|pwd|secret|token|api_?key|access_?key|signature)\s*=\s*)"
    r"(?P<value>'(?:[^'\\]|\\.)*'?|\"(?:[^\"\\]|\\.)*\"?|[^\s,;&]+)"
)


def printable(text: str) -> str:
    r"""Text in which every character can be seen: controls, line ends, bidi marks are escaped.

    >>> print(printable("loss\x1b[2J\u202e\n"))
    loss\x1b[2J\u202e\n
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_seen(c) for c in text)


def _seen(character: str) -> str:
    if character.isprintable() or character == "\N{IDEOGRAPHIC SPACE}":
        return character
    if unicodedata.category(character) == "Zs":  # a blank of another width
        return " "
    return character.encode("unicode_escape").decode("ascii")


def masked(text: str) -> str:
    """Text whose URLs hold no user, no password, no value of a query; nor `password=...`.

    >>> masked("http://ann:pw@host/a.log?sig=x&part=2: no answer")
    'http://***@host/a.log?sig=***&part=***: no answer'
    """
    if not any(mark in text for mark in ("=", "://", "@")):
        return text
    text = _LOOSE.sub(rf"\g<1>{MASK}@", _URL.sub(_without_secrets, text))
    return _WORD.sub(rf"\g<name>{MASK}", text)


def _without_secrets(url: re.Match[str]) -> str:
    rest = url["rest"].rstrip(_AROUND)
    behind = url["rest"][len(rest) :]
    user = _USER.match(rest)
    if user is not None:
        rest = f"{MASK}@{rest[user.end() :]}"
    place, mark, query = rest.partition("?")
    place = _PARAMETER.sub(rf"\g<1>{MASK}", place)
    if mark:
        query = _VALUE.sub(MASK, query) if "=" in query else MASK
    return f"{url['scheme']}{place}{mark}{query}{behind}"


def shown(text: str) -> str:
    """Text as it may be shown: without secrets, and with every character to be seen."""
    return printable(masked(text))

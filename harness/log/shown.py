r"""Makes untrusted text safe to show: without control characters and without secrets.

The text of logs, file names and library messages is untrusted. It is shown in terminals, CI
systems, browsers and spreadsheets, each of which interprets some characters. This module escapes
the control characters; `report/escape.py` escapes what each output format interprets besides.
"""

from __future__ import annotations

import re
import unicodedata

MASK = "***"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,20}://"
_URL = re.compile(rf"(?P<scheme>{_SCHEME})(?P<rest>(?:(?!{_SCHEME})\S)+)")
"""A URL anywhere in a text, also in the path of another URL. The scheme's length is bounded,
because unbounded schemes took time quadratic in the text's length."""
_AROUND = ":.,;'\"`)]}>|"
"""Characters that may follow a URL in a sentence."""
_USER = re.compile(r"(?:[^/?#]*|[^/?#:]*:(?!\d+[/?#]).*)@")
"""User and password of a URL: up to the last @ of the host part, or of the whole URL if the
password contains a character that should have been escaped (`user:pa/ss@host`)."""
_VALUE = re.compile(r"(?<==)[^&;#]*")
_PARAMETER = re.compile(r"(?<=;)([^=;/?]{1,40}=)[^;/?]*")
"""A parameter within a path, such as `;sig=...`."""
_LOOSE = re.compile(r"(?<![\w/])((?:[A-Za-z][A-Za-z0-9+.-]{0,20}:)?/{1,2})[^\s/@:]+:[^\s/@]+@")
"""User and password after a mistyped scheme: `http:/user:pw@host`."""
_WORD = re.compile(
    r"(?i)(?P<name>\b(?:password|passwd|pwd|secret|token|api_?key|access_?key|signature)\s*=\s*)"
    r"(?P<value>'(?:[^'\\]|\\.)*'?|\"(?:[^\"\\]|\\.)*\"?|[^\s,;&]+)"
)


def printable(text: str) -> str:
    r"""Returns the text with control characters, line ends and bidirectional marks escaped.

    >>> print(printable("loss\x1b[2J\u202e\n"))
    loss\x1b[2J\u202e\n
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_seen(c) for c in text)


def _seen(character: str) -> str:
    if character.isprintable() or character == "\N{IDEOGRAPHIC SPACE}":
        return character
    if unicodedata.category(character) == "Zs":  # a space of another width
        return " "
    return character.encode("unicode_escape").decode("ascii")


def masked(text: str) -> str:
    """Returns the text with users, passwords and query values of URLs, and `password=...`, masked.

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
    """Returns the text masked (`masked`) and escaped (`printable`)."""
    return printable(masked(text))

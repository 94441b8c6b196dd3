r"""Escapes foreign text for each output language: one function per language.

Logs, configs, paths and manifests contain foreign text. Terminals, CI systems, browsers and
spreadsheets interpret some characters, so every writer of this package passes foreign text through
one of these functions. Like `shown`, all of them remove control characters and mask secrets.
"""

from __future__ import annotations

import html as markup
import json as standard
import re
from collections.abc import Callable, Mapping
from typing import Any

from harness.log.shown import masked, shown

_COMMAND = re.compile(r"(?m)^((?:[^\S\n]|\x1b\[[0-9;]*m)*):(?=:)")
"""`::name` at the start of a line, which GitHub's runner executes even after blanks and colours."""
_BRACKET_COMMAND = re.compile(r"#(?=#\w*\[)")
"""`##[name]` of GitHub, `##vso[name]` of Azure, `##teamcity[name]`: executed anywhere in a line."""
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:inf|nan)", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""Characters that begin a formula; some spreadsheets also accept the wide East Asian forms."""
_NOT_ASCII = re.compile(r"[^\n -~]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_BREAK = "\N{ZERO WIDTH SPACE}"
_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|~&$!"})
_REFERENCE = re.compile(r"(?<=[@#!$~%^])(?=\w)|(?<=GH-)(?=\d)|(?<=:)(?=//)|(?<=www)(?=\.)")
"""Places at which a forge recognises a user, an issue, a merge request, a label or a URL."""
_COMMIT = re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])([0-9a-f]{4})([0-9a-f]{3,36})\b")
_BLOCK = re.compile(r"^(?:[-+=](?=[\s=+-]|$)|\d{1,9}(?=[.)]))")
"""Starts of a line that Markdown reads as a list, a rule or a heading."""
_NAME = re.compile(r"[^\w.-]")
NAME_LENGTH = 60
LABEL = 100


def terminal(text: str) -> str:
    r"""Returns text for a screen or a CI log: one line without control or command.

    >>> print(terminal("::error::no\x1b[2J ##[group]"))
    \x3a:error::no\x1b[2J \x23#[group]
    """
    return no_command(shown(text))


def no_command(text: str) -> str:
    """Returns laid-out lines, with their colours, without any command of a CI system."""
    text = text.replace("\r\n", "\n").replace("\r", r"\r")
    return _COMMAND.sub(r"\1\\x3a", _BRACKET_COMMAND.sub(r"\\x23", text))


def github(text: str) -> str:
    """Returns text as the message of a GitHub workflow command."""
    return terminal(text).replace("%", "%25")


def github_property(text: str) -> str:
    """Returns text as a property of a GitHub workflow command, which `:` and `,` would end."""
    return github(text).replace(":", "%3A").replace(",", "%2C")


def markdown(text: str) -> str:
    r"""Returns text inside a line of Markdown, without markup, links, users or issues.

    >>> markdown("loss_a | *b*")
    'loss\\_a \\| \\*b\\*'
    """
    line = " ".join(shown(text).split())
    broken = _COMMIT.sub(rf"\1{_BREAK}\2", _REFERENCE.sub(_BREAK, line))
    return broken.translate(_SPECIAL)


def markdown_line(text: str) -> str:
    r"""Returns text at the start of a line of Markdown, where `-`, `1.` or `===` make a block.

    >>> markdown_line("1. run"), markdown_line("- run"), markdown_line("-0.5")
    ('1\\. run', '\\- run', '-0.5')
    """
    escaped = markdown(text)
    return _BLOCK.sub(lambda m: f"\\{m[0]}" if m[0] in "-+=" else f"{m[0]}\\", escaped)


def markdown_cell(text: str) -> str:
    """Returns a cell of a Markdown table; the newlines of our tables become line breaks."""
    return "<br>".join(markdown(line) for line in text.split("\n"))


def csv_cell(text: str) -> str:
    """Returns a cell that no spreadsheet reads as a formula, by a leading apostrophe if needed.

    >>> csv_cell("=1+1"), csv_cell("-0.5"), csv_cell("loss")
    ("'=1+1", '-0.5', 'loss')
    """
    cell = shown(text)
    formula = cell.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if formula else cell


def json(content: Any, *, indent: int | None = 2) -> str:
    """Returns plain data as JSON that is safe to print: invisible characters are escaped.

    Texts are unchanged apart from secrets and from lone surrogates, which JSON cannot represent.
    NaN and infinity become the strings nan, inf and -inf; tuples become lists.
    """
    text = standard.dumps(plain(content), indent=indent, ensure_ascii=False, allow_nan=False)
    return _NOT_ASCII.sub(_seen, text)


def plain(content: Any) -> Any:
    """Returns data in JSON's types: dicts, lists, texts without secrets, and finite floats."""
    if isinstance(content, Mapping):
        return {plain(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if isinstance(content, float) and content - content != 0:  # NaN or infinite
        return str(content)
    if isinstance(content, str):
        return _SURROGATE.sub(lambda c: f"\\u{ord(c[0]):04x}", masked(content))
    return content


def _seen(character: re.Match[str]) -> str:
    """Returns a visible character unchanged, and an invisible one as an escape of JSON."""
    return character[0] if character[0].isprintable() else standard.dumps(character[0])[1:-1]


def in_script(content: Any) -> str:
    """Returns plain data as JSON inside a script element, which nothing in it can end."""
    text = standard.dumps(plain(content), ensure_ascii=True, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def html(text: str) -> str:
    """Returns text inside an element or a quoted attribute of HTML or SVG."""
    return markup.escape(shown(text))


def xml(text: str) -> str:
    """Returns text in the characters of XML 1.0; the XML library escapes the markup."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", shown(text))


def figure(text: str) -> str:
    r"""Returns text for a picture, 100 characters at most, which matplotlib reads literally.

    >>> print(figure("$x$"))
    \$x\$
    """
    seen = shown(text)
    return (seen if len(seen) <= LABEL else f"{seen[: LABEL - 1]}…").replace("$", r"\$")


def mermaid(text: str) -> str:
    """Returns a name for a quoted string of Mermaid: letters, digits, `.`, `_`, `-`; 60 at most."""
    return _NAME.sub(" ", shown(text))[:NAME_LENGTH]


def lines(text: str, escape: Callable[[str], str]) -> str:
    """Returns a text with each of its lines escaped; the line breaks are ours."""
    return "\n".join(escape(line) for line in text.split("\n"))

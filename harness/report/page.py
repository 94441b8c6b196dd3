"""Self-contained HTML pages: templates with autoescape and inlined assets.

The Content-Security-Policy of a page names the SHA-256 of its script and style and forbids
everything else. So text from a log can neither run nor fetch anything, even past the escaping.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from harness.log.shown import shown
from harness.report import verdicts
from harness.report.escape import in_script
from harness.version import tool_version


def render_page(
    template: str,
    *,
    styles: tuple[str, ...],
    scripts: tuple[str, ...],
    verdict: str,
    **content: Any,
) -> str:
    """Returns a template of `assets/`, filled in. The same content gives the same bytes."""
    style, script = f"{_joined(styles)}\n{verdicts.css()}", _joined(scripts)
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    page = _environment().get_template(template)
    return page.render(
        policy=policy,
        style=Markup(style),  # noqa: S704  (our own asset)
        script=Markup(script),  # noqa: S704  (our own asset)
        icon=_icon(verdict),
        verdict=verdict,
        icons=verdicts.icons(),
        version=tool_version(),
        **content,
    )


def embedded(content: Any) -> Markup:
    """Returns plain data as JSON for a script element, which nothing in it can end."""
    return Markup(in_script(content))  # noqa: S704  (no sign of markup is left)


def asset(name: str) -> str:
    """Returns the text of a file in `assets/`."""
    return (files("harness.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(asset),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """Returns what a template prints: text without controls and secrets, or our own markup."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _joined(names: tuple[str, ...]) -> str:
    return "\n".join(_commented(name) for name in names)


def _commented(name: str) -> str:
    """Returns an asset; a licence becomes a comment, so that it accompanies its script."""
    text = asset(name).strip()
    return f"/*! {name}\n\n{text}\n*/" if name.endswith(".LICENSE") else text


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _icon(verdict: str) -> str:
    """Returns the icon of the tab as a data URL; without it a browser asks the server for one."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
        f'<circle cx="8" cy="8" r="8" fill="{verdicts.row(verdict).dot}"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()

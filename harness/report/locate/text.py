"""The report on a located fault for a terminal, and the advice which search to run."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from harness.locate.advice import Advice
from harness.locate.result import Located
from harness.report import verdicts
from harness.report.locate import tables
from harness.report.screen import lay_out, words


def write(located: Located, to: Console, *, top: int = tables.TOP) -> None:
    """Prints the report."""
    to.print(render(located, top=top))


def render(located: Located, *, top: int = tables.TOP) -> RenderableType:
    """Returns the report for rich, which reads no markup from foreign text."""
    colour = verdicts.row(located.outcome).terminal
    title = Text(located.outcome, f"bold {colour}") + words(f": {located.headline}")
    notes = (words(f"- {note}") for note in located.notes)
    parts: list[RenderableType] = [
        Panel(Group(title, *notes), box=box.ROUNDED, border_style=colour)
    ]
    if located.culprits:
        parts.append(lay_out(tables.culprits_table(located, top=top)))
    if located.stages:
        parts.append(lay_out(tables.stages_table(located)))
    if located.unmatched:
        parts.append(_list("Not compared", located.unmatched))
    if any(located.sides):
        parts.append(lay_out(tables.sides_table(located)))
    return Group(*parts)


def write_line(located: Located, to: Console) -> None:
    """Prints the outcome and the headline as one line."""
    to.print(words(f"{located.outcome}: {located.headline}"), soft_wrap=True)


def write_advice(advice: Advice, source: str, to: Console) -> None:
    """Prints what a comparison shows, and which searches to run in which order."""
    to.print(words(f"{source}: {advice.shows}"), soft_wrap=True)
    if advice.stage:
        to.print(words(f"Search {advice.stage}:"))
    for place, search in enumerate(advice.searches, 1):
        to.print(words(f"{place}. {search.command}", style="bold"), soft_wrap=True)
        to.print(words(f"   {search.why}"), soft_wrap=True)


def _list(title: str, lines: tuple[str, ...]) -> Group:
    return Group(Text(title, style="bold"), *(words(f"- {line}") for line in lines), Text(""))

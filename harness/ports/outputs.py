"""The files that a check writes for CI systems: a row for each, which is also an option.

A writer is a module of `harness/report/ports` of the row's name, with `render(results) -> str`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.comparison.result import PortResult

PICTURES = "HARNESS_PICTURES"
"""The variable that holds the public URL of the report folder."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a check writes. `linked`: its writer takes the URL of the pictures."""

    name: str
    help: str
    linked: bool = False

    def render(self, results: Sequence[PortResult], environ: Mapping[str, str]) -> str:
        """Returns the text of the file."""
        writer: Any = import_module(f"harness.report.ports.{self.name}")
        pictures = {"pictures": environ.get(PICTURES, "")} if self.linked else {}
        return str(writer.render(results, **pictures))


OUTPUTS = (
    Output("junit", "Write JUnit XML with a test case per port and rule."),
    Output("gitlab", "Write a GitLab code-quality report (JSON)."),
    Output("comment", "Write a short Markdown comment for a pull request.", linked=True),
)

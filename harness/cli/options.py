"""Options and exit statuses that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.ports.outputs import OUTPUTS

EXIT = {"pass": 0, "fail": 1, "error": 2, "inconclusive": 3, "incomparable": 4}

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print one line: verdict, effect, main reason.")
]
Where = Annotated[
    str,
    typer.Option(
        "--history",
        envvar="HARNESS_HISTORY",
        help="Store of results over time: an SQLite file, or postgresql://user@host/database.",
        metavar="FILE|URL",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        help="A log format of your own: a regular expression (RE2) with named groups, "
        r"'(?P<step>\d+)\] cost=(?P<loss>\S+)'; also epoch, rank, total, and any series.",
        metavar="REGEX",
    ),
]


def with_outputs(command: Callable[..., None]) -> Callable[..., None]:
    """Returns a command with an option `--NAME FILE` for every output.

    The command itself takes them as `outputs`, a mapping of names to the files that are asked for.
    """
    signature = inspect.signature(command, eval_str=True)
    options = {
        output.name: inspect.Parameter(
            output.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                Path | None, typer.Option(f"--{output.name}", help=output.help, metavar="FILE")
            ],
        )
        for output in OUTPUTS
    }
    shown = [p for p in signature.parameters.values() if p.name != "outputs"]

    @wraps(command)
    def taking(**given: Any) -> None:
        files = {name: given.pop(name) for name in options}
        command(**given, outputs={name: path for name, path in files.items() if path is not None})

    parameters = [*shown, *options.values()]
    taking.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    taking.__annotations__ = {p.name: p.annotation for p in parameters}
    return taking

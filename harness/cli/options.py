"""The options that commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.completing import baseline_names
from harness.ports.outputs import OUTPUTS

Baseline = Annotated[
    str,
    typer.Argument(
        help="The GPU's runs: a log, a run of a tracker (mlflow:EXPERIMENT/RUN), logs or runs "
        "separated by commas, a quoted glob, a folder with one "
        "log per seed, the name of a recorded baseline or of a published result (published/NAME), "
        "- for standard input, or a URL (at most 120 s and 8 GiB; 10 s for each answer).",
        autocompletion=baseline_names,
    ),
]
Candidate = Annotated[
    str,
    typer.Argument(help="The port's runs, named in the same ways.", autocompletion=baseline_names),
]
JsonTo = Annotated[
    str,
    typer.Option("--json", help="Write JSON to a file; - for standard output.", metavar="FILE|-"),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print one line: verdict, relative difference, main reason."
    ),
]
FalseDiscoveries = Annotated[
    float | None,
    typer.Option(
        help="Largest expected share of good ports among the ports that tests fail. Failures that "
        "do not survive this correction for many ports (Benjamini-Hochberg) are inconclusive.",
        metavar="SHARE",
    ),
]
To = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        help="Write verdicts, figures and reports to this tracker (mlflow): to the candidate's run "
        "if it was named as a run of the tracker, otherwise to a new run of the port's name. "
        "Repeat the option for more trackers. A tracker that fails changes no verdict.",
        metavar="TRACKER",
    ),
]
Where = Annotated[
    str,
    typer.Option(
        "--history",
        envvar="HARNESS_HISTORY",
        help="Database of results over time: an SQLite file or postgresql://user@host/database.",
        metavar="FILE|URL",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        help="Your own log format: a regular expression (RE2) with named groups, such as "
        r"'(?P<step>\d+)\] cost=(?P<loss>\S+)'. Groups: step, epoch, rank, total, and the name of "
        "any series.",
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

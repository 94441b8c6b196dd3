"""The command `harness explain`, which names the injected faults that a difference resembles."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated

import typer

from harness.cli.baseline import SHELF, Baselines
from harness.cli.completing import fact_names
from harness.cli.options import Baseline, Candidate, Pattern
from harness.report import verdicts

SIGNATURES = "signatures.json"


def explain(
    baseline: Baseline,
    candidate: Candidate,
    *,
    metric: Annotated[str, typer.Option(help="Series to compare.")] = "loss",
    rank: Annotated[int, typer.Option(min=0, help="Rank whose series is compared.")] = 0,
    allow: Annotated[
        str,
        typer.Option(
            help="Facts that may differ, separated by commas, or all.",
            metavar="FACT,..",
            autocompletion=fact_names,
        ),
    ] = "",
    pattern: Pattern = None,
    baselines: Baselines = SHELF,
) -> None:
    """Name known faults that a difference resembles.

    They are hints for the search of the cause. The faults were injected into training runs; the
    measured accuracy of such hints is printed below the table. The exit status is that of `harness
    compare`.

    Example: harness explain gpu/ port.log
    """
    from harness.comparison.diagnosis import diagnose, from_json
    from harness.comparison.judge import Policy
    from harness.comparison.pipeline import compare
    from harness.report.comparison import diagnosis as writer
    from harness.report.screen import console
    from harness.storage.inputs import load_sides

    allowed = tuple(name.strip() for name in allow.split(",") if name.strip())
    sides = load_sides(baseline, candidate, baselines=baselines, pattern=pattern)
    comparison = compare(*sides, Policy(metric=metric, rank=rank, allow=allowed))
    text = (files("harness.comparison") / SIGNATURES).read_text(encoding="utf-8")
    diagnosis = diagnose(comparison.aligned, from_json(json.loads(text)))
    writer.write(comparison, diagnosis, console())
    raise typer.Exit(verdicts.row(comparison.verdict).exit_status)

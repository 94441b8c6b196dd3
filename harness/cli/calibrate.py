"""The command `harness calibrate`, which measures the error rates of every rule on real systems."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import PolicyError

if TYPE_CHECKING:
    from rich.progress import Progress

    from harness.comparison.error_rates import Ensemble


def calibrate(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A folder with a sub-folder per system; each holds runs that differ by seed."
        ),
    ],
    *,
    draws: Annotated[int, typer.Option(min=1, help="Number of half-splits drawn.")] = 2000,
    permutations: Annotated[
        int, typer.Option(min=1, help="Random splits per permutation test.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=1, help="Seed of all draws.")] = 1,
    metric: Annotated[str, typer.Option(help="Series to judge.")] = "loss",
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write calibration.csv, and calibration.png with the extra plots, into this "
            "folder.",
            metavar="DIR",
        ),
    ] = None,
) -> None:
    """Measure each rule's rates of false alarms and of detection on your own runs.

    All systems must have trained the same task. Two random halves of one system show the false
    alarms; pairs of systems whose facts differ show the detections.

    Example: harness calibrate runs/
    """
    from rich.console import Console
    from rich.progress import Progress

    from harness.comparison.error_rates import comparisons, error_rates
    from harness.report import error_rates as writer
    from harness.report import figures
    from harness.report.screen import console, lay_out
    from harness.system.whole import fill_folder, guarded

    no_picture = figures.missing()
    screen = Console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as progress:
        ensembles = _ensembles(folder, progress)
        task = progress.add_task("comparing", total=comparisons(len(ensembles), draws))
        rows = error_rates(
            ensembles,
            draws=draws,
            permutations=permutations,
            seed=seed,
            metric=metric,
            tick=lambda: progress.advance(task),
        )
    if report is not None:
        guarded(report, lambda folder: folder.mkdir(parents=True, exist_ok=True))
        guarded(report, lambda folder: fill_folder(folder, partial(writer.save, rows)))
        if no_picture:
            (report / writer.PICTURE).unlink(missing_ok=True)
    out = console()
    out.print(lay_out(writer.table(rows), wide=True))
    if report is not None:
        table, picture = report / writer.TABLE, report / writer.PICTURE
        if no_picture:
            typer.echo(f"table: {table}; {no_picture}")
        else:
            typer.echo(f"table and picture: {table}, {picture}")


def _ensembles(folder: Path, progress: Progress) -> list[Ensemble]:
    """Returns the runs of every sub-folder with at least two runs."""
    from harness.comparison.error_rates import Ensemble
    from harness.storage.logs import expand, read_runs

    if not folder.is_dir():
        msg = "no such folder; give a folder whose sub-folders each hold the runs of one system"
        raise PolicyError(msg, source=str(folder))
    ensembles = []
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    for path in progress.track(inner, description="reading systems"):
        runs = tuple(run for log in expand(str(path)) for run in read_runs(log))
        if len(runs) > 1:
            ensembles.append(Ensemble(name=path.name, runs=runs))
    if len(ensembles) < 2:
        msg = f"{len(ensembles)} systems with two runs or more; expected at least 2. Add systems."
        raise PolicyError(msg, source=str(folder))
    return ensembles

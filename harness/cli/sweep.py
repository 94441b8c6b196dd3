"""The command `harness sweep`, which trains the runs of a sweep and judges their ensembles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.comparison.pipeline import Comparison
    from harness.sweep.ensembles import Ensemble
    from harness.sweep.job import Job
    from harness.sweep.manifest import Sweep
    from harness.sweep.plan import Planned


def sweep(
    manifest: Annotated[Path, typer.Argument(help="The sweep to train.")] = Path("sweep.toml"),
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Words to add to the command of every run, after `--`.", show_default=False
        ),
    ] = None,
    *,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at a time. Default: `jobs` of the sweep.", metavar="N"),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            help="Train by an executor: the import path of a callable that returns a "
            "concurrent.futures.Executor, such as my_cluster:make_executor.",
            metavar="MODULE:CALLABLE",
        ),
    ] = "",
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Start no further run after the first that fails.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands, and train nothing.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write a report of every comparison of [compare] into this folder.", metavar="DIR"
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no progress: only failures and results.")
    ] = False,
) -> None:
    """Train every combination of seeds, devices and configs; record or judge the ensembles.

    Runs whose command ended with 0 and whose log is complete are finished, and are not trained
    again: repeat the command to continue an interrupted sweep. A run that fails does not stop the
    others. Control-C ends all runs. The exit status is 2 if a run is not finished, otherwise that
    of the worst comparison, or 0.

    Example: harness sweep sweep.toml --jobs 2
    """
    from harness.errors import HarnessError
    from harness.sweep.ensembles import ensembles
    from harness.sweep.foreseen import foreseen
    from harness.sweep.job import job_of
    from harness.sweep.manifest import read_sweep
    from harness.sweep.plan import plan
    from harness.sweep.state import Store
    from harness.sweep.training import train, unfinished
    from harness.system.executors import load
    from harness.system.running import EXIT_INTERRUPTED

    content = read_sweep(manifest)
    root = manifest.parent
    try:
        runs = plan(content, root, more=words or ())
        groups = ensembles(runs, content, stem=manifest.stem)
    except HarnessError as error:
        error.source = error.source or str(manifest)
        raise
    make = load(executor) if executor else None
    job = job_of(content, root, jobs=jobs, make=make, fail_fast=fail_fast)
    for text in foreseen(groups, content, root, Store(job.out)):
        _say(text)
    if dry_run:
        _show(runs, job)
        return
    try:
        outcome = train(runs, job, say=_quiet if quiet else _say)
    except KeyboardInterrupt:
        _say("interrupted, and all runs have ended; repeat the command to continue")
        sys.exit(EXIT_INTERRUPTED)
    if quiet:
        for name, reason in outcome.failed.items():
            _say(f"{name}: failed: {reason}")
    typer.echo(f"{len(outcome.finished)} of {len(runs)} runs are finished in {job.out}")
    complete = [g for g in groups if all(run.name in outcome.finished for run in g.runs)]
    status = _finish(complete, content, root, report)
    if outcome.failed:
        raise unfinished(outcome, len(runs))
    raise typer.Exit(status)


def _say(text: str) -> None:
    from harness.system.running import say

    say(f"sweep: {text}")


def _quiet(_: str) -> None:
    return


def _show(runs: Sequence[Planned], job: Job) -> None:
    """Prints the command of every run that would be trained."""
    from harness.report.escape import terminal
    from harness.sweep.plan import shown_command
    from harness.sweep.resume import left_of
    from harness.sweep.state import Store
    from harness.sweep.training import tell

    left = left_of(runs, Store(job.out), job.check)
    tell(left, len(runs), _say)
    begun = {run.name for run in left.begun}
    for run in runs:
        if run.name not in left.finished:
            device = "{device}" if run.pooled else ""
            resumed = run.name in begun and run.folder.exists()
            command = shown_command(run.argv(device, resumed=resumed), run.environment(device))
            typer.echo(terminal(command))


def _finish(complete: Sequence[Ensemble], content: Sweep, root: Path, report: Path | None) -> int:
    """Records and judges complete ensembles, and returns the exit status of the worst verdict.

    An error of one ensemble does not stop the others.

    Raises:
        HarnessError: the first error, after all ensembles.
    """
    from harness.errors import HarnessError
    from harness.report import verdicts
    from harness.report.escape import terminal
    from harness.sweep import ensembles

    words: list[str] = []
    errors: list[HarnessError] = []

    for ensemble in complete:
        try:
            if content.record is not None:
                typer.echo(terminal(ensembles.record(ensemble, content.record, content, root)))
            if ensemble.port is not None:
                comparison = ensembles.judge(ensemble, ensemble.port, content, root)
                words.append(str(comparison.verdict))
                _show_verdict(ensemble, comparison, report)
        except HarnessError as error:
            errors.append(error)
    for other in errors[1:]:
        typer.echo(f"error: {other}", err=True)
    if errors:
        raise errors[0]
    return verdicts.row(verdicts.worst(words)).exit_status if words else 0


def _show_verdict(ensemble: Ensemble, comparison: Comparison, report: Path | None) -> None:
    """Prints the verdict on an ensemble in one line, and writes its report."""
    from harness.comparison.result import judged
    from harness.ports.files import save_report
    from harness.report.ports.oneline import one_line

    typer.echo(one_line(judged(ensemble.name, comparison)))
    if report is not None:
        save_report(comparison, report / ensemble.name, command="harness sweep")

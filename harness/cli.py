"""The command line: `harness ...`. The only place where errors become an exit status."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli_baseline import SHELF, Baselines, baseline_app
from harness.cli_calibrate import calibrate
from harness.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.comparison import Comparison

EXIT = {"pass": 0, "fail": 1, "inconclusive": 3, "incomparable": 4}
EXIT_ERROR = 2
WORST_FIRST = ("fail", "incomparable", "inconclusive", "pass")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Does training on the target accelerator reproduce training on the GPU?\n\n"
    "Compares training logs and gives a verdict. Exit status: 0 pass, 1 fail, 2 unreadable input "
    "or bad usage, 3 inconclusive (the data cannot tell), 4 incomparable (not the same "
    "experiment).\n\nStart with: harness compare cuda.log sdaa.log --report reports/first",
)
app.add_typer(baseline_app, name="baseline")
app.command()(calibrate)


@app.command()
def compare(
    baseline: Annotated[
        str,
        typer.Argument(
            help="A log, several by comma, a quoted glob, a folder of seeds, a name in baselines/."
        ),
    ],
    candidate: Annotated[
        str,
        typer.Argument(
            help="The port's logs: one, several by comma, a quoted glob or a folder of seeds."
        ),
    ],
    *,
    metric: Annotated[str, typer.Option(help="Series to judge.")] = "loss",
    rank: Annotated[int, typer.Option(min=0, help="Rank whose series is judged.")] = 0,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="Rule that must pass, with limits: two-sided:rtol=0.02. Repeat for several. "
            "Known: equivalence, ensemble, tolerance, two-sided, exact, modelzoo. "
            "Default: equivalence within 2 %."
        ),
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Judge the last N common steps.")] = None,
    allow: Annotated[
        str, typer.Option(help="Facts that may differ, by comma, or all.", metavar="FACT,..")
    ] = "",
    json_to: Annotated[
        str,
        typer.Option(
            "--json", help="Write JSON to a file; - for standard output.", metavar="FILE|-"
        ),
    ] = "",
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write report.html, report.md, comparison.json and plots into a folder.",
            metavar="DIR",
        ),
    ] = None,
    baselines: Baselines = SHELF,
) -> None:
    """Compare a candidate's log with a baseline's, judge, and report.

    Example: harness compare cuda.log sdaa.log --rule equivalence --report reports/ccnet
    """
    from harness.comparison import compare as compare_runs
    from harness.judge import DEFAULT_RULES, Policy
    from harness.report import json
    from harness.report.repeat import repeat_command
    from harness.resolve import load
    from harness.rules import parse_rule

    policy = Policy(
        metric=metric,
        rank=rank,
        rules=tuple(parse_rule(text) for text in rule) if rule else DEFAULT_RULES,
        allow=tuple(name.strip() for name in allow.split(",") if name.strip()),
        last=last,
    )
    comparison = compare_runs(
        load(baseline, baselines=baselines), load(candidate, baselines=baselines), policy
    )
    if json_to == "-":
        sys.stdout.write(json.render(comparison))
    else:
        _print_report(comparison)
    if json_to not in {"", "-"}:
        _write(Path(json_to), json.render(comparison))
    if report is not None:
        shelf = None if baselines == SHELF else str(baselines)
        command = repeat_command(
            comparison, baseline=baseline, candidate=candidate, baselines=shelf
        )
        _save_report(comparison, report, command=command, echo=json_to != "-")
    raise typer.Exit(EXIT[comparison.verdict])


@app.command()
def check(
    manifest: Annotated[Path, typer.Argument(help="The manifest.")] = Path("ports.toml"),
    *,
    report: Annotated[
        Path | None, typer.Option(help="Write a report of every port into a folder.", metavar="DIR")
    ] = None,
) -> None:
    """Check every port of a manifest. The exit status is that of the worst port.

    A port whose logs cannot be read is an error, and does not stop the others.
    """
    from rich.console import Console
    from rich.progress import Progress

    from harness.manifest import compare_port, read_manifest
    from harness.report import check_table
    from harness.report.text import console

    entries = read_manifest(manifest).port
    outcomes: list[check_table.Outcome] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for port in progress.track(entries, description="checking ports"):
            try:
                comparison = compare_port(port, manifest.parent)
            except HarnessError as error:
                outcomes.append(check_table.Outcome(port=port.name, error=str(error)))
                continue
            outcomes.append(check_table.Outcome(port=port.name, comparison=comparison))
            if report is not None:
                command = f"harness check {shlex.quote(str(manifest))}"
                _save_report(comparison, report / port.name, command=command, echo=False)
    check_table.write(outcomes, console())
    if report is not None:
        typer.echo(f"reports in {report}")
    if any(outcome.comparison is None for outcome in outcomes):
        raise typer.Exit(EXIT_ERROR)
    verdicts = {str(o.comparison.verdict) for o in outcomes if o.comparison is not None}
    raise typer.Exit(EXIT[next(v for v in WORST_FIRST if v in verdicts)])


@app.command()
def parse(
    log: Annotated[str, typer.Argument(help="The log to read.")],
    *,
    json_to: Annotated[
        str,
        typer.Option(
            "--json", help="Write JSON to a file; - for standard output.", metavar="FILE|-"
        ),
    ] = "",
    csv: Annotated[
        Path | None, typer.Option(help="Write all records as a tidy table.", metavar="FILE")
    ] = None,
) -> None:
    """Show what a log says: facts, series, counts, and what was skipped and why."""
    from harness.report import run
    from harness.report.text import console
    from harness.store import read_run

    read = read_run(log)
    if json_to == "-":
        sys.stdout.write(run.render_json(read))
    else:
        run.write(read, console())
        if json_to:
            _write(Path(json_to), run.render_json(read))
    if csv is not None:
        _write(csv, read.frame().to_csv(index=False))


@app.command()
def loss(
    sdaa_log: Annotated[str, typer.Option("--sdaa-log", help="Log of the port.", metavar="F")],
    cuda_log: Annotated[str, typer.Option("--cuda-log", help="Log of the GPU.", metavar="F")],
) -> None:
    """Print what the published loss.py prints, and write loss.jpg into the current folder.

    The rule is kept bug for bug (signed means, one of two one-sided limits) so that old verdicts
    can be reproduced; `harness compare` says where it is blind.
    """
    from harness.align import select
    from harness.report import published as writer
    from harness.rules.modelzoo import published
    from harness.store import read_run

    cuda = select(read_run(cuda_log), "loss", 0)[0]
    sdaa = select(read_run(sdaa_log), "loss", 0)[0]
    result = published(cuda.values, sdaa.values)
    for line in writer.lines(result):
        typer.echo(line)
    _guard(Path("loss.jpg"), lambda path: writer.plot(cuda, sdaa, path))
    raise typer.Exit(EXIT["pass" if result.passes else "fail"])


def _print_report(comparison: Comparison) -> None:
    from harness.report import text

    text.write(comparison, text.console())


def _save_report(comparison: Comparison, folder: Path, *, command: str, echo: bool) -> None:
    from harness.report import html, json, markdown, plot

    def write(path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "comparison.json").write_text(json.render(comparison), encoding="utf-8")
        (path / "report.html").write_text(
            html.render(comparison, command=command), encoding="utf-8"
        )
        plot.save(comparison, path)
        page = markdown.render(comparison, picture="comparison.png")
        (path / "report.md").write_text(page, encoding="utf-8")

    _guard(folder, write)
    if echo:
        typer.echo(f"report: {folder / 'report.html'}, picture: {folder / 'comparison.png'}")


def _write(path: Path, text: str) -> None:
    _guard(path, lambda where: where.write_text(text, encoding="utf-8"))


def _guard(path: Path, write: Callable[[Path], object]) -> None:
    try:
        write(path)
    except OSError as error:
        msg = f"cannot be written: {error.strerror or error}. Choose another place."
        raise HarnessError(msg, source=str(path)) from error


def main() -> None:
    """Runs the command line; a user's error is one line on standard error and status 2."""
    try:
        app()
    except HarnessError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_ERROR)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_ERROR)


if __name__ == "__main__":
    main()

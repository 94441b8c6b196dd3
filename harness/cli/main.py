"""The command line: `harness ...`. The only place where errors become an exit status."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.baseline import SHELF, Baselines, baseline_app
from harness.cli.calibrate import calibrate
from harness.cli.check import check
from harness.cli.explain import explain
from harness.cli.history import history as show_history
from harness.cli.options import EXIT, Pattern, Quiet

if TYPE_CHECKING:
    from harness.comparison.pipeline import Comparison

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Does training on the target accelerator reproduce training on the GPU?\n\n"
    "Compares training logs and gives a verdict. Exit status: 0 pass, 1 fail, 2 unreadable input "
    "or bad usage, 3 inconclusive (the data cannot tell), 4 incomparable (not the same "
    "experiment).\n\nStart with one of these three:\n\n"
    "harness compare cuda.log sdaa.log --report reports/first  (judge a pair)\n\n"
    "harness baseline add NAME gpu_seed_*.log --origin URL  (record the GPU's seeds)\n\n"
    "harness check --report reports  (judge every port of ports.toml)",
)


def _show_version(asked: bool) -> None:
    if asked:
        from harness.version import tool_version

        typer.echo(f"harness {tool_version()}")
        raise typer.Exit


@app.callback()
def common(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Has the options that stand before a command."""


@app.command()
def compare(
    baseline: Annotated[
        str,
        typer.Argument(
            help="A log, several by comma, a quoted glob, a folder of seeds, a name in baselines/; "
            "- for standard input; a URL, read within 120 s and 8 GiB (10 s for each answer)."
        ),
    ],
    candidate: Annotated[
        str,
        typer.Argument(
            help="The port's logs: one, several by comma, a quoted glob or a folder of seeds."
        ),
    ],
    *,
    metric: Annotated[
        str,
        typer.Option(help="Series to judge; A=B: the baseline's A against the candidate's B."),
    ] = "loss",
    rank: Annotated[int, typer.Option(min=0, help="Rank whose series is judged.")] = 0,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="Rule that must pass, with parameters: two-sided:rtol=0.02. Repeat for several. "
            "`harness rules` lists them. Default: seed-variation where the baseline has 5 seeds "
            "or more (with 5 candidate runs or more, equivalence must not fail either), else "
            "equivalence within 2 %."
        ),
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Judge the last N common steps.")] = None,
    until: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Judge the run up to this step on purpose, where a log ends before the run does. "
            "The verdict carries it.",
        ),
    ] = None,
    min_steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Common records (steps times the runs of the smaller side) below which nothing "
            "passes. Default: 50; 1 for a validation figure.",
        ),
    ] = None,
    max_missing: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Fraction of the common range that may be missing on one side."
        ),
    ] = 0.0,
    allow: Annotated[
        str,
        typer.Option(
            help="Facts that may differ, by comma, or all; series.NAME or ranks: what the "
            "candidate need not log.",
            metavar="FACT,..",
        ),
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
    pattern: Pattern = None,
    quiet: Quiet = False,
    baselines: Baselines = SHELF,
) -> None:
    """Compare a candidate's log with a baseline's, judge, and report.

    Example: harness compare cuda.log sdaa.log --rule equivalence --report reports/ccnet
    """
    from harness.comparison.judge import DEFAULT_RULES, Policy
    from harness.comparison.pipeline import compare as compare_runs
    from harness.ports.files import save_report
    from harness.report.comparison import json
    from harness.report.comparison.repeat import repeat_command
    from harness.storage.inputs import load_sides
    from harness.system.whole import write_text

    policy = Policy(
        metric=metric,
        rank=rank,
        rules=rule or DEFAULT_RULES,
        allow=tuple(name.strip() for name in allow.split(",") if name.strip()),
        last=last,
        steps=None if until is None else (0, until),
        min_steps=min_steps,
        max_missing=max_missing,
    )
    sides = load_sides(baseline, candidate, baselines=baselines, pattern=pattern)
    comparison = compare_runs(*sides, policy)
    if json_to not in {"", "-"}:
        write_text(Path(json_to), json.render(comparison))
    if report is not None:
        shelf = None if baselines == SHELF else str(baselines)
        command = repeat_command(
            comparison, baseline=baseline, candidate=candidate, baselines=shelf
        )
        save_report(comparison, report, command=command)
    if json_to == "-":
        sys.stdout.write(json.render(comparison))
    elif quiet:
        _print_line(comparison)
    else:
        _print_report(comparison)
        if report is not None:
            typer.echo(f"report: {report / 'report.html'}, picture: {report / 'comparison.png'}")
    raise typer.Exit(EXIT[comparison.verdict])


@app.command()
def parse(
    log: Annotated[
        str,
        typer.Argument(
            help="The log to read: a path, - for standard input, or a URL, read within 120 s and "
            "8 GiB (10 s for each answer)."
        ),
    ],
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
    pattern: Pattern = None,
) -> None:
    """Show what a log says: facts, series, counts, and what was skipped and why."""
    from harness.errors import PolicyError
    from harness.parse.formats.pattern import Pattern as OwnFormat
    from harness.report import run as writer
    from harness.report.screen import console
    from harness.storage.logs import read_runs
    from harness.system.whole import write_text

    found = read_runs(log, pattern=pattern)
    if pattern and not any(OwnFormat.name in read.formats for read in found):
        msg = f"no line matches the pattern {pattern!r}; other formats were found in it"
        raise PolicyError(msg, source=log)
    text = writer.render_json(*found) if json_to else ""
    if json_to not in {"", "-"}:
        write_text(Path(json_to), text)
    if csv is not None:
        write_text(csv, writer.table(found).to_csv(index=False))
    if json_to == "-":
        sys.stdout.write(text)
        return
    for read in found:
        writer.write(read, console())


app.command()(check)
app.command("history")(show_history)
app.add_typer(baseline_app, name="baseline")
app.command()(explain)
app.command()(calibrate)


@app.command()
def formats() -> None:
    """List the log formats that are recognised, with a line of each."""
    from harness.report import formats as writer
    from harness.report.screen import console

    writer.write(console())


@app.command()
def rules() -> None:
    """List the rules with their parameters, those of installed packages included.

    Example: harness rules
    """
    from harness.report import rules as writer
    from harness.report.screen import console

    writer.write(console())


@app.command()
def loss(
    sdaa_log: Annotated[str, typer.Option("--sdaa-log", help="Log of the port.", metavar="F")],
    cuda_log: Annotated[str, typer.Option("--cuda-log", help="Log of the GPU.", metavar="F")],
) -> None:
    """Print what the published loss.py prints, and write loss.jpg into the current folder.

    The rule is kept bug for bug (signed means, one of two one-sided limits) so that old verdicts
    can be reproduced; `harness compare` says where it is blind.
    """
    from harness.align.aligned import select
    from harness.report import published as writer
    from harness.rules.modelzoo import published
    from harness.storage.logs import read_run
    from harness.system.whole import fill_folder, guarded

    cuda = select(read_run(cuda_log), "loss", 0)[0]
    sdaa = select(read_run(sdaa_log), "loss", 0)[0]
    result = published(cuda.values, sdaa.values)
    picture = Path("loss.jpg")
    guarded(
        picture,
        lambda path: fill_folder(
            path.parent, lambda folder: writer.plot(cuda, sdaa, folder / path.name)
        ),
    )
    for line in writer.lines(result):
        typer.echo(line)
    raise typer.Exit(EXIT["pass" if result.passes else "fail"])


def _print_report(comparison: Comparison) -> None:
    from harness.report import screen
    from harness.report.comparison import text

    text.write(comparison, screen.console())


def _print_line(comparison: Comparison) -> None:
    from harness.comparison.result import judged
    from harness.report.ports import oneline

    typer.echo(oneline.one_line(judged("", comparison)))

"""The command line: `harness ...`. The only place where errors become an exit status."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.accept import accept
from harness.cli.baseline import SHELF, Baselines, baseline_app
from harness.cli.calibrate import calibrate
from harness.cli.check import check
from harness.cli.collect import collect
from harness.cli.completing import baseline_names, fact_names, rule_names
from harness.cli.completion import completion
from harness.cli.explain import explain
from harness.cli.gate import gate
from harness.cli.history import history as show_history
from harness.cli.locate import Locate, locate
from harness.cli.merge import merge
from harness.cli.options import Baseline, JsonTo, Pattern, Quiet, To
from harness.cli.sweep import sweep
from harness.report import verdicts

if TYPE_CHECKING:
    from harness.comparison.pipeline import Comparison
    from harness.log.run import Run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Does training on the target accelerator reproduce training on the GPU?\n\n"
    "Compares the training logs of a port with those of the GPU. The exit status is the verdict:"
    "\n\n\b\n"
    "0  pass          evidence that the port reproduces the baseline\n"
    "1  fail          evidence that it does not\n"
    "2  -             unreadable input, bad usage, or an error\n"
    "3  inconclusive  the data cannot decide; the report says which data would\n"
    "4  incomparable  the two sides are different experiments\n\n"
    "Start with one of these commands:\n\n\b\n"
    "harness compare gpu.log port.log --report reports/first\n"
    "    judges a pair of logs and writes a report\n"
    "harness baseline add NAME gpu_seed_*.log --origin URL\n"
    "    records runs of the GPU with different seeds as a baseline\n"
    "harness check --report reports\n"
    "    judges every port that ports.toml lists\n"
    "harness locate\n"
    "    says how to find what is behind a failed verdict",
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
    """Declares the options that precede a command."""


@app.command()
def compare(
    baseline: Baseline,
    candidate: Annotated[
        str | None,
        typer.Argument(
            help="The port's runs, named in the same ways. Leave it out if BASELINE is a file that "
            "holds both sides (two blocks of losses, `=== CUDA ===` and `=== SDAA ===`).",
            show_default=False,
            autocompletion=baseline_names,
        ),
    ] = None,
    *,
    metric: Annotated[
        str,
        typer.Option(
            help="Series to judge. A=B compares A of the baseline with B of the candidate."
        ),
    ] = "loss",
    rank: Annotated[int, typer.Option(min=0, help="Rank whose series is judged.")] = 0,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="Rule that must pass, with its parameters: two-sided:rtol=0.02. Repeat the option "
            "to require more rules. `harness rules` lists them. Default: same-start if "
            "all logs state the same start; final-metric against a published result; otherwise "
            "seed-variation if the baseline has 5 seeds or more (equivalence must not fail either "
            "if the candidate has 5 runs or more), otherwise moderated.",
            autocompletion=rule_names,
        ),
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Judge the last N common steps.")] = None,
    until: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Judge only the steps up to this one, for a log that ends before the training "
            "does. The verdict states the step.",
        ),
    ] = None,
    min_steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Smallest number of common records (steps times the runs of the smaller side) "
            "for a pass. Default: 50; 1 for a validation metric.",
        ),
    ] = None,
    max_missing: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Fraction of the common steps that may be missing on one side."
        ),
    ] = 0.0,
    allow: Annotated[
        str,
        typer.Option(
            help="Facts that may differ, separated by commas, or all. series.NAME and ranks waive "
            "series and ranks that the candidate does not log.",
            metavar="FACT,..",
            autocompletion=fact_names,
        ),
    ] = "",
    json_to: JsonTo = "",
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write report.html, report.md, comparison.json and plots into this folder.",
            metavar="DIR",
        ),
    ] = None,
    pattern: Pattern = None,
    to: To = None,
    quiet: Quiet = False,
    baselines: Baselines = SHELF,
) -> None:
    """Judge whether a port reproduces a baseline, and print why.

    Prints the verdict with its reasons, both curves, the facts of both sides, the figures of every
    rule, the errors, the steps that were left out, and the inputs. --quiet prints one line.

    Example: harness compare gpu.log port.log --rule equivalence --report reports/ccnet
    """
    from harness.comparison.judge import DEFAULT_RULES, Policy
    from harness.comparison.pipeline import compare as compare_runs
    from harness.ports.files import save_report
    from harness.report.comparison import json
    from harness.report.comparison.repeat import repeat_command
    from harness.storage.inputs import load_sides
    from harness.system.whole import write_text

    if to:
        from harness.trackers.publish import check_names

        check_names(to)
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
    if candidate is None:
        sides = _both_sides(baseline, pattern)
    else:
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
        _say_where(report, aside=bool(quiet or json_to == "-"))
    if to:
        from harness.cli.finish import write_to
        from harness.ports.publications import publication

        write_to(to, [publication(comparison, candidate or baseline, report)])
    raise typer.Exit(verdicts.row(comparison.verdict).exit_status)


@app.command()
def parse(
    log: Annotated[
        str,
        typer.Argument(
            help="The log to read: a path, a run of a tracker (mlflow:EXPERIMENT/RUN), - for "
            "standard input, or a URL (at most 120 s and "
            "8 GiB; 10 s for each answer)."
        ),
    ],
    *,
    json_to: JsonTo = "",
    csv: Annotated[
        Path | None,
        typer.Option(help="Write all records as a tidy CSV table to this file.", metavar="FILE"),
    ] = None,
    pattern: Pattern = None,
) -> None:
    """Show what was read from a log, what was skipped, and why.

    Prints one sentence on the run, then facts, series, counts and skipped lines. Use it before a
    comparison, to see whether the log was read as you expect.

    Example: harness parse port.log
    """
    from harness.errors import PolicyError
    from harness.parse.formats.pattern import Pattern as OwnFormat
    from harness.report import run as writer
    from harness.report.screen import console
    from harness.storage.logs import read_runs
    from harness.system.whole import write_text

    runs = read_runs(log, pattern=pattern)
    if pattern and not any(OwnFormat.name in run.formats for run in runs):
        msg = f"no line matches the pattern {pattern!r}, but lines match other formats; correct it"
        raise PolicyError(msg, source=log)
    text = writer.render_json(*runs) if json_to else ""
    if json_to not in {"", "-"}:
        write_text(Path(json_to), text)
    if csv is not None:
        write_text(csv, writer.to_csv(runs))
    if json_to == "-":
        sys.stdout.write(text)
        return
    for run in runs:
        writer.write(run, console())


app.command()(check)
app.command()(collect)
app.command()(merge)
app.command()(accept)
app.command()(sweep)
app.command("history")(show_history)
app.add_typer(baseline_app, name="baseline")
app.command()(explain)
app.command(cls=Locate)(locate)
app.command()(calibrate)
app.command()(gate)
app.command()(completion)


@app.command()
def formats() -> None:
    """List the log formats that are recognised, each with an example line.

    Example: harness formats
    """
    from harness.report import formats as writer
    from harness.report.screen import console
    from harness.system.plugins import installed_formats

    writer.write(console(), installed_formats())


@app.command()
def rules() -> None:
    """List the rules with their parameters, including rules of installed packages.

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
    """Reproduce a verdict of the published loss.py, bug for bug.

    Prints the same lines and writes loss.jpg into the current folder. The rule keeps the bugs: its
    means are signed, and either of two one-sided limits suffices. `harness compare --rule modelzoo`
    prints what the rule cannot see.

    Example: harness loss --sdaa-log port.log --cuda-log gpu.log
    """
    from harness.align.aligned import select
    from harness.report import figures
    from harness.report import published as writer
    from harness.rules.modelzoo import published
    from harness.storage.logs import read_run
    from harness.system.whole import fill_folder, guarded

    cuda = select(read_run(cuda_log), "loss", 0)[0]
    sdaa = select(read_run(sdaa_log), "loss", 0)[0]
    result = published(cuda.values, sdaa.values)
    picture, no_picture = Path("loss.jpg"), figures.missing()
    if no_picture:
        guarded(picture, lambda path: path.unlink(missing_ok=True))  # of an earlier pair
        typer.echo(f"note: {no_picture}", err=True)
    else:
        guarded(
            picture,
            lambda path: fill_folder(
                path.parent, lambda folder: writer.plot(cuda, sdaa, folder / path.name)
            ),
        )
    for line in writer.lines(result):
        typer.echo(line)
    raise typer.Exit(verdicts.row("pass" if result.passes else "fail").exit_status)


def _say_where(report: Path, *, aside: bool) -> None:
    """Prints where the report is. `aside` if standard output is for the verdict alone."""
    from harness.ports.files import PAGE, PICTURE
    from harness.report import figures

    no_picture = figures.missing()
    if not aside:
        picture = f"; {no_picture}" if no_picture else f", picture: {report / PICTURE}"
        typer.echo(f"report: {report / PAGE}{picture}")
    elif no_picture:
        typer.echo(f"note: {no_picture}", err=True)


def _both_sides(log: str, pattern: str | None) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The runs of both sides of one file; a file without a pair is bad usage."""
    from harness.errors import PolicyError
    from harness.storage.inputs import load_pair

    try:
        return load_pair(log, pattern=pattern)
    except PolicyError as error:
        raise typer.BadParameter(str(error), param_hint="CANDIDATE") from error


def _print_report(comparison: Comparison) -> None:
    from harness.report import screen
    from harness.report.comparison import text

    text.write(comparison, screen.console())


def _print_line(comparison: Comparison) -> None:
    from harness.comparison.result import judged
    from harness.report.ports import oneline

    typer.echo(oneline.one_line(judged("", comparison)))

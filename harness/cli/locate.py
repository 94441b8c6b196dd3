"""The command `harness locate`, which leads from a failed verdict to what differs first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from harness.cli.options import JsonTo
from harness.errors import PolicyError

if TYPE_CHECKING:
    from harness.locate.result import Located

CHILD = "harness.capture"
"""The package that runs inside a training; it needs torch, so it has a separate process."""
MODES = ("record", "replay", "ablate")
"""First words of the commands of that package; it reads all that follow."""
REPORTS = Path("reports")
_PASSED_ON = "harness.locate"


class Locate(TyperCommand):
    """A command whose first word may name a mode; the words behind it are left unread."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # typer's base class is private
        """Returns the words that are left, after the options of this command are read."""
        if args and args[0] in MODES:
            ctx.meta[_PASSED_ON] = tuple(args)
            args = []
        return super().parse_args(ctx, args)


def _modes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the modes that a shell offers for the first word."""
    first = not (ctx.params.get("paths") or ctx.meta.get(_PASSED_ON))
    return [mode for mode in MODES if first and mode.startswith(incomplete)]


def locate(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Two captures, the baseline's first; or the folder or comparison.json of a report "
            "of `harness compare`; or nothing for the newest report below reports/.",
            metavar="[BASELINE CANDIDATE | REPORT]",
            show_default=False,
            autocompletion=_modes,
        ),
    ] = None,
    *,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write locate.html and locate.json into this folder. A comparison's report in it "
            "gets a link.",
            metavar="DIR",
        ),
    ] = None,
    json_to: JsonTo = "",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print one line: outcome and what differs first.")
    ] = False,
    top: Annotated[
        int, typer.Option(min=1, help="Number of tensors to list that differ first.")
    ] = 10,
) -> None:
    """Find what differs first between two sides: stage, module, operator, line.

    Without a path, reads the newest report of `harness compare` below
    reports/ and names the search to run next. With two captures, compares
    them tensor by tensor. Their twins, beside them as gpu.twin1.capture,
    gpu.twin2.capture, show how far rounding goes. Torch is not needed.

    Three modes run inside your training program and need torch; `--help`
    behind each describes it. `harness locate record gpu.capture -- train.py`
    makes a capture and its twins. `harness locate replay -- train.py` checks
    every operator of one side against the CPU. `harness locate ablate gpu.log
    --on-cpu aten::_softmax --log port.log -- train.py` trains with an operator
    on the CPU and judges the log again.

    The exit status is 0 if nothing differs, 1 if a difference is located, 2
    for unreadable input, 3 if the captures cannot decide, and 4 if the sides
    start differently.

    Example: harness locate gpu.capture port.capture --report reports/first
    """
    words = ctx.meta.get(_PASSED_ON)
    if words:
        from harness.system.children import run_module

        raise typer.Exit(run_module(CHILD, words, needs="torch", extra="capture"))
    given = paths or []
    if len(given) > 2:
        msg = f"{len(given)} paths; expected two captures, one report, or none"
        raise typer.BadParameter(msg)
    if len(given) == 2:
        raise typer.Exit(_compare(*given, report=report, json_to=json_to, quiet=quiet, top=top))
    if report is not None or json_to or quiet:
        msg = "--report, --json and --quiet need two captures: harness locate BASELINE CANDIDATE"
        raise PolicyError(msg)
    _advise(given[0] if given else None)


def _compare(
    baseline: str, candidate: str, *, report: Path | None, json_to: str, quiet: bool, top: int
) -> int:
    """Compares two captures, writes and prints the result, and returns its exit status."""
    from harness.locate.compare import compare_captures
    from harness.ports.files import save_located
    from harness.report import verdicts
    from harness.report.locate import json
    from harness.storage.captures import read_side
    from harness.system.whole import write_text

    ours, theirs = read_side(baseline), read_side(candidate)
    located = compare_captures(
        ours.run, theirs.run, baseline_twins=ours.twins, candidate_twins=theirs.twins
    )
    if json_to not in {"", "-"}:
        write_text(Path(json_to), json.render(located))
    if report is not None:
        save_located(located, report)
    if json_to == "-":
        sys.stdout.write(json.render(located))
    else:
        _print(located, quiet=quiet, top=top)
        if report is not None and not quiet:
            typer.echo(f"report: {report / 'locate.html'}")
    return verdicts.row(located.outcome).exit_status


def _print(located: Located, *, quiet: bool, top: int) -> None:
    from harness.report.locate import text
    from harness.report.screen import console

    if quiet:
        text.write_line(located, console())
    else:
        text.write(located, console(), top=top)


def _advise(named: str | None) -> None:
    """Prints which search to run after a comparison: the named one, or the newest."""
    from harness.locate.advice import advise
    from harness.ports.comparisons import newest_comparison, read_comparison
    from harness.report.locate import text
    from harness.report.screen import console

    if named is not None and named.endswith(".capture"):
        msg = "one capture; expected two, the baseline's first: harness locate BASELINE CANDIDATE"
        raise PolicyError(msg, source=named)
    source = newest_comparison(REPORTS) if named is None else Path(named)
    text.write_advice(advise(read_comparison(source)), str(source), console())

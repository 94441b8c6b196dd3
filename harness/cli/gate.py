"""The command `harness gate`, which proposes limits from a history of good runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.baseline import SHELF, Baselines
from harness.cli.completing import baseline_names, fact_names
from harness.cli.options import JsonTo, Pattern
from harness.errors import HistoryError, PolicyError
from harness.gate.worse import Worse
from harness.report import verdicts

if TYPE_CHECKING:
    from harness.gate.figures import History

CANDIDATE = "logs/NEW.log"
"""Where the lines for a manifest expect the next run."""
NEW = "NEW"
"""What they call the next run of a tracker."""


def gate(
    history: Annotated[
        str,
        typer.Argument(
            help="Good runs: a folder of logs, a quoted glob, logs separated by commas, a "
            "tracker's runs, or the name of a recorded baseline. With --history, the name of a "
            "port.",
            autocompletion=baseline_names,
        ),
    ],
    *,
    metric: Annotated[
        str,
        typer.Option(
            help="Series to limit, such as val.mIoU, ips, memory or loss; "
            "`harness parse` lists the series of a log."
        ),
    ] = "loss",
    rank: Annotated[int, typer.Option(min=0, help="Rank whose series is used.")] = 0,
    last: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Use the mean of the last N records of each run. Default: the last record of a "
            "validation metric, the last 35 % of the records of another series.",
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Fraction of good runs that the gate may fail.", metavar="R")
    ] = 0.01,
    worse: Annotated[
        Worse, typer.Option(help="Direction in which the metric gets worse.")
    ] = Worse.BOTH,
    runs: Annotated[
        int, typer.Option(min=1, help="Number of candidate runs whose mean the gate judges.")
    ] = 1,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Run to leave out of the history. Repeat it for more.", metavar="NAME"),
    ] = None,
    allow: Annotated[
        str,
        typer.Option(
            help="Facts in which the runs may differ, separated by commas, or all.",
            metavar="FACT,..",
            autocompletion=fact_names,
        ),
    ] = "",
    stored: Annotated[
        str,
        typer.Option(
            "--history",
            help="Take the relative differences of a port's passed checks from this database.",
            metavar="FILE|URL",
        ),
    ] = "",
    name: Annotated[str, typer.Option(help="Name of the port in the lines.")] = "NAME",
    json_to: JsonTo = "",
    pattern: Pattern = None,
    baselines: Baselines = SHELF,
) -> None:
    """Propose limits for a figure from a history of good runs.

    Prints the limits with their rate of false alarms, the smallest regression that they notice
    with 80 and 90 % probability, how many runs would halve it, drift and outliers in the history,
    and the lines for ports.toml. The exit status is 0 if a gate is proposed, and 3 if the history
    is too small, drifts, or does not support the rate.

    Example: harness gate logs/good --metric val.mIoU --worse lower
    """
    from harness.gate.propose import propose
    from harness.report.gate import json, manifest, text
    from harness.report.screen import console
    from harness.storage.places import is_tracker
    from harness.system.whole import write_text
    from harness.trackers.naming import run_in

    if stored:
        _only_differences(metric=metric != "loss", rank=rank > 0, last=last is not None,
                          allow=bool(allow), pattern=pattern is not None)  # fmt: skip
        values = _of_checks(history, stored).without(without or ())
    else:
        allowed = tuple(name.strip() for name in allow.split(",") if name.strip())
        choice = {"rank": rank, "last": last, "allow": allowed, "without": without or ()}
        values = _of_logs(history, metric, choice, pattern=pattern, shelf=baselines)
    proposal = propose(values, rate=rate, worse=worse, runs=runs)
    port = history if stored else name
    single = "," not in history and is_tracker(history)
    candidate = run_in(history, NEW) if single else CANDIDATE
    lines = manifest.lines(proposal, name=port, baseline=history, candidate=candidate)
    if json_to == "-":
        sys.stdout.write(json.render(proposal, lines))
    else:
        if json_to:
            write_text(Path(json_to), json.render(proposal, lines))
        text.write(proposal, lines, console())
    raise typer.Exit(verdicts.row("inconclusive" if proposal.refusals else "pass").exit_status)


def _of_logs(
    spec: str, metric: str, choice: dict[str, Any], *, pattern: str | None, shelf: Path
) -> History:
    from harness.gate.figures import history_of_runs, natural
    from harness.storage.inputs import load
    from harness.storage.places import is_tracker

    runs = load(spec, baselines=shelf, pattern=pattern)
    # Names that were listed are in the order of the list, a tracker's runs in that of their start.
    if "," not in spec and not is_tracker(spec):
        runs = tuple(sorted(runs, key=lambda run: natural(run.source)))
    return history_of_runs(runs, metric=metric, **choice)


def _only_differences(**given: bool) -> None:
    """Refuses options that choose figures of logs, if the history has differences alone.

    Raises:
        PolicyError: such an option is given.
    """
    options = ", ".join(f"--{name}" for name, asked in given.items() if asked)
    if options:
        msg = (
            f"{options} with --history: a stored check has its relative difference only; leave the "
            "option out, or name logs instead of a port"
        )
        raise PolicyError(msg)


def _of_checks(port: str, where: str) -> History:
    """Returns the relative differences of the passed checks of a port.

    Raises:
        HistoryError: the store cannot be read, or has no passed check of the port.
    """
    from harness.gate.figures import history_of_differences
    from harness.ports.history.store import check_exists, open_history

    check_exists(where)
    with open_history(where) as store:
        entries, shown = store.read(port), store.shown
    good = [
        (entry.commit[:12] or entry.when, entry.result.relative_difference)
        for entry in entries
        if entry.result.verdict == "pass"
    ]
    pairs = [(name, value) for name, value in good if value is not None]
    if not pairs:
        msg = (
            f"no passed check of a port {port!r}, of {len(entries)} stored; `harness history` "
            "lists the ports"
        )
        raise HistoryError(msg, source=shown)
    return history_of_differences([n for n, _ in pairs], [v for _, v in pairs])

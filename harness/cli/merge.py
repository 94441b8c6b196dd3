"""The command `harness merge`, which joins the results of all shards of a check."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from harness.cli.check import SHARDS
from harness.cli.finish import Outputs
from harness.cli.options import FalseDiscoveries, Quiet, To, Where, with_outputs


@with_outputs
def merge(
    shards: Annotated[
        list[Path] | None,
        typer.Argument(
            help="The files of all shards, or folders with them. Default: shards.",
            show_default=False,
        ),
    ] = None,
    *,
    report: Annotated[
        Path | None,
        typer.Option(
            help="The folder with the reports of all shards; write the index into it.",
            metavar="DIR",
        ),
    ] = None,
    false_discoveries: FalseDiscoveries = None,
    outputs: Outputs = MappingProxyType({}),
    history: Where = "",
    to: To = None,
    quiet: Quiet = False,
) -> None:
    """Join the results of `harness check --shard`. The exit status is that of the worst port.

    Prints and writes what `harness check` would have on one machine: only the times differ. A shard
    that is missing, damaged, given twice, or of another manifest, commit, run or version is an
    error.

    Example: harness merge shards --report reports --junit junit.xml
    """
    from datetime import date

    from harness.cli.finish import check_share, finish, refuse_overwriting
    from harness.ports.history.store import check_packages
    from harness.ports.merge import merge as merged
    from harness.ports.merge import shard_paths
    from harness.trackers.publish import check_names

    check_share(false_discoveries)
    check_names(to or ())
    if history:
        check_packages(history)
    paths = shard_paths(shards or [SHARDS])
    refuse_overwriting(paths, outputs, kind="the file of a shard")
    whole = merged(paths, report=report)
    finish(
        whole.results,
        report=report,
        outputs=outputs,
        history=history,
        quiet=quiet,
        false_discoveries=false_discoveries,
        commit=whole.commit,
        today=date.fromisoformat(whole.date),
        to=to or (),
    )

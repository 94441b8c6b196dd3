"""The command `harness check`, which judges every port of a manifest."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from harness.cli.finish import Outputs
from harness.cli.options import FalseDiscoveries, Quiet, To, Where, with_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from harness.cli.judging import Judge
    from harness.comparison.result import PortResult
    from harness.ports.check import Task
    from harness.ports.shards import Shard

SHARDS = Path("shards")


@with_outputs
def check(
    manifest: Annotated[Path, typer.Argument(help="The manifest to check.")] = Path("ports.toml"),
    *,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write a report of every port, and an index, into this folder.", metavar="DIR"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted check.")
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Time limit for each port in seconds; a port that exceeds it is an error. "
            "Default: 3600 if ports are judged in parallel (4 ports or more), otherwise none.",
            metavar="SECONDS",
        ),
    ] = None,
    false_discoveries: FalseDiscoveries = None,
    shard: Annotated[
        str,
        typer.Option(
            help="Judge part I of N only, with I from 1 to N, and write its results for `harness "
            "merge`, which writes the other outputs and the history.",
            metavar="I/N",
        ),
    ] = "",
    shards: Annotated[
        Path, typer.Option(help="The folder for the results of a shard.", metavar="DIR")
    ] = SHARDS,
    executor: Annotated[
        str,
        typer.Option(
            help="Judge ports by an executor: the import path of a callable that returns a "
            "concurrent.futures.Executor, such as my_cluster:make_executor.",
            metavar="MODULE:CALLABLE",
        ),
    ] = "",
    outputs: Outputs = MappingProxyType({}),
    history: Where = "",
    to: To = None,
    quiet: Quiet = False,
) -> None:
    """Judge every port of a manifest. The exit status is that of the worst port.

    Ports are judged in parallel, one process per core. A port whose logs cannot be read is an
    error; the others are judged all the same. --resume continues an interrupted check: ports whose
    entry and logs did not change are not judged again. --shard judges a part of the ports, so that
    several machines can share a check; `harness merge` joins the results. On GitHub Actions
    (GITHUB_ACTIONS is set), annotations and a step summary are written too.

    Example: harness check ports.toml --report reports --junit junit.xml
    """
    import os

    from harness.cli.finish import check_share, finish, refuse_overwriting
    from harness.cli.judging import judge_all, remove_left
    from harness.errors import PolicyError
    from harness.ports.history.store import check_packages
    from harness.ports.journal import Journal
    from harness.ports.shards import deal, parse_shard
    from harness.system.today import today
    from harness.trackers.publish import check_names

    part = parse_shard(shard) if shard else None
    if part is not None and outputs:
        msg = f"--{next(iter(outputs))} with --shard; give that option to `harness merge`"
        raise PolicyError(msg)
    if part is not None and false_discoveries is not None:
        msg = "--false-discoveries with --shard; give that option to `harness merge`"
        raise PolicyError(msg)
    if part is not None and to:
        msg = "--to with --shard; give that option to `harness merge`"
        raise PolicyError(msg)
    check_share(false_discoveries)
    check_names(to or ())
    if history:
        check_packages(history)
    if part is None and shards != SHARDS:
        msg = f"--shards {shards} without --shard I/N; name the shard to judge"
        raise PolicyError(msg)
    day = today(os.environ)
    judge = _judge(executor, limit)
    every = _tasks(manifest, report, day)
    refuse_overwriting([manifest], outputs, kind="the manifest")
    tasks = every
    if part is not None:
        tasks = [every[place] for place in deal([task.port.name for task in every], part)]
        _remove_results(shards / part.file_name)
    if report is not None:
        remove_left(every, report)
    name = part.file_name.removesuffix(".jsonl") if part else ""
    with Journal(manifest, resume=resume, part=name) as journal:
        if journal.unwritable and resume:
            typer.echo(f"note: results cannot be kept for --resume: {journal.unwritable}", err=True)
        results = judge_all(tasks, judge, journal, index=None if part else report)
    if part is not None:
        _write_results(every, results, part, shards / part.file_name, day)
    journal.finish()
    if part is not None:
        _end_shard(results, part, len(every), day, report=report, quiet=quiet)
    finish(
        results,
        report=report,
        outputs=outputs,
        history=history,
        quiet=quiet,
        false_discoveries=false_discoveries,
        today=day,
        to=to or (),
    )


def _judge(executor: str, limit: float | None) -> Judge:
    """Returns what judges ports: worker processes of this machine, or an executor."""
    from functools import partial

    from harness.errors import PolicyError
    from harness.ports.check import check_tasks
    from harness.ports.remote import check_by_executor
    from harness.system.executors import load

    if not executor:
        return partial(check_tasks, limit_s=limit)
    if limit is not None:
        msg = "--limit with --executor, whose workers are not ours to end; limit them there"
        raise PolicyError(msg)
    return partial(check_by_executor, make=load(executor))


def _tasks(manifest: Path, report: Path | None, day: date) -> list[Task]:
    """Returns a task for every port of a manifest."""
    from harness.ports.check import Task
    from harness.ports.manifest import entry_lines, read_manifest

    ports = read_manifest(manifest, today=day).port
    return [
        Task(port=p, manifest=manifest, line=n, report=report / p.name if report else None)
        for p, n in zip(ports, entry_lines(manifest, len(ports)), strict=True)
    ]


def _remove_results(path: Path) -> None:
    """Removes the results of an earlier check, so that a shard that is killed leaves none."""
    from harness.system.whole import guarded, stays_inside

    stays_inside(path.parent)
    guarded(path, lambda file: file.unlink(missing_ok=True))


def _write_results(
    every: Sequence[Task], results: Sequence[PortResult], part: Shard, path: Path, day: date
) -> None:
    import os

    from harness.ports.files import data_hash
    from harness.ports.publish import commit_of
    from harness.ports.shard_files import Placed, ShardResults, check_of, write_shard

    places = {task.port.name: place for place, task in enumerate(every)}
    commit = commit_of(os.environ, folder=every[0].manifest.parent)
    placed = [(places[result.port], result) for result in results]
    write_shard(
        path,
        ShardResults(
            check=check_of(every, commit=commit, environ=os.environ),
            shard=part,
            date=day.isoformat(),
            results=tuple(
                Placed(place=n, report=data_hash(r) if (r := every[n].report) else "", result=found)
                for n, found in placed
            ),
        ),
    )


def _end_shard(
    results: Sequence[PortResult],
    part: Shard,
    ports: int,
    day: date,
    *,
    report: Path | None,
    quiet: bool,
) -> NoReturn:
    """Prints the results of a shard, and exits with the status of its worst port."""
    from harness.cli.finish import leave, missing_pictures, show
    from harness.comparison.standing import dated
    from harness.log.wording import counted

    results = dated(results, day)
    if results:
        show(results, quiet=quiet)
    else:
        typer.echo(f"shard {part} has no port, because the manifest has {counted(ports, 'port')}")
    no_picture = missing_pictures(results, report)
    if no_picture and not quiet:
        typer.echo(f"note: {no_picture}")
    leave(results)

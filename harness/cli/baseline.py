"""The commands `harness baseline ...`: record runs, list, show and verify them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import BaselineError, HarnessError, PolicyError
from harness.log.wording import counted
from harness.system.filenames import shortened, unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.storage.recording import Recording

baseline_app = typer.Typer(no_args_is_help=True, help="Record runs as baselines, and look at them.")

Baselines = Annotated[
    Path, typer.Option("--baselines", help="Folder of recorded baselines.", metavar="DIR")
]
SHELF = Path("baselines")


@baseline_app.command("add")
def baseline_add(
    name: Annotated[str, typer.Argument(help="Name of the baseline: model, data set, device.")],
    logs: Annotated[list[str], typer.Argument(help="The logs, one a run; globs and folders too.")],
    *,
    origin: Annotated[
        str, typer.Option(help="Where the logs come from: a URL, a command, a commit.")
    ],
    description: Annotated[str, typer.Option(help="One line for `harness baseline list`.")] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite a recorded baseline.")
    ] = False,
    baselines: Baselines = SHELF,
) -> None:
    """Record the runs of some logs: figures, facts and hashes; the logs themselves stay out."""
    from harness.quality.runset import mixed
    from harness.storage.baselines import record
    from harness.storage.logs import expand, read_runs
    from harness.storage.recording import SERIES_NAME, TOML

    reason = unfit(name)
    if reason:
        msg = f"{shortened(name)!r} is no name for a folder: it {reason}; use letters, digits, -, _"
        raise PolicyError(msg)
    paths = [
        path
        for spec in logs
        for path in expand(spec)
        if not (SERIES_NAME.fullmatch(Path(path).name) and Path(path).with_name(TOML).is_file())
    ]  # the figures of a recording in the same folder are no log
    runs = [run for path in paths for run in read_runs(path)]
    mixture = mixed(runs)
    if mixture:
        msg = f"not repetitions of one experiment: {mixture}; record each experiment by itself"
        raise PolicyError(msg)
    recording = record(
        baselines / name, runs, origin=origin, description=description, replace=replace
    )
    count = sum(len(series) for run in runs for series in run.series)
    typer.echo(f"recorded {counted(len(runs), 'run')}, {count} values in {recording.folder}")
    _noise_floor(recording)


@baseline_app.command("list")
def baseline_list(*, baselines: Baselines = SHELF) -> None:
    """List the recorded baselines. A damaged one is an error, and stops no other."""
    folders = _each(baselines, (), lambda recording: [_in_list(recording)])
    if not folders:
        typer.echo(f"no baseline in {baselines}; record one with `harness baseline add`")


def _in_list(recording: Recording) -> str:
    runs = recording.meta["runs"]
    return f"{recording.name}: {counted(len(runs), 'run')}. {recording.meta.get('description', '')}"


@baseline_app.command("show")
def baseline_show(
    name: Annotated[str, typer.Argument(help="Name of the baseline.")],
    *,
    whole: Annotated[
        bool, typer.Option("--all", help="Show facts and series of every run.")
    ] = False,
    baselines: Baselines = SHELF,
) -> None:
    """Show what a baseline holds: provenance, noise floor, facts, and what differs by run."""
    from harness.report import recording as summary
    from harness.report import run
    from harness.report.escape import terminal
    from harness.report.screen import console
    from harness.storage.baselines import load_runs, open_recording

    recording = open_recording(baselines / name)
    for line in (f"{recording.name}: {recording.meta.get('description', '')}",
                 f"origin: {recording.meta.get('origin', '')}"):  # fmt: skip
        typer.echo(terminal(line))
    _noise_floor(recording)
    runs = load_runs(recording)
    if not whole:
        summary.write(runs, console())
        return
    for one in runs:
        run.write(one, console())


def _noise_floor(recording: Recording) -> None:
    """Prints what the seeds of a baseline change, and what they hide."""
    from harness.report import noise
    from harness.report.screen import console, lay_out
    from harness.storage.baselines import recorded_spread

    floor = recorded_spread(recording)
    if floor is not None:
        console().print(lay_out(noise.table(floor)))
    else:
        typer.echo(noise.UNKNOWN if len(recording.meta["runs"]) == 1 else noise.NOT_FINITE)


@baseline_app.command("verify")
def baseline_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Names; all if none is given.")] = None,
    *,
    logs: Annotated[
        Path | None, typer.Option(help="Folder with the source logs.", metavar="DIR")
    ] = None,
    baselines: Baselines = SHELF,
) -> None:
    """Check seal, facts and figures, and read the source logs again where they are.

    All baselines are checked, however many are damaged.
    """
    from harness.storage.verifying import verify

    if not _each(baselines, names or (), lambda recording: verify(recording, logs=logs)):
        msg = "no baseline to verify; check --baselines"
        raise BaselineError(msg, source=str(baselines))


@baseline_app.command("seal")
def baseline_seal(
    name: Annotated[str, typer.Argument(help="Name of the baseline.")],
    *,
    baselines: Baselines = SHELF,
) -> None:
    """Seal a baseline as it stands: one of an older version, or one that was edited on purpose.

    Verify it with its logs before you commit it.
    """
    from harness.storage.baselines import seal

    recording = seal(baselines / name)
    typer.echo(f"{recording.name}: sealed; look at what changed before you commit it")


def _each(
    shelf: Path, names: Sequence[str], say: Callable[[Recording], Sequence[str]]
) -> list[Path]:
    """Prints what `say` says of baselines, errors of some to the end; returns their folders.

    Raises:
        HarnessError: the first error, after all were looked at.
    """
    from harness.report.escape import terminal
    from harness.storage.baselines import open_recording, recording_folders

    folders = [shelf / name for name in names] or recording_folders(shelf)
    errors: list[HarnessError] = []
    for folder in folders:
        try:
            for line in say(open_recording(folder)):
                typer.echo(terminal(line))
        except HarnessError as error:
            errors.append(error)
    for other in errors[1:]:
        typer.echo(f"error: {other}", err=True)
    if errors:
        raise errors[0]
    return folders

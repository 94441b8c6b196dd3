"""The commands `harness baseline ...`: record runs, list, show and verify them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import PolicyError
from harness.report.escape import terminal
from harness.wording import counted

if TYPE_CHECKING:
    from harness.baselines import Recording

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
    from harness.baselines import record
    from harness.store import expand, read_runs

    if not name or Path(name).name != name or name.startswith("."):
        msg = f"{name!r} is no name for a folder; use letters, digits, - and _"
        raise PolicyError(msg)
    runs = [run for spec in logs for path in expand(spec) for run in read_runs(path)]
    recording = record(
        baselines / name, runs, origin=origin, description=description, replace=replace
    )
    count = sum(len(series) for run in runs for series in run.series)
    typer.echo(f"recorded {counted(len(runs), 'run')}, {count} values in {recording.folder}")
    _noise_floor(recording)


@baseline_app.command("list")
def baseline_list(*, baselines: Baselines = SHELF) -> None:
    """List the recorded baselines."""
    from harness.baselines import list_recordings

    recordings = list_recordings(baselines)
    for recording in recordings:
        runs = recording.meta["runs"]
        about = recording.meta.get("description", "")
        typer.echo(terminal(f"{recording.name}: {counted(len(runs), 'run')}. {about}"))
    if not recordings:
        typer.echo(f"no baseline in {baselines}; record one with `harness baseline add`")


@baseline_app.command("show")
def baseline_show(name: str, *, baselines: Baselines = SHELF) -> None:
    """Show what a baseline holds: provenance, facts and series of every run."""
    from harness.baselines import load_runs, open_recording
    from harness.report import run
    from harness.report.text import console

    recording = open_recording(baselines / name)
    typer.echo(terminal(f"{recording.name}: {recording.meta.get('description', '')}"))
    typer.echo(terminal(f"origin: {recording.meta.get('origin', '')}"))
    for one in load_runs(recording):
        run.write(one, console())
    _noise_floor(recording)


def _noise_floor(recording: Recording) -> None:
    """Prints what the seeds of a baseline change, and what they hide."""
    from harness.baselines import recorded_spread
    from harness.report import noise
    from harness.report.text import console, lay_out

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
    """Check figures and source logs against the recorded hashes."""
    from harness.baselines import list_recordings, open_recording, verify

    chosen = [open_recording(baselines / name) for name in names or ()]
    for recording in chosen or list_recordings(baselines):
        for line in verify(recording, logs=logs):
            typer.echo(terminal(line))

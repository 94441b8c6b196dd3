"""The commands `harness baseline ...`, which record runs, list, show and verify them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.completing import baseline_names
from harness.errors import BaselineError, HarnessError
from harness.log.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.log.run import Run
    from harness.storage.recording import Recording

baseline_app = typer.Typer(
    no_args_is_help=True,
    help="Record the GPU's runs, and list, show and verify recorded baselines.",
)

Baselines = Annotated[
    Path, typer.Option("--baselines", help="Folder of recorded baselines.", metavar="DIR")
]
SHELF = Path("baselines")


@baseline_app.command("add")
def baseline_add(
    name: Annotated[str, typer.Argument(help="Name of the baseline: model, data set, device.")],
    logs: Annotated[
        list[str], typer.Argument(help="The logs, one per run; globs and folders are accepted.")
    ],
    *,
    origin: Annotated[
        str, typer.Option(help="Where the logs come from: a URL, a command, a commit.")
    ],
    description: Annotated[
        str, typer.Option(help="One line that `harness baseline list` shows.")
    ] = "",
    same_start: Annotated[
        bool,
        typer.Option(
            "--same-start",
            help="The logs are a run and perturbed runs of the same start. The run comes first, "
            "unless the logs state which runs are perturbed (`perturbed: draw 1`), as those of "
            "model.train do. Perturbed runs may have a lower precision than the run.",
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite the baseline of this name.")
    ] = False,
    baselines: Baselines = SHELF,
) -> None:
    """Record runs as a baseline: figures, facts and hashes, without the logs.

    Prints the noise floor: how far the runs differ by seed, and which differences that hides. With
    --same-start, prints how far rounding drives perturbed runs apart, step by step.

    Example: harness baseline add ccnet_gpu gpu_seed_*.log --origin "GPU, our lab"
    """
    from harness.storage.baselines import record
    from harness.storage.gathering import check_name, gathered

    check_name(name)
    runs = gathered(logs, same_start=same_start)
    recording = record(
        baselines / name, runs, origin=origin, description=description, replace=replace
    )
    count = sum(len(series) for run in runs for series in run.series)
    typer.echo(f"recorded {counted(len(runs), 'run')}, {count} values in {recording.folder}")
    _floor(recording, runs)


@baseline_app.command("list")
def baseline_list(*, baselines: Baselines = SHELF) -> None:
    """List the recorded baselines and the published results.

    A damaged baseline is an error; the others are listed all the same.

    Example: harness baseline list
    """
    try:
        folders = _each(baselines, (), lambda recording: [_in_list(recording)])
    finally:
        published = _published(baselines)
    if not folders and not published:
        typer.echo(f"no baseline in {baselines}; record one with `harness baseline add`")


def _published(shelf: Path) -> int:
    """Prints a line for each published result of a shelf; returns their number."""
    from harness.report.escape import terminal
    from harness.report.final_metric import in_list
    from harness.storage.published import every

    results = list(every(shelf))
    for runs in results:
        typer.echo(terminal(in_list(runs)))
    return len(results)


def _in_list(recording: Recording) -> str:
    runs = recording.meta["runs"]
    return f"{recording.name}: {counted(len(runs), 'run')}. {recording.meta.get('description', '')}"


@baseline_app.command("show")
def baseline_show(
    name: Annotated[
        str, typer.Argument(help="Name of the baseline.", autocompletion=baseline_names)
    ],
    *,
    whole: Annotated[
        bool, typer.Option("--all", help="Show the facts and series of every run.")
    ] = False,
    baselines: Baselines = SHELF,
) -> None:
    """Show a baseline's provenance, noise floor, facts, and differences between its runs.

    Of a start (`baseline add --same-start`), shows the envelope of rounding by step and the
    smallest deviation that it notices. Of a baseline that `harness accept` recorded, shows what it
    replaces and why, back to the first. Of a published result (published/NAME), shows its source,
    its runs, and which difference some candidate runs can show.

    Example: harness baseline show ccnet_gpu
    """
    from harness.report import recording as summary
    from harness.report import run
    from harness.report.escape import terminal
    from harness.report.screen import console
    from harness.storage.baselines import load_runs, open_recording
    from harness.storage.published import asked_for, runs_of
    from harness.storage.replaced import told

    if asked_for(name):
        _show_published(runs_of(asked_for(name), baselines))
        return
    recording = open_recording(baselines / name)
    for line in (f"{recording.name}: {recording.meta.get('description', '')}",
                 f"origin: {recording.meta.get('origin', '')}",
                 *told(recording)):  # fmt: skip
        typer.echo(terminal(line))
    runs = load_runs(recording)
    _floor(recording, runs)
    if not whole:
        summary.write(runs, console())
        return
    for recorded in runs:
        run.write(recorded, console())


def _show_published(runs: Sequence[Run]) -> None:
    """Prints a published result: its figures, what candidate runs can show, and its facts."""
    from harness.report import final_metric, recording
    from harness.report.escape import terminal
    from harness.report.screen import console, lay_out

    for line in final_metric.lines(runs):
        typer.echo(terminal(line))
    for series in runs[0].series:
        table = final_metric.table(runs, series.name)
        if table is not None:
            console().print(lay_out(table))
    recording.write(runs, console())


def _floor(recording: Recording, runs: Sequence[Run]) -> None:
    """Prints the envelope of rounding of a start, or the noise floor of other runs."""
    from harness.align.start import parted, start_of, stated
    from harness.report import envelope
    from harness.report.screen import console, lay_out, words

    own, perturbed = parted(runs, "baseline")
    if not stated(own):
        _noise_floor(recording)
        return
    start = start_of(own[:1], own[:1], perturbed, metric="loss")
    if start is None:
        typer.echo("envelope of rounding: unknown, because the runs share no step of a loss")
    else:
        console().print(lay_out(envelope.table(start)))
        console().print(words(envelope.summary(start)))


def _noise_floor(recording: Recording) -> None:
    """Prints how far a baseline's runs differ by seed, and which differences that hides."""
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
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of baselines. Default: all of them.", autocompletion=baseline_names
        ),
    ] = None,
    *,
    logs: Annotated[
        Path | None, typer.Option(help="Folder with the source logs.", metavar="DIR")
    ] = None,
    baselines: Baselines = SHELF,
) -> None:
    """Check recorded baselines, and their source logs if present.

    Checks the seal, the facts and the figures, and reads the logs again. A damaged baseline does
    not stop the check of the others.

    Example: harness baseline verify ccnet_gpu --logs runs/gpu
    """
    from harness.storage.verifying import verify

    if not _each(baselines, names or (), lambda recording: verify(recording, logs=logs)):
        msg = "no baseline to verify; check --baselines"
        raise BaselineError(msg, source=str(baselines))


@baseline_app.command("seal")
def baseline_seal(
    name: Annotated[
        str, typer.Argument(help="Name of the baseline.", autocompletion=baseline_names)
    ],
    *,
    baselines: Baselines = SHELF,
) -> None:
    """Seal a baseline with its present content.

    Use it for a baseline that an older version recorded, or that was edited on purpose. Verify the
    baseline with its logs before you commit it.

    Example: harness baseline seal ccnet_gpu
    """
    from harness.storage.baselines import seal

    recording = seal(baselines / name)
    typer.echo(f"{recording.name}: sealed; review the changes before you commit them")


def _each(
    shelf: Path, names: Sequence[str], describe: Callable[[Recording], Sequence[str]]
) -> list[Path]:
    """Prints the lines of `describe` for each baseline, and returns the folders.

    A damaged baseline does not stop the others.

    Raises:
        HarnessError: the first error, after all baselines were visited.
    """
    from harness.report.escape import terminal
    from harness.storage.baselines import open_recording
    from harness.storage.shelf import recording_folders

    folders = [shelf / name for name in names] or recording_folders(shelf)
    errors: list[HarnessError] = []
    for folder in folders:
        try:
            for line in describe(open_recording(folder)):
                typer.echo(terminal(line))
        except HarnessError as error:
            errors.append(error)
    for other in errors[1:]:
        typer.echo(f"error: {other}", err=True)
    if errors:
        raise errors[0]
    return folders

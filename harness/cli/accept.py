"""The command `harness accept`, which makes the runs of a failing candidate the new baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.baseline import SHELF, Baselines
from harness.cli.completing import port_names

if TYPE_CHECKING:
    from harness.ports.proposals import Proposal
    from harness.storage.recording import Recording

MANIFEST = Path("ports.toml")


def accept(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PORT|REPORT",
            help="A port of the manifest, or the folder or comparison.json of a report.",
            autocompletion=port_names,
        ),
    ],
    *,
    reason: Annotated[
        str, typer.Option(help="Why the change is right. The new baseline keeps it.")
    ],
    by: Annotated[
        str, typer.Option(help="Who accepts the change. Default: user.name in git's configuration.")
    ] = "",
    name: Annotated[
        str,
        typer.Option(
            "--as",
            help="Name of the new baseline. Default: that of the old one with the next number.",
            metavar="NAME",
        ),
    ] = "",
    write: Annotated[
        bool,
        typer.Option("--write", help="Name the new baseline in the manifest; comments are kept."),
    ] = False,
    manifest: Annotated[
        Path, typer.Option(help="The manifest that lists the port.", metavar="FILE")
    ] = MANIFEST,
    baselines: Baselines = SHELF,
) -> None:
    """Make the runs of a failing candidate the new baseline, with a reason.

    Use it if the candidate is better, or differs on purpose. The runs are judged again. They are
    refused unless they fail by their curves alone: complete, independent, of the same experiment,
    and as many as the baseline has, or five. The old baseline is kept; the new one names it by its
    seal, with the verdict at that time, the date and the person. `harness baseline show` prints
    this chain, and `harness baseline verify` checks it.

    Example: harness accept ccnet-sdaa --reason "the new driver rounds correctly"
    """
    import os

    from harness.errors import PolicyError
    from harness.ports import accepting
    from harness.ports.proposals import proposal_of
    from harness.ports.publish import commit_of
    from harness.report.escape import terminal
    from harness.system.today import today
    from harness.version import tool_version

    proposal = proposal_of(what, manifest, baselines)
    if proposal.port and baselines != SHELF:
        msg = "--baselines with a port, whose baselines lie beside the manifest; leave it out"
        raise PolicyError(msg)
    if write and not proposal.port:
        msg = "--write with a report, which no manifest names; leave it out"
        raise PolicyError(msg)
    folder = manifest.parent if proposal.port else Path()
    recording = accepting.accept(
        proposal,
        name=name or accepting.next_name(proposal),
        reason=reason,
        by=by or accepting.person(folder),
        on=today(os.environ).isoformat(),
        commit=commit_of(os.environ, folder=folder),
        version=tool_version(),
    )
    for line in _lines(recording):
        typer.echo(terminal(line))
    _name_it(proposal, recording, manifest, write=write)


def _lines(recording: Recording) -> list[str]:
    """Returns what was recorded, and what it replaces."""
    from harness.log.wording import counted
    from harness.storage.replaced import link_lines

    runs = counted(len(recording.meta["runs"]), "run")
    return [f"recorded {runs} in {recording.folder}", *link_lines(recording)]


def _name_it(proposal: Proposal, recording: Recording, manifest: Path, *, write: bool) -> None:
    """Names the new baseline in the manifest, or prints the line to change."""
    from harness.report.escape import terminal

    if not proposal.port:
        typer.echo(terminal(f"compare with it: harness compare {recording.name} CANDIDATE"))
    elif write:
        _write(proposal.port, recording.name, manifest)
        typer.echo(terminal(f"{manifest}: port {proposal.port} names it"))
    else:
        line = f'change port {proposal.port} in {manifest}: baseline = "{recording.name}"'
        typer.echo(terminal(line))
    typer.echo("train the candidate again: a copy of the baseline's logs never passes")


def _write(port: str, baseline: str, manifest: Path) -> None:
    import codecs

    from harness.ports.manifest_edit import with_baseline
    from harness.system.whole import write_bytes

    data = manifest.read_bytes()
    mark, text = codecs.BOM_UTF8, data.decode("utf-8-sig")
    new = with_baseline(text, port, baseline).encode()
    write_bytes(manifest, mark + new if data.startswith(mark) else new)

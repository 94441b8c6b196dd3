"""What is written to trackers of the results of a check, or of one comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.comparison.result import PortResult, judged
from harness.errors import HarnessError
from harness.log.run import place_text
from harness.ports.files import PAGE
from harness.ports.manifest import read_manifest
from harness.storage.places import is_tracker
from harness.trackers.publish import Publication
from harness.trackers.registry import from_folder
from harness.version import tool_version

if TYPE_CHECKING:
    from harness.comparison.pipeline import Comparison


def publication(comparison: Comparison, candidate: str, report: Path | None) -> Publication:
    """Returns what is written of one comparison; the port has the candidate's name."""
    result = judged(place_text(candidate), comparison, tool_version=tool_version())
    return Publication(result=result, candidate=candidate, report=report)


def publications(results: Sequence[PortResult], report: Path | None) -> list[Publication]:
    """Returns what is written of each result of a check, whose reports are in `report`.

    The manifests of the results say how the candidates were named. One that is not here, as after a
    check on other machines, leaves them unknown.
    """
    candidates = {manifest: _candidates(manifest) for manifest in {r.manifest for r in results}}
    return [
        Publication(
            result=result,
            candidate=candidates[result.manifest].get(result.port, ""),
            report=_report(report, result.port),
        )
        for result in results
    ]


def _candidates(manifest: str) -> Mapping[str, str]:
    """Returns the names of the candidates of a manifest by port; empty if it cannot be read."""
    path = Path(manifest)
    try:
        ports = read_manifest(path).port
    except (HarnessError, OSError):
        return {}
    return {port.name: _from(port.candidate, path.parent) for port in ports}


def _from(candidate: str, folder: Path) -> str:
    is_run = is_tracker(candidate, folder=folder)
    return from_folder(candidate, folder) if is_run else candidate


def _report(folder: Path | None, port: str) -> Path | None:
    if folder is None or not (folder / port / PAGE).is_file():
        return None
    return folder / port

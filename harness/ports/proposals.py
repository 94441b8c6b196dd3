"""Finds and judges the comparison whose candidate `harness accept` makes the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from harness.comparison.judge import Policy
from harness.comparison.pipeline import Comparison, compare
from harness.errors import ParseError, PolicyError
from harness.log.run import Run
from harness.ports.comparisons import read_comparison
from harness.ports.files import DATA
from harness.ports.manifest import Port, compare_port, read_manifest
from harness.rules import Verdict, rule_call
from harness.storage.baselines import is_recording, open_recording
from harness.storage.inputs import BASELINES, load_sides
from harness.storage.recording import Recording
from harness.system.filenames import shortened


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A failing comparison whose candidate may become the baseline.

    `baseline` and `candidate` name the sides as the manifest or the report does. `shelf` is the
    folder of recordings. `port` is the name of the port; empty for a report.
    """

    comparison: Comparison
    baseline: str
    candidate: str
    shelf: Path
    port: str = ""

    @property
    def recorded(self) -> Recording | None:
        """The recording of the present baseline; None if it is read from logs."""
        folders = (self.shelf.parent / self.baseline, self.shelf / self.baseline)
        folder = next((f for f in folders if is_recording(f)), None)
        return None if folder is None else open_recording(folder)


def proposal_of(what: str, manifest: Path, shelf: Path) -> Proposal:
    """Returns the proposal of a port of the manifest, or else of the report with this path.

    Raises:
        HarnessError: there is neither, or its logs cannot be read or compared.
    """
    path = Path(what)
    is_report = path.is_file() or (path / DATA).is_file()
    if is_report and not (manifest.is_file() and what in _ports(manifest)):
        return of_report(path, shelf)
    return of_port(what, manifest)


def _ports(manifest: Path) -> dict[str, Port]:
    return {port.name: port for port in read_manifest(manifest).port}


def of_port(name: str, manifest: Path) -> Proposal:
    """Returns the proposal of a port, judged now.

    Raises:
        PolicyError: the manifest has no such port, or the port's attempts disagree.
        HarnessError: the logs cannot be read or compared.
    """
    ports = _ports(manifest)
    if name not in ports:
        near = get_close_matches(name, ports, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(list(ports)[:10])}"
        msg = f"has no port {shortened(name)!r}, and no report has this path; {hint}"
        raise PolicyError(msg, source=str(manifest))
    port, root = ports[name], manifest.parent
    _agree(port, root)
    return Proposal(
        comparison=compare_port(port, root),
        baseline=port.baseline,
        candidate=port.candidate,
        shelf=root / BASELINES,
        port=name,
    )


def _agree(port: Port, root: Path) -> None:
    """Refuses a port of which another attempt does not fail: chance may have chosen the runs."""
    for attempt in port.tries()[1:]:
        verdict = compare_port(attempt, root).verdict
        if verdict is not Verdict.FAIL:
            msg = (
                f"the attempt {attempt.candidate} is {verdict}, so the runs of the candidate may "
                "differ by chance; list the logs of all attempts as the candidate"
            )
            raise PolicyError(msg, source=port.name)


def of_report(path: Path, shelf: Path) -> Proposal:
    """Returns the proposal of a report, judged again from the logs that it names.

    Raises:
        PolicyError: a log has another hash than in the report.
        HarnessError: the report or a log cannot be read.
    """
    document = read_comparison(path)
    try:
        sides = [_runs(document, side) for side in ("baseline", "candidate")]
        specs = [_spec([run["path"] for run in side], shelf) for side in sides]
        policy = _policy(document)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        msg = "lacks a part of a comparison; expected the file that `harness compare` wrote"
        raise ParseError(msg, source=str(path)) from error
    loaded = load_sides(specs[0], specs[1], baselines=shelf)
    for reported, runs in zip(sides, loaded, strict=True):
        _same_logs(reported, runs, path)
    comparison = compare(*loaded, policy)
    return Proposal(comparison=comparison, baseline=specs[0], candidate=specs[1], shelf=shelf)


def _runs(document: Mapping[str, Any], side: str) -> list[dict[str, Any]]:
    content = document[side]
    return [*content["runs"], *content.get("perturbed", ())]


def _spec(paths: Sequence[str], shelf: Path) -> str:
    """Returns how to name the runs of a report: the recording that holds them, or the logs."""
    folders = {Path(path).parts[0] for path in paths}
    name = folders.pop() if len(folders) == 1 else ""
    if name and is_recording(shelf / name):
        return name
    return ",".join(paths)


def _same_logs(reported: Sequence[Mapping[str, Any]], runs: Sequence[Run], path: Path) -> None:
    known = sorted(run["sha256"] for run in reported)
    now = sorted(run.sha256 for run in runs)
    if known != now:
        changed = next((run.source for run in runs if run.sha256 not in known), reported[0]["path"])
        msg = f"{changed} is not the log that was judged; compare again, and accept that report"
        raise PolicyError(msg, source=str(path))


def _policy(document: Mapping[str, Any]) -> Policy:
    policy = document["policy"]
    return Policy(
        metric=document["metric"],
        rank=policy["rank"],
        rules=tuple(rule_call(r["name"], r["parameters"]) for r in policy["rules"]),
        allow=tuple(policy["allow"]),
        allow_reason=policy["allow_reason"],
        last=policy["last"],
        steps=tuple(policy["steps"]) if policy["steps"] else None,
        min_steps=policy["min_steps"],
        max_missing=policy["max_missing"],
    )

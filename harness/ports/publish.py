"""Writes the results of a check for other systems: CI files, GitHub annotations, the history."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from harness.comparison.result import PortResult
from harness.errors import HarnessError
from harness.ports.outputs import OUTPUTS, PICTURES, Output
from harness.report.ports import comment as comments
from harness.report.ports import github
from harness.system.running import internal
from harness.system.whole import append_text, write_text

SUMMARY_PORTS = 200
"""Largest number of ports in a step summary: GitHub accepts 1 MiB."""
GIT_S = 10


def publish(
    results: Sequence[PortResult],
    *,
    outputs: Mapping[str, Path],
    history: str,
    environ: Mapping[str, str],
    commit: str | None = None,
    own: Sequence[PortResult] | None = None,
) -> None:
    """Writes the requested files, the history and, on GitHub Actions, annotations and a summary.

    `commit` is the commit of merged shards; otherwise it is that of the manifest's folder. `own`
    are the results for the history, if earlier checks of the commit changed `results`. An
    output that cannot be written does not stop the others. Standard output comes last, because its
    reader may be gone.

    Raises:
        HarnessError: the first error, after all outputs were tried.
    """
    placed = _placed(results, environ)
    jobs: list[Callable[[], None]] = [
        partial(_write, output, placed, outputs[output.name], environ)
        for output in OUTPUTS
        if output.name in outputs
    ]
    if history:
        kept = results if own is None else own
        jobs.append(lambda: _append(kept, history, environ, commit))
    if environ.get("GITHUB_ACTIONS"):
        jobs += [lambda: _summary(placed, environ), lambda: _annotate(placed)]
    errors = [error for job in jobs if (error := _attempt(job)) is not None]
    if errors:
        raise errors[0]


def commit_of(environ: Mapping[str, str], *, folder: Path) -> str:
    """Returns the commit that is checked, from CI's variables or from git; empty if unknown."""
    for name in ("HARNESS_COMMIT", "GITHUB_SHA", "CI_COMMIT_SHA"):
        if environ.get(name):
            return environ[name]
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603  (fixed words)
            command, capture_output=True, text=True, check=True, timeout=GIT_S, cwd=folder
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def commit_of_check(results: Sequence[PortResult], environ: Mapping[str, str]) -> str:
    """Returns the commit of a check, which is that of its manifest's folder."""
    folder = Path(results[0].manifest).parent if results else Path()
    return commit_of(environ, folder=folder)


def _write(
    output: Output, results: Sequence[PortResult], path: Path, environ: Mapping[str, str]
) -> None:
    write_text(path, output.render(results, environ))


def _attempt(job: Callable[[], None]) -> HarnessError | None:
    try:
        job()
    except HarnessError as error:
        return error
    except Exception as error:  # a bug in one writer must not stop the others
        return HarnessError(internal(error))
    return None


def _placed(results: Sequence[PortResult], environ: Mapping[str, str]) -> tuple[PortResult, ...]:
    """Returns the results with the manifest's path relative to CI's checkout, if there is one."""
    top = environ.get("GITHUB_WORKSPACE") or environ.get("CI_PROJECT_DIR")
    if not top:
        return tuple(results)
    root = Path(top).resolve()
    return tuple(dataclasses.replace(r, manifest=_below(r.manifest, root)) for r in results)


def _below(manifest: str, root: Path) -> str:
    path = Path(manifest).resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else manifest


def _annotate(results: Sequence[PortResult]) -> None:
    for line in github.commands(results):
        sys.stdout.write(line + "\n")


def _summary(results: Sequence[PortResult], environ: Mapping[str, str]) -> None:
    summary = environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        pictures = environ.get(PICTURES, "")
        append_text(Path(summary), comments.render(results, pictures=pictures, shown=SUMMARY_PORTS))


def _append(
    results: Sequence[PortResult], where: str, environ: Mapping[str, str], commit: str | None
) -> None:
    from harness.ports.history.store import open_history  # noqa: PLC0415  (an extra)

    if commit is None:
        commit = commit_of_check(results, environ)
    with open_history(where) as history:
        history.append(results, commit=commit, when=datetime.now(UTC))

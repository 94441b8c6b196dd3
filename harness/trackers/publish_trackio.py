"""Writes a verdict to Trackio by its package: a row of figures and words, an alert, the report.

Trackio has no tags: the words of a verdict are texts in the row. The report is an artifact.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import HarnessError, ParseError
from harness.extras import needs
from harness.log.facts import short
from harness.log.shown import shown
from harness.trackers.publish import Publication, refusals
from harness.trackers.registry import tracker_of

PROJECT = "harness"
"""The project for the verdicts of ports that are not in Trackio."""
MAX_TEXT = 5000
"""Characters of a text."""
_FOLDER = "TRACKIO_DIR"


class _Target(NamedTuple):
    """The folder, the project and the run to write to, and the config that the run has.

    The folder is empty for Trackio's own; the run is empty for a new one.
    """

    folder: str
    project: str
    run: str
    config: Mapping[str, Any]


def publish(verdict: Publication) -> str:
    """Writes a verdict to the run that the candidate names, or to a new run of the port's name.

    The new run is in the candidate's project if it names one, otherwise in `harness`.

    Returns:
        The project and the name of the run.

    Raises:
        HarnessError: trackio is not installed, or does not write.
    """
    target = _target(verdict.candidate)
    if target.folder:
        os.environ[_FOLDER] = target.folder
    try:
        import trackio  # noqa: PLC0415  (takes seconds)
        from trackio.utils import TRACKIO_DIR  # noqa: PLC0415
    except ImportError as error:
        raise HarnessError(f"that {needs('trackio')}") from error
    if target.folder and Path(target.folder).resolve() != Path(TRACKIO_DIR).resolve():
        msg = f"trackio writes to {TRACKIO_DIR} until the command ends; check this port on its own"
        raise HarnessError(msg)
    with refusals("trackio"), _heard():
        _write(trackio, target, verdict)
    return f"trackio:{target.project}/{target.run or verdict.result.port}"


def _write(trackio: Any, target: _Target, verdict: Publication) -> None:
    name = target.run or verdict.result.port
    run = trackio.init(
        project=target.project,
        name=name,
        resume="must" if target.run else "never",
        config=dict(target.config),  # a resumed run loses its config otherwise
        embed=False,
        auto_log_gpu=False,
        auto_log_cpu=False,
    )
    try:
        words = {key: short(text, MAX_TEXT) for key, text in verdict.tags.items()}
        trackio.log({**words, **verdict.figures})
        if verdict.alert:
            trackio.alert(
                title=f"harness: {verdict.result.port} fails",
                text=short(verdict.alert, MAX_TEXT),
                level=trackio.AlertLevel.ERROR,
            )
        if verdict.report is not None:
            port = re.sub(r"[^A-Za-z0-9_.-]", "-", verdict.result.port)
            run.log_artifact(str(verdict.report), name=f"harness-{port}", type="report")
    finally:
        trackio.finish()


@contextmanager
def _heard() -> Iterator[None]:
    """Keeps what trackio prints off the screen, and raises what it only warns of.

    Raises:
        HarnessError: trackio warned that something was not written.
    """
    with warnings.catch_warnings(record=True) as told, redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        yield
    texts = [str(one.message) for one in told]
    failed = [text for text in texts if text.startswith("trackio") and "User code" in text]
    if failed:
        msg = f"trackio could not write it: {shown(failed[0])[:300]}"
        raise HarnessError(msg)


def _target(candidate: str) -> _Target:
    """Returns where the verdict of a candidate of this name goes.

    Raises:
        HarnessError: the candidate's run cannot be looked up, or is not the newest of its name.
    """
    if tracker_of(candidate) != "trackio" or "," in candidate:
        return _Target("", PROJECT, "", {})
    from harness.trackers import trackio as reader  # noqa: PLC0415  (a cycle otherwise)

    where = candidate.partition(":")[2]
    try:
        found = reader.find(where, source=candidate)
        if not found.one:
            return _Target(found.folder, found.project, "", {})
        chosen = reader.chosen(found.runs, found.one, candidate)
    except ParseError as error:
        msg = f"the candidate's run cannot be looked up: {error}"
        raise HarnessError(msg) from error
    newest = [run for run in found.runs if run.name == chosen.name][-1]
    if newest.key != chosen.key:
        msg = f"trackio writes to the newest run named {chosen.name!r}, and this is an older one"
        raise HarnessError(msg)
    return _Target(found.folder, found.project, chosen.name, chosen.config)

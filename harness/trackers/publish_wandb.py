"""Writes a verdict to Weights & Biases by its own client: summary, tags, alert, and the report.

WANDB_MODE, WANDB_PROJECT, WANDB_ENTITY and WANDB_DIR hold, as for a training.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, ParseError
from harness.extras import needs
from harness.log.facts import short
from harness.trackers.publish import PREFIX, Publication, refusals
from harness.trackers.registry import tracker_of

if TYPE_CHECKING:
    from harness.trackers.wandb_records import Content

PROJECT = "harness"
"""The project for the verdicts of ports that are not in W&B."""
PATIENCE_S = 30
"""Seconds to wait for a server; W&B's client waits 90."""
MAX_TAG, MAX_NAME, MAX_TEXT = 64, 100, 5000
"""Characters of a tag, a name and a text."""


def publish(verdict: Publication) -> str:
    """Writes a verdict to the run that the candidate names, or to a new run of the port's name.

    In offline mode the run is always a new one, in the project of the candidate: a second local
    file with the candidate's identifier could replace its history when both are synchronised.

    Returns:
        The project and the id of the run, or its local folder in offline mode.

    Raises:
        HarnessError: wandb is not installed, or refuses.
    """
    os.environ.setdefault("WANDB_SILENT", "true")  # of what is not a message of a run
    try:
        import wandb  # noqa: PLC0415  (takes a second)
    except ImportError as error:
        raise HarnessError(f"that {needs('wandb')}") from error
    with refusals("wandb"):
        return _written(verdict, wandb)


def _written(verdict: Publication, wandb: Any) -> str:
    target = _target(verdict.candidate)
    offline = os.environ.get("WANDB_MODE", "online") in {"offline", "dryrun"}
    is_new = target is None or offline
    settings = wandb.Settings(
        silent=True, console="off", init_timeout=PATIENCE_S, disable_git=True, save_code=False
    )
    place: dict[str, Any] = {
        "project": (target.project if target else "") or os.environ.get("WANDB_PROJECT", PROJECT),
        "entity": (target.entity if target else "") or None,
        "reinit": "create_new",
        "settings": settings,
    }
    if target is not None and not is_new:
        place |= {"id": target.run_id, "resume": "must"}
    else:
        tag = short(f"harness: {verdict.result.verdict}", MAX_TAG)
        place |= {"name": short(verdict.result.port, MAX_NAME), "job_type": "verdict"}
        place |= {"tags": [tag]}
    with wandb.init(**place) as run:
        run.summary.update(_summary(verdict, target, is_new=is_new))
        if verdict.alert:
            title = short(f"{verdict.result.port} fails", MAX_NAME)
            run.alert(title=title, text=short(verdict.alert, MAX_TEXT), level="ERROR")
        if verdict.report is not None:
            artifact = wandb.Artifact(_artifact_name(verdict.result.port), type="report")
            artifact.add_dir(str(verdict.report))
            run.log_artifact(artifact)
        folder = str(run.dir).removesuffix("/files")
        return f"wandb:{folder}" if offline else f"wandb:{run.path}"


def _summary(
    verdict: Publication, target: Content | None, *, is_new: bool
) -> dict[str, str | float]:
    summary: dict[str, str | float] = {
        name: short(text, MAX_TEXT) for name, text in verdict.tags.items()
    }
    if target is not None and is_new:
        summary[f"{PREFIX}candidate"] = target.run_id
    return summary | verdict.figures


def _target(candidate: str) -> Content | None:
    """Returns what is known of the run that the candidate names; None if it names no single one."""
    if tracker_of(candidate) != "wandb" or "," in candidate:
        return None
    from harness.trackers.wandb import contents  # noqa: PLC0415  (only such candidates need it)

    try:
        found = contents(candidate.partition(":")[2], source=candidate)
    except ParseError as error:
        msg = f"the candidate's run cannot be looked up: {error}"
        raise HarnessError(msg) from error
    return found[0] if len(found) == 1 and found[0].run_id else None


def _artifact_name(port: str) -> str:
    return "harness-" + re.sub(r"[^\w.-]", "_", port, flags=re.ASCII)[:MAX_NAME]

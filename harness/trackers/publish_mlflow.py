"""Writes a verdict to MLflow by its own client: tags, figures, and the report as an artifact."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, ParseError
from harness.extras import needs
from harness.log.facts import short
from harness.trackers.publish import Publication, refusals
from harness.trackers.registry import tracker_of

if TYPE_CHECKING:
    from harness.trackers.mlflow_runs import Experiment

EXPERIMENT = "harness"
"""The experiment for the verdicts of ports that are not in MLflow."""
FOLDER = "harness"
"""The folder of the report among the artifacts of a run."""
MAX_TAG = 5000
"""Characters of a tag: MLflow 2 refuses longer ones."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""By default the client asks a server that is down 8 times, with pauses of minutes in all."""


def publish(verdict: Publication) -> str:
    """Writes a verdict to the run that the candidate names, or to a new run of the port's name.

    The new run is in the candidate's experiment if it names one, otherwise in that which
    MLFLOW_EXPERIMENT_NAME states, or in `harness`.

    Returns:
        The experiment and the id of the run.

    Raises:
        HarnessError: mlflow is not installed, or refuses.
    """
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.tracking import MlflowClient  # noqa: PLC0415  (takes seconds)
    except ImportError as error:
        raise HarnessError(f"that {needs('mlflow')}") from error
    with refusals("mlflow"):
        return _written(verdict, MlflowClient)


def _written(verdict: Publication, client_of: Any) -> str:
    uri, experiment, run_id = _target(verdict.candidate)
    client = client_of(tracking_uri=uri)
    is_new = not run_id
    if is_new:
        number = experiment.id if experiment is not None else _own_experiment(client)
        run_id = client.create_run(number, run_name=verdict.result.port).info.run_id
    try:
        for name, text in verdict.tags.items():
            client.set_tag(run_id, name, short(text, MAX_TAG))
        for name, value in verdict.figures.items():
            client.log_metric(run_id, name, value)
        if verdict.report is not None:
            client.log_artifacts(run_id, str(verdict.report), FOLDER)
    finally:
        if is_new:
            client.set_terminated(run_id)
    return f"mlflow:{client.get_run(run_id).info.experiment_id}/{run_id}"


def _target(candidate: str) -> tuple[str | None, Experiment | None, str]:
    """Returns the URI of the store, the experiment and the run that the candidate names.

    The URI is None for the store of MLflow's client itself; the experiment is None and the id empty
    if the candidate names none.
    """
    if tracker_of(candidate) != "mlflow" or "," in candidate:
        return None, None, ""
    from harness.trackers.mlflow import experiment_of, named  # noqa: PLC0415  (likewise)
    from harness.trackers.mlflow_stores import open_store  # noqa: PLC0415

    place, mark, name = candidate.partition(":")[2].partition("!")
    name = name if mark else place
    try:
        with open_store(place if mark else "", source=candidate) as store:
            rows, is_one = named(name, store, candidate)
            experiment = None if is_one else experiment_of(name, store)
    except ParseError as error:
        msg = f"the candidate's run cannot be looked up: {error}"
        raise HarnessError(msg) from error
    return _uri(place) if mark else None, experiment, rows[0].id if is_one else ""


def _uri(place: str) -> str:
    """Returns the URI that MLflow's client takes for a place of `mlflow_stores`."""
    if "://" in place or place.startswith("file:"):
        return place
    path = Path(place).absolute()
    return str(path) if path.is_dir() else f"sqlite:///{path}"


def _own_experiment(client: Any) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "") or EXPERIMENT
    known = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if known is None else known.experiment_id)

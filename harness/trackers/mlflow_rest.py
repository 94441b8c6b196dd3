"""MLflow's server, asked by its REST interface (version 2.0 of it, which MLflow 1 to 3 have).

mlflow:https://host!port/seed_1        MLFLOW_TRACKING_URI=http://127.0.0.1:5000
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.errors import ParseError
from harness.trackers.api import Api, basic
from harness.trackers.mlflow_runs import (
    Experiment,
    Point,
    Row,
    is_left_out,
    name_of,
    point_of,
    value_of,
)

ROOT = "/api/2.0/mlflow"
PAGE = 10_000
"""Points of one answer (MLflow allows 25,000); older servers answer with all points."""
RUNS = 1000
"""Runs of one answer."""
LISTED = 20


class RestStore:
    """A server of MLflow."""

    def __init__(self, url: str, *, source: str) -> None:
        self._source = source
        self._api = Api(url, source=source, headers=_credentials(), tls=_trusted(source))
        self.shown = self._api.shown

    def close(self) -> None:
        """Ends the connection."""
        self._api.close()

    def experiments(self, name: str) -> Sequence[Experiment]:
        """Returns the experiment with this name, else the one with this id."""
        answer = self._api.get(f"{ROOT}/experiments/get-by-name", experiment_name=name)
        if answer is None and name.isdecimal():
            answer = self._api.get(f"{ROOT}/experiments/get", experiment_id=name)
        return [] if answer is None else [self._experiment(self._part(answer, "experiment"))]

    def listed(self) -> Sequence[Experiment]:
        """Returns some experiments."""
        answer = self._api.post(f"{ROOT}/experiments/search", {"max_results": LISTED}) or {}
        return [self._experiment(entry) for entry in answer.get("experiments", [])]

    def _experiment(self, entry: Mapping[str, Any]) -> Experiment:
        return Experiment(
            id=str(entry.get("experiment_id", "")),
            name=str(entry.get("name", "")),
            deleted=entry.get("lifecycle_stage") == "deleted",
        )

    def runs(self, experiment: Experiment) -> Sequence[Row]:
        """Returns the runs of an experiment."""
        asked = {"experiment_ids": [experiment.id], "max_results": RUNS, "run_view_type": "ALL"}
        return [self._row(run) for run in self._paged("runs/search", asked, "runs")]

    def run(self, run_id: str) -> Row | None:
        """Returns the run of an id."""
        answer = self._api.get(f"{ROOT}/runs/get", run_id=run_id)
        return None if answer is None else self._row(self._part(answer, "run"))

    def _row(self, run: Mapping[str, Any]) -> Row:
        info, data = self._part(run, "info"), run.get("data", {})
        tags = _pairs(data.get("tags", []))
        return Row(
            id=str(info.get("run_id") or info.get("run_uuid") or ""),
            name=name_of(info.get("run_name"), tags),
            status=str(info.get("status", "")),
            start=int(info.get("start_time") or 0),
            deleted=info.get("lifecycle_stage") == "deleted",
            params=_pairs(data.get("params", [])),
            tags=tags,
            metrics=tuple(str(metric["key"]) for metric in data.get("metrics", [])),
        )

    def points(self, row: Row) -> Mapping[str, Sequence[Point]]:
        """Returns the points of every metric; those of one ms and step in the order of values."""
        return {name: [] if is_left_out(name) else self._history(row, name) for name in row.metrics}

    def _history(self, row: Row, name: str) -> list[Point]:
        asked = {"run_id": row.id, "metric_key": name, "max_results": PAGE}
        return [
            point_of(
                metric.get("timestamp", 0),
                metric.get("step", 0),
                value_of(float(metric["value"]), is_nan=False),
            )
            for metric in self._paged("metrics/get-history", asked, "metrics", by_get=True)
        ]

    def _paged(
        self, path: str, asked: Mapping[str, object], key: str, *, by_get: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yields the entries of all pages of an answer.

        Raises:
            ParseError: the server repeats a page for ever, or no longer knows what it lists.
        """
        token, known = "", set[str]()
        while True:
            page = {**asked, **({"page_token": token} if token else {})}
            where = f"{ROOT}/{path}"
            answer = self._api.get(where, **page) if by_get else self._api.post(where, page)
            if answer is None:
                msg = f"{self.shown}: the run was removed while it was read; name another"
                raise ParseError(msg, source=self._source)
            yield from answer.get(key, [])
            token = str(answer.get("next_page_token") or "")
            if not token:
                return
            if token in known:
                msg = f"{self.shown}: the server repeats a page of {path}; check its version"
                raise ParseError(msg, source=self._source)
            known.add(token)

    def _part(self, answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        part = answer.get(key)
        if not isinstance(part, dict):
            msg = f"{self.shown}: an answer without {key!r}; check that this is a server of MLflow"
            raise ParseError(msg, source=self._source)
        return part


def _pairs(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {str(e["key"]): str(e["value"]) for e in entries if "key" in e and "value" in e}


def _credentials() -> dict[str, str]:
    """Returns the header of the user that MLflow's variables state; a token counts less."""
    user, token = (os.environ.get(f"MLFLOW_TRACKING_{word}", "") for word in ("USERNAME", "TOKEN"))
    if user:
        return {"Authorization": basic(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _trusted(source: str) -> ssl.SSLContext | None:
    """Returns which certificates are trusted, as MLflow's variables state; None by default.

    Raises:
        ParseError: the file with certificates cannot be read.
    """
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        return trusting
    path = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH", "")
    if not path:
        return None
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        msg = f"MLFLOW_TRACKING_SERVER_CERT_PATH: {path} cannot be read ({error}); correct it"
        raise ParseError(msg, source=source) from error

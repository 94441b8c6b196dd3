"""MLflow's folder of files, which older versions write by default.

mlflow:mlruns!port/seed_1        mlruns/0/RUN_ID/metrics/loss: "1732550000000 2.5 10" a point
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from harness.errors import ParseError
from harness.log.shown import shown
from harness.trackers.flat_yaml import flat
from harness.trackers.mlflow_runs import FINISHED, Experiment, Point, Row, name_of, point_of

META, TRASH = "meta.yaml", ".trash"
LISTED = 20
_STATES = {"1": "RUNNING", "2": "SCHEDULED", "3": FINISHED, "4": "FAILED", "5": "KILLED"}


class FileStore:
    """A folder of experiments, each a folder of runs; deleted experiments lie in `.trash`."""

    def __init__(self, path: Path, *, source: str) -> None:
        self.shown = shown(str(path))
        self._path = path
        self._source = source
        if next(self._all(), None) is None:
            msg = (
                f"{self.shown} has no experiment of MLflow; name the folder whose sub-folders hold "
                f"{META} (by default mlruns), or a database"
            )
            raise ParseError(msg, source=source)

    def close(self) -> None:
        """Nothing is open."""

    def experiments(self, name: str) -> Sequence[Experiment]:
        """Returns the experiments with this name or id."""
        every = list(self._all())
        by_name = [experiment for experiment in every if experiment.name == name]
        return by_name or [experiment for experiment in every if experiment.id == name]

    def listed(self) -> Sequence[Experiment]:
        """Returns some experiments."""
        return list(islice(self._all(), LISTED))

    def _all(self) -> Iterator[Experiment]:
        for folder in (self._path, self._path / TRASH):
            for path in sorted(folder.glob(f"*/{META}")):
                meta = self._meta(path)
                yield Experiment(
                    id=path.parent.name,
                    name=meta.get("name", ""),
                    deleted=meta.get("lifecycle_stage") == "deleted" or folder != self._path,
                )

    def runs(self, experiment: Experiment) -> Sequence[Row]:
        """Returns the runs of an experiment."""
        return [self._row(path) for path in self._path.glob(f"{experiment.id}/*/{META}")]

    def run(self, run_id: str) -> Row | None:
        """Returns the run of an id."""
        if not run_id.isalnum():
            return None
        path = next(self._path.glob(f"*/{run_id}/{META}"), None)
        return None if path is None else self._row(path)

    def _row(self, path: Path) -> Row:
        meta, folder = self._meta(path), path.parent
        tags = self._texts(folder / "tags")
        start = meta.get("start_time", "")
        state = meta.get("status", "")
        return Row(
            id=folder.name,
            name=name_of(meta.get("run_name"), tags),
            status=_STATES.get(state, state),
            start=int(start) if start.isdecimal() else 0,
            deleted=meta.get("lifecycle_stage") == "deleted",
            params=self._texts(folder / "params"),
            tags=tags,
            folder=str(folder),
        )

    def points(self, row: Row) -> Mapping[str, Sequence[Point]]:
        """Returns the points of every metric, in the order of their lines."""
        folder = Path(row.folder) / "metrics"
        points = {}
        for name, path, text in self._files(folder):
            lines = text.split("\n")[:-1]  # a last line without an end is being written
            points[name] = [self._point(path, n, line) for n, line in enumerate(lines, 1)]
        return points

    def _point(self, path: Path, number: int, line: str) -> Point:
        """Returns a point: time, value, step and, of a data set, its name and hash.

        Raises:
            ParseError: the line is no such point.
        """
        parts = line.split(" ")
        try:
            step = int(parts[2]) if len(parts) > 2 else 0
            return point_of(parts[0], step, float(parts[1]))
        except (ValueError, IndexError) as error:
            msg = f"{line!r:.60} is not a point; expected `TIME VALUE STEP`. Restore the file."
            raise ParseError(msg, source=shown(str(path)), line=number) from error

    def _texts(self, folder: Path) -> dict[str, str]:
        return {name: text for name, _, text in self._files(folder)}

    def _files(self, folder: Path) -> Iterator[tuple[str, Path, str]]:
        """Yields the files below a folder with their names, which may contain slashes."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path, self._text(path)

    def _meta(self, path: Path) -> dict[str, str]:
        return flat(self._text(path))

    def _text(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", "") or "not UTF-8"
            msg = f"{shown(str(path))} cannot be read ({why}); restore it"
            raise ParseError(msg, source=self._source) from error

"""Whether the log of a run is complete, and how far the log of a running one has come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.log.run import Run

PROGRESS_BYTES = 8 << 20
"""Largest log that is read again and again while it grows."""
LAST_BYTES = 4096
"""Bytes at the end of an output in which its last line is sought."""


def why_incomplete(log: Path, *, steps: int | None, pattern: str | None) -> str:
    """Returns why a log is not that of a whole run; empty if it is.

    A whole run has records up to its last step. `steps` is the number of its steps; None stands
    for the number that the log states as planned. If neither is known, a record is enough.
    """
    if not log.exists():
        return f"its command wrote no log; expected {log}"
    try:
        done, planned = _steps(log, pattern)
    except HarnessError as error:
        return str(error)
    whole = steps or planned
    if whole is None or done >= whole:
        return ""
    by = "`steps` of the sweep" if steps else "the log itself"
    return f"{log} ends at step {done} of {whole}, as {by} states"


def progress(log: Path, *, steps: int | None, pattern: str | None) -> tuple[int, int] | None:
    """Returns the steps that a growing log has, and those of the whole run; None if unknown."""
    try:
        if log.stat().st_size > PROGRESS_BYTES:
            return None
        done, planned = _steps(log, pattern)
    except (OSError, HarnessError):  # not there yet, or without a record yet
        return None
    whole = steps or planned
    return None if whole is None or done > whole else (done, whole)


def last_line(output: Path) -> str:
    """Returns the last line that a command printed; empty if there is none."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, output.stat().st_size - LAST_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _steps(log: Path, pattern: str | None) -> tuple[int, int | None]:
    """Returns the number of steps that a log covers, and the planned number if it states one.

    Raises:
        HarnessError: the log cannot be read.
    """
    from harness.storage.logs import read_runs  # noqa: PLC0415  (loads numpy)

    runs = read_runs(log, pattern=pattern)
    planned = next((run.facts.get("planned_steps") for run in runs), None)
    covered = min(_covered(run) for run in runs)
    return covered, planned if isinstance(planned, int) else None


def _covered(run: Run) -> int:
    """Returns the steps up to the last record and its distance to the record before.

    A log that prints every tenth step may end up to nine steps before the last step.
    """
    training = [s for s in run.series if not s.name.startswith(("val.", "test."))]
    series = max(training or run.series, key=lambda s: int(s.steps[-1]))
    last = int(series.steps[-1])
    return last + (last - int(series.steps[-2]) if len(series.steps) > 1 else 1)

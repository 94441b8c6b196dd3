"""Writes verdicts to trackers, when it is asked for.

A tracker that cannot be reached changes no verdict: each failure is a line for the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from harness.comparison.result import PortResult
from harness.errors import HarnessError, PolicyError
from harness.log.shown import shown
from harness.trackers.gathering import OWN

PUBLISHERS: Mapping[str, str] = MappingProxyType(
    {
        "mlflow": "harness.trackers.publish_mlflow",
        "trackio": "harness.trackers.publish_trackio",
        "wandb": "harness.trackers.publish_wandb",
    }
)
"""The module that writes to each tracker, by the name that `--to` takes.

A module has `publish(verdict)`, which writes a `Publication` and returns the name of the run it
wrote to. It raises a HarnessError if its package is not installed or the tracker refuses.
"""
MAX_FAILURES = 3
PREFIX = OWN
"""Prefix of the tags and the figures of a verdict, so that none of the user's is overwritten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A verdict to write to a tracker.

    `candidate` is the candidate's name as the user gave it, empty if it is unknown: a verdict goes
    to the run that it names if it names one run of this tracker, otherwise to a new run with the
    name of the port. `report` is the folder of the written report; None without one.
    """

    result: PortResult
    candidate: str = ""
    report: Path | None = None

    @property
    def tags(self) -> dict[str, str]:
        """The verdict in words, by the names of tags."""
        result = self.result
        texts = {
            "verdict": result.verdict,
            "reason": "; ".join(result.reasons),
            "qualifier": result.qualifier,
            "rules": ", ".join(f"{rule.rule}: {rule.verdict}" for rule in result.rules),
            "port": result.port,
            "version": result.tool_version,
        }
        return {f"{PREFIX}{name}": text for name, text in texts.items()}

    @property
    def figures(self) -> dict[str, float]:
        """The figures of the verdict that are known, by name; fractions are not percent."""
        result = self.result
        figures = {
            "relative_difference": result.relative_difference,
            "coverage": result.coverage,
            "p_value": result.p_value,
            "steps": float(result.steps),
        }
        return {f"{PREFIX}{name}": v for name, v in figures.items() if v is not None}

    @property
    def alert(self) -> str:
        """One line for an alert; empty unless the port failed."""
        if self.result.verdict != "fail":
            return ""
        return f"{self.result.port}: fail: {'; '.join(self.result.reasons)}"


def check_names(trackers: Iterable[str]) -> None:
    """Refuses unknown trackers, before any work.

    Raises:
        PolicyError: nothing is written to a tracker of this name.
    """
    for name in trackers:
        if name not in PUBLISHERS:
            msg = f"--to {name}: an unknown tracker; expected one of: {', '.join(PUBLISHERS)}"
            raise PolicyError(msg)


@contextmanager
def refusals(tracker: str) -> Iterator[None]:
    """Turns any exception of a tracker's package, or of a library below it, into one line.

    Raises:
        HarnessError: the tracker refuses.
    """
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        msg = f"{tracker} refuses: {type(error).__name__}: {shown(lines[0])[:300]}"
        raise HarnessError(msg) from error


def publish_all(trackers: Sequence[str], verdicts: Sequence[Publication]) -> Iterator[str]:
    """Writes the verdicts to the trackers, and yields a line for each that says where, or why not.

    After three failures in a row, a tracker gets no further verdict: one that is down would take
    its time limit for every port.
    """
    for name in dict.fromkeys(trackers):
        module = import_module(PUBLISHERS[name])
        failures = 0
        for verdict in verdicts:
            port = shown(verdict.result.port)
            try:
                where = shown(module.publish(verdict))
            except HarnessError as error:
                yield f"warning: {port}: the verdict was not written to {name}: {error}"
                failures += 1
                if failures == MAX_FAILURES:
                    break
                continue
            failures = 0
            yield f"{port}: {verdict.result.verdict} written to {where}"

"""Writes and reads the file with the results of a shard.

The file has JSON Lines: a head that names the check, a line per result, and the SHA-256 of all
lines before. It is written whole, so a file without that last line was damaged on its way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.comparison.result import PortResult
from harness.errors import HarnessError, ParseError
from harness.ports.check import Task
from harness.ports.shards import MOST, Shard
from harness.system.whole import write_text
from harness.version import tool_version

FORMAT = 1
"""The version of the file's format; a change of meaning raises it."""
MOST_BYTES = 1 << 30
"""Largest file; a result with its curves has about 4 kB."""
RUN_VARIABLES = (
    "HARNESS_RUN",
    "GITHUB_RUN_ID",
    "CI_PIPELINE_ID",
    "BUILDKITE_BUILD_ID",
    "BUILD_TAG",
    "SLURM_ARRAY_JOB_ID",
)
"""Variables that name a run of a CI system or a scheduler: the same in all of its jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What the shards of one check have in common.

    `manifest` is the path as it was given. `entries` is the SHA-256 of its entries with their
    lines, `ports` their number. `commit` and `run` are empty if unknown.
    """

    manifest: str
    entries: str
    ports: int
    commit: str
    run: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A result with its place in the manifest, from 0, and the SHA-256 of its report's data.

    `report` is empty if no report was asked for.
    """

    place: int
    report: str
    result: PortResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardResults:
    """The results of a shard, in the order of the manifest.

    `date` is the day of the check (YYYY-MM-DD, UTC), `source` the path of the file.
    """

    check: Check
    shard: Shard
    results: tuple[Placed, ...]
    date: str = ""
    source: str = ""


def check_of(tasks: Sequence[Task], *, commit: str, environ: Mapping[str, str]) -> Check:
    """Returns what identifies the check of these tasks, which are all ports of a manifest."""
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(f"{task.line} {task.port.model_dump_json()}\n".encode())
    return Check(
        manifest=str(tasks[0].manifest),
        entries=digest.hexdigest(),
        ports=len(tasks),
        commit=commit,
        run=next((environ[name] for name in RUN_VARIABLES if environ.get(name)), ""),
        version=tool_version(),
    )


def write_shard(path: Path, part: ShardResults) -> None:
    """Writes the results of a shard.

    Raises:
        HarnessError: the file cannot be written.
    """
    head = {"format": FORMAT, **asdict(part.check), **asdict(part.shard), "date": part.date}
    entries: list[dict[str, object]] = [
        {"place": p.place, "report": p.report, "result": p.result.to_json()} for p in part.results
    ]
    lines = [json.dumps(entry) + "\n" for entry in (head, *entries)]
    write_text(path, "".join(lines) + json.dumps({"sha256": _digest(lines)}) + "\n")


def read_shard(path: Path) -> ShardResults:
    """Returns the results that `write_shard` wrote.

    Raises:
        ParseError: the file cannot be read, is damaged, or is not the file of a shard.
    """
    source = str(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            msg = f"more than {MOST_BYTES >> 30} GiB; expected the file of a shard"
            raise ParseError(msg, source=source)
        lines = path.read_bytes().decode("utf-8").splitlines(keepends=True)
    except OSError as error:
        msg = f"cannot be read: {error.strerror or error}; check the path"
        raise ParseError(msg, source=source) from error
    except ValueError as error:
        raise _damaged("it is not UTF-8", source) from error
    try:
        head, *entries, last = [json.loads(line) for line in lines]
        if last["sha256"] != _digest(lines[:-1]):
            raise _damaged("its lines differ from their SHA-256", source)
        return _read(head, entries, source)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged("it is cut off, or not the file of a shard", source) from error


def _read(head: dict[str, Any], entries: Sequence[dict[str, Any]], source: str) -> ShardResults:
    if head["format"] != FORMAT:
        msg = f"has format {head['format']!r:.40}; expected {FORMAT}. Use one version of harness"
        raise ParseError(msg, source=source)
    known = Check(**{name: head[name] for name in Check.__dataclass_fields__})
    shard = Shard(index=head["index"], count=head["count"])
    day = head.get("date", "")
    texts = (known.manifest, known.entries, known.commit, known.run, known.version, day)
    counts = (known.ports, shard.index, shard.count)
    if not all(isinstance(text, str) for text in texts) or not all(type(n) is int for n in counts):
        raise _damaged("its head has a field of another type", source)
    if not 1 <= shard.index <= shard.count <= MOST:
        raise _damaged(f"it names a shard {shard}", source)
    try:
        results = tuple(
            Placed(place=e["place"], report=e["report"], result=PortResult.from_json(e["result"]))
            for e in entries
        )
    except HarnessError as error:
        raise _damaged(error.message, source) from error
    if not all(type(r.place) is int and 0 <= r.place < known.ports for r in results):
        raise _damaged(f"it has a place beyond the {known.ports} ports of its manifest", source)
    return ShardResults(check=known, shard=shard, results=results, date=day, source=source)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _damaged(why: str, source: str) -> ParseError:
    msg = f"damaged: {why}. Copy the file again, or judge the shard again"
    return ParseError(msg, source=source)

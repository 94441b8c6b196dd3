"""Joins the results of all shards of a check, as if one machine had judged every port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from harness.comparison.result import ERROR, PortResult
from harness.errors import PolicyError
from harness.log.wording import counted
from harness.ports.files import data_hash
from harness.ports.shard_files import Check, ShardResults, read_shard

FILES = "*-of-*.jsonl"
SHOWN = 10
"""Missing shards that a message names."""
REMEDY = {
    "manifest": "give every machine the same path",
    "entries": "judge every shard from the same manifest",
    "ports": "judge every shard from the same manifest",
    "commit": "check out one commit on every machine",
    "run": "delete the files of the other run, or set HARNESS_RUN to complete that run",
    "version": "install one version on every machine",
}
"""What to do if the shards differ in a field of their check."""
CALLED = {"entries": "entries with SHA-256", "ports": "number of ports", "version": "harness"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The results of a whole check in the order of the manifest, with the commit, if known.

    `date` is the newest day of a shard, so that a shard that is judged late extends no quarantine.
    """

    results: tuple[PortResult, ...]
    commit: str
    date: str = ""


def shard_paths(places: Sequence[Path]) -> list[Path]:
    """Returns the files of shards that are named, or that lie in or below the named folders.

    Raises:
        PolicyError: a folder has no such file.
    """
    paths: list[Path] = []
    for place in places:
        inside = sorted(place.rglob(FILES)) if place.is_dir() else [place]
        if not inside:
            msg = "no file of a shard in this folder; `harness check --shard I/N` writes them"
            raise PolicyError(msg, source=str(place))
        paths += inside
    return paths


def merge(paths: Iterable[Path], *, report: Path | None = None) -> Merged:
    """Returns the results of all shards. With `report`, the reports in that folder are compared.

    Raises:
        ParseError: a file cannot be read, or is damaged.
        PolicyError: shards are missing, of different checks, or overlap; or a report in the folder
            is not the one that its shard wrote.
    """
    parts = [read_shard(path) for path in paths]
    _same_check(parts)
    _each_once(parts)
    check = parts[0].check
    placed = {p.place: (p, part) for part in parts for p in part.results}
    if report is not None:
        for found, part in placed.values():
            _same_report(found.result, found.report, part, report)
    ordered = (placed[place][0].result for place in range(check.ports))
    return Merged(
        results=tuple(ordered), commit=check.commit, date=max(part.date for part in parts)
    )


def _same_check(parts: Sequence[ShardResults]) -> None:
    """Refuses shards of different checks. The message names a file that differs from most."""
    counts = Counter(part.shard.count for part in parts)
    usual = counts.most_common(1)[0][0]
    for part in parts:
        if part.shard.count != usual:
            msg = (
                f"shard {part.shard}, but other files are shards of {usual}; "
                "delete the files of the other check"
            )
            raise PolicyError(msg, source=part.source)
    for name in (field.name for field in fields(Check)):
        values = Counter(getattr(part.check, name) for part in parts)
        common = values.most_common(1)[0][0]
        for part in parts:
            value = getattr(part.check, name)
            if value != common:
                what = CALLED.get(name, name)
                msg = (
                    f"shard {part.shard} has {what} {_text(value)}, and other shards have "
                    f"{_text(common)}; {REMEDY[name]}"
                )
                raise PolicyError(msg, source=part.source)


def _text(value: object) -> str:
    return str(value) if value != "" else "unknown"


def _each_once(parts: Sequence[ShardResults]) -> None:
    """Refuses a shard that is given twice or missing, and a port that is in two shards or in none.

    The places of all results are then those of the manifest, each once.
    """
    by_shard: dict[int, ShardResults] = {}
    owner: dict[int, ShardResults] = {}
    for part in parts:
        other = by_shard.setdefault(part.shard.index, part)
        if other is not part:
            msg = f"shard {part.shard} again, as {other.source}; give each shard once"
            raise PolicyError(msg, source=part.source)
        for placed in part.results:
            first = owner.setdefault(placed.place, part)
            if first is not part:
                msg = (
                    f"port {placed.result.port} is in shard {part.shard} and in shard "
                    f"{first.shard}; judge both shards again with one version"
                )
                raise PolicyError(msg, source=part.source)
        if len({placed.place for placed in part.results}) < len(part.results):
            msg = f"shard {part.shard} has a port twice; judge the shard again"
            raise PolicyError(msg, source=part.source)
    count = parts[0].shard.count
    missing = [str(i) for i in range(1, count + 1) if i not in by_shard]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        msg = (
            f"{counted(len(missing), 'shard')} of {count} missing: "
            f"{', '.join(missing[:SHOWN])}{more}; run `harness check "
            f"{parts[0].check.manifest} --shard {missing[0]}/{count}`, and copy its file here"
        )
        raise PolicyError(msg)
    absent = parts[0].check.ports - len(owner)
    if absent:
        msg = f"{counted(absent, 'port')} in no shard; judge every shard again with one version"
        raise PolicyError(msg)


def _same_report(result: PortResult, written: str, part: ShardResults, folder: Path) -> None:
    if result.verdict == ERROR:
        return
    if not written:
        msg = f"shard {part.shard} has no reports; run every shard with --report {folder}"
        raise PolicyError(msg, source=part.source)
    present = data_hash(folder / result.port)
    if present != written:
        what = "is not the report" if present else "has no report, and expected is the one"
        msg = (
            f"{what} that shard {part.shard} wrote; copy the report folders of all shards into "
            f"{folder}"
        )
        raise PolicyError(msg, source=str(folder / result.port))

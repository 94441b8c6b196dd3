"""The list of a table's parts, with their hashes: `collected.json`.

A reader sees only the parts that it lists, so a table changes when this file is replaced. A collect
that is not finished lists its parts in `collecting.json`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.errors import ParseError
from harness.storage.table.folder import Folder

COLLECTED = "collected.json"
COLLECTING = "collecting.json"
FORMAT = "ccnet-port-harness table"
VERSION = 1
AGAIN = "Collect the logs again, into another folder."

INNER = ("runs", "records")
"""The folders of a table in which its parts are."""

_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[0-9a-f]{16}")
# also a hidden file beside it, which a killed collect was writing
_FILE = re.compile(r"(runs|records)/part=[0-9a-f]{16}/(\1\.parquet|\.\1\.parquet\.[0-9a-f]{16})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Two files of a table: the runs, and their records. `name` is a part of their hash."""

    name: str
    logs: int
    runs: int
    records: int
    runs_sha256: str
    records_sha256: str

    def __post_init__(self) -> None:
        hashes = (self.runs_sha256, self.records_sha256)
        if not (_NAME.fullmatch(self.name) and all(map(_HASH.fullmatch, hashes))):
            msg = f"a part has the name {self.name!r:.40}"  # it could lead out of the folder
            raise ValueError(msg)

    @property
    def runs_file(self) -> str:
        """The file with a row for each run."""
        return f"runs/part={self.name}/runs.parquet"

    @property
    def records_file(self) -> str:
        """The file with a row for each figure."""
        return f"records/part={self.name}/records.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The parts of a table. `seal` is the hash of the file, `base` that of the table before."""

    parts: tuple[Part, ...] = ()
    base: str = ""
    seal: str = field(default="", compare=False)

    @property
    def runs(self) -> int:
        """The number of runs."""
        return sum(part.runs for part in self.parts)


def is_ours(file: str) -> bool:
    """Returns whether a file in the folder of a table has a name that `harness collect` gives.

    >>> is_ours("runs/part=0123456789abcdef/runs.parquet"), is_ours("runs/seed_0.parquet")
    (True, False)
    """
    return _FILE.fullmatch(file) is not None


def refuse_others(folder: Folder) -> None:
    """Refuses a folder without a table that holds other files, such as the logs.

    It would no longer give its logs, because its name would be that of a table. What a collect
    left that was killed before its first list is no other file.

    Raises:
        ParseError: the folder holds another file, or cannot be read.
    """
    names = [name for name in folder.names() if not name.startswith(".")]
    other = next((name for name in names if name not in INNER), "")
    below = (file for inner in INNER if inner in names for file in folder.files(inner))
    other = other or next((file for file in below if not is_ours(file)), "")
    if other:
        msg = (
            f"holds {other!r:.80}, and no table; expected the folder of a table, or a new folder. "
            "Name another folder with --to."
        )
        raise ParseError(msg, source=folder.name)


def read_manifest(folder: Folder, file: str = COLLECTED) -> Manifest | None:
    """Returns the manifest of a table; None if the folder has no such file.

    Raises:
        ParseError: the file is damaged, was edited, or has another version.
    """
    data = folder.read(file)
    if data is None:
        return None
    source = f"{folder.name}/{file}"
    try:
        return _manifest(json.loads(data), source)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        msg = f"is damaged ({type(error).__name__}: {str(error)[:100]}). {AGAIN}"
        raise ParseError(msg, source=source) from error


def _manifest(content: Any, source: str) -> Manifest:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        msg = f"not the manifest of a table; expected the format {FORMAT!r}. {AGAIN}"
        raise ParseError(msg, source=source)
    version = content.get("version")
    if version != VERSION:
        msg = f"version {version!r:.40}; this tool reads {VERSION}. Update the harness."
        raise ParseError(msg, source=source)
    seal = content.pop("sha256", None)
    if seal != _seal(content):
        msg = f"was edited or is damaged: its hash does not match. {AGAIN}"
        raise ParseError(msg, source=source)
    parts = tuple(Part(**part) for part in content["parts"])
    return Manifest(parts=parts, base=str(content["base"]), seal=str(seal))


def write_manifest(folder: Folder, manifest: Manifest, file: str = COLLECTED) -> Manifest:
    """Writes a manifest, and returns it with its seal."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "base": manifest.base,
        "parts": [asdict(part) for part in manifest.parts],
    }
    seal = _seal(content)
    text = json.dumps({**content, "sha256": seal}, indent=1)
    folder.write(file, f"{text}\n".encode())
    return Manifest(parts=manifest.parts, base=manifest.base, seal=seal)


def _seal(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

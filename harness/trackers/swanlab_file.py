"""The file in which SwanLab keeps all records of a run: Protocol Buffers since 0.8, JSON before.

run-20260102_030405-a1b2c3/run-a1b2c3.swanlab        run-20250102_030405-a1b2c3/backup.swanlab
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import ParseError
from harness.trackers.leveldb_log import HEAD_BYTES, Records
from harness.trackers.protobuf import DamageError, Value, double, inner, last_of, signed, text
from harness.trackers.swanlab_points import FINISHED, Found

MARK = b":SWL\xd6\xe1"
"""The first bytes of such a file; the version follows."""
_START, _FINISH, _COLUMN, _SCALAR = 10, 11, 12, 13
"""Numbers of the records that are read."""
_SYSTEM = 2
"""The class of a column that SwanLab adds."""
CRASHED = 2
_STEP_AXES = {"", "_step", "step"}


def read_file(path: Path, *, source: str) -> Found:
    """Returns what the file of a run states.

    Raises:
        ParseError: the file cannot be read, or is not SwanLab's.
    """
    found = Found()
    unread = 0
    try:
        with path.open("rb") as file:
            if not file.read(HEAD_BYTES).startswith(MARK):
                msg = f"{path.name} is no file of SwanLab's; expected run-*/*.swanlab"
                raise ParseError(msg, source=source)
            records = Records(file)
            for record in records:
                unread += not _take(record, found)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}; check the path"
        raise ParseError(msg, source=source) from error
    if records.cut:
        found.notes.append(records.cut)
    if records.damaged or unread:
        lost = records.damaged or unread
        what = "blocks of 32 KiB end" if records.damaged else "records are"
        found.notes.append(f"{lost} {what} damaged, and what they held is not read")
    return found


def _take(record: bytes, found: Found) -> bool:
    """Takes a record, and returns whether it could be read."""
    try:
        if record[:1] == b"{":
            _take_json(json.loads(record), found)
        else:
            _take_message(last_of(record), found)
    except (DamageError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False
    return True


def _take_message(record: dict[int, Value], found: Found) -> None:
    if _SCALAR in record:
        scalar = inner(record[_SCALAR])
        value = double(inner(scalar.get(5)).get(1))
        found.raw.append((text(scalar.get(1)), signed(scalar.get(2)), value))
    elif _COLUMN in record:
        column = inner(record[_COLUMN])
        key, axis = text(column.get(3)), text(column.get(13))
        if column.get(1) == _SYSTEM:
            found.system.add(key)
        if axis not in _STEP_AXES:
            found.axes[key] = axis
    elif _START in record:
        start = inner(record[_START])
        found.name, found.id = text(start.get(4)), text(start.get(10))
    elif _FINISH in record:
        finish = inner(record[_FINISH])
        found.end(signed(finish.get(1)), text(finish.get(2)))


def _take_json(record: dict[str, Any], found: Found) -> None:
    """Takes a record of an older file, in which NaN is `"NaN"` and an infinity is `"INF"`."""
    data = record["data"]
    match record["model_type"]:
        case "Scalar":
            step = data["step"] if "step" in data else data["metric"]["index"]
            found.raw.append((data["key"], int(step), data["metric"]["data"]))
        case "Column" if data.get("cls") == "SYSTEM":
            found.system.add(data["key"])
        case "Experiment":
            found.name, found.id = str(data.get("name") or ""), str(data.get("id") or "")
        case "Footer":
            found.end(FINISHED if data.get("success") else CRASHED)

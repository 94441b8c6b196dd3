"""The file in which SwanLab keeps all records of a run: Protocol Buffers since 0.8, JSON before.

run-20260102_030405-a1b2c3/run-a1b2c3.swanlab        run-20250102_030405-a1b2c3/backup.swanlab
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import ParseError
from harness.log.wording import counted
from harness.parse.protobuf import double, fields, signed, text
from harness.trackers.swanlab_points import FINISHED, Found
from harness.trackers.wandb_log import HEAD, Log

MARK = b":SWL\xd6\xe1"
"""The first bytes of such a file; the version follows."""
_START, _FINISH, _COLUMN, _SCALAR = 10, 11, 12, 13
"""Numbers of the records that are read."""
_SYSTEM = 2
"""The class of a column that SwanLab adds."""
CRASHED = 2
_STEP_AXES = {"", "_step", "step"}
_Message = dict[int, int | bytes]


def read_file(path: Path, *, source: str) -> Found:
    """Returns what the file of a run states.

    Raises:
        ParseError: the file cannot be read, or is not SwanLab's.
    """
    found = Found()
    unread = 0
    try:
        with path.open("rb") as file:
            if not file.read(len(HEAD)).startswith(MARK):
                msg = f"{path.name} is no file of SwanLab's; expected run-*/*.swanlab"
                raise ParseError(msg, source=source)
            file.seek(0)
            log = Log(file, size=path.stat().st_size, seen=lambda _: None)
            for record in log:
                unread += record is None or not _take(record, found)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}; check the path"
        raise ParseError(msg, source=source) from error
    if log.ended:
        found.notes.append(f"{path.name} {log.ended}")
    if unread:
        lost = counted(unread, "damaged place")
        found.notes.append(f"{path.name} has {lost}; the records there are not read")
    return found


def _take(record: bytes, found: Found) -> bool:
    """Takes a record, and returns whether it could be read."""
    try:
        if record[:1] == b"{":
            _take_json(json.loads(record), found)
        else:
            _take_message(_message(record), found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False
    return True


def _take_message(record: _Message, found: Found) -> None:
    if _SCALAR in record:
        scalar = _message(record[_SCALAR])
        value = _message(scalar.get(5, b""))
        number = double(value[1]) if 1 in value else 0.0  # a default is not written
        found.raw.append((text(scalar.get(1, b"")), _whole(scalar.get(2, 0)), number))
    elif _COLUMN in record:
        column = _message(record[_COLUMN])
        key, axis = text(column.get(3, b"")), text(column.get(13, b""))
        if column.get(1) == _SYSTEM:
            found.system.add(key)
        if axis not in _STEP_AXES:
            found.axes[key] = axis
    elif _START in record:
        start = _message(record[_START])
        found.name, found.id = text(start.get(4, b"")), text(start.get(10, b""))
    elif _FINISH in record:
        finish = _message(record[_FINISH])
        found.end(_whole(finish.get(1, 0)), text(finish.get(2, b"")))


def _message(data: int | bytes) -> _Message:
    """Returns the last value of each field of a message, which is the one that counts."""
    return {number: value for number, _, value in fields(data if isinstance(data, bytes) else b"")}


def _whole(value: int | bytes) -> int:
    return signed(value) if isinstance(value, int) else 0


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

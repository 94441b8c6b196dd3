"""Files as Trackio and SwanLab write them, made without their packages."""

import json
import math
import sqlite3
import struct
import zlib

TRACKIO = """
CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
    timestamp TEXT NOT NULL, run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL,
    log_id TEXT, space_id TEXT);
CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
    run_name TEXT NOT NULL, config TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE(run_id));
CREATE TABLE system_metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
    timestamp TEXT NOT NULL, run_name TEXT NOT NULL, metrics TEXT NOT NULL);
"""
OLD_TRACKIO = """
CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT NOT NULL,
    run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL);
"""
"""Before ids of runs and configs were stored."""
SPELLED = ("NaN", "Infinity", "-Infinity")


def words(value, names):
    """NaN and infinities as text, by its names of NaN, infinity and its negative."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return names[0] if math.isnan(value) else names[1] if value > 0 else names[2]


def trackio(database, runs, *, old=False):
    """Writes runs, each a name, an id, a config and rows of (step, values)."""
    database.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(database)
    store.executescript(OLD_TRACKIO if old else TRACKIO)
    at = "2026-01-02T03:04:05+00:00"
    for name, key, config, rows in runs:
        for n, (step, values) in enumerate(rows):
            data = json.dumps({k: words(v, SPELLED) for k, v in values.items()}).encode()
            if old:
                sql = "INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?,?,?,?)"
                store.execute(sql, (at, name, step, data.decode()))
            else:
                sql = (
                    "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics, log_id) "
                    "VALUES (?, ?, ?, ?, ?, ?)"
                )
                store.execute(sql, (key, at, name, step, data, f"{key}-{n}"))
        if not old:
            sql = "INSERT INTO configs (run_id, run_name, config, created_at) VALUES (?, ?, ?, ?)"
            store.execute(sql, (key, name, json.dumps(config), at))
            sql = (
                "INSERT INTO system_metrics (run_id, timestamp, run_name, metrics) VALUES (?,?,?,?)"
            )
            store.execute(sql, (key, at, name, '{"gpu": 3.0}'))
    store.commit()
    store.close()


def record_log(records, *, version=2):
    """The bytes of SwanLab's file of records."""
    data = bytearray(struct.pack("<4sHB", b":SWL", 0xE1D6, version))

    def part(piece, kind):
        checksum = zlib.crc32(piece, zlib.crc32(bytes([kind])))
        data.extend(struct.pack("<IHB", checksum, len(piece), kind) + piece)

    for record in records:
        left, first = record, True
        while first or left:
            room = 32_768 - len(data) % 32_768
            if room < 7:
                data.extend(bytes(room))
                continue
            piece, left = left[: room - 7], left[room - 7 :]
            part(piece, (1 if first else 4) if not left else (2 if first else 3))
            first = False
    return bytes(data)


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def message(**fields):
    """A message by `f1=..`: whole numbers, floats (double), text and inner messages."""
    out = b""
    for name, value in fields.items():
        number = int(name[1:])
        if isinstance(value, float):
            out += varint(number << 3 | 1) + struct.pack("<d", value)
        elif isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def scalar(key, step, value):
    number = message(f1=value) if value else b""  # a default is not written
    return message(f1=9, f13=message(f1=key, **({"f2": step} if step else {}), f3=1, f5=number))


def column(key, *, kind=1, axis=""):
    return message(f12=message(f1=kind, f2=1, f3=key, **({"f13": axis} if axis else {})))


def swanlab(folder, records, *, state=1, error="", config=""):
    """Writes the folder of a run as SwanLab 0.10 does; `state` is None for a run without an end."""
    end = [] if state is None else [message(f11=message(f1=state, f2=error))]
    start = message(f1=7, f10=message(f1="port", f4="seed_1", f10="a1b2"))
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "config.yaml").write_text(config)
    (folder / "run-a1b2.swanlab").write_bytes(record_log([start, *records, *end]))


def old_swanlab(folder, points, *, success=True):
    """Writes the folder of a run as SwanLab 0.6 does: JSON, with NaN and infinity as words."""
    records = [("Header", {}), ("Experiment", {"id": "a1b2", "name": "seed_1"})]
    records += [("Column", {"key": "__swanlab__.cpu.pct", "cls": "SYSTEM"})]
    for key, step, value in [*points, ("__swanlab__.cpu.pct", 0, 54.0)]:
        data = words(value, ("NaN", "INF", "INF"))
        records.append(("Scalar", {"metric": {"index": step, "data": data}, "key": key,
                                   "step": step, "epoch": 1}))  # fmt: skip
    records.append(("Footer", {"success": success}))
    folder.mkdir(parents=True)
    texts = [json.dumps({"model_type": kind, "data": data}) + "\n" for kind, data in records]
    data = record_log([text.encode() for text in texts], version=1)
    (folder / "backup.swanlab").write_bytes(data)


def local_swanlab(folder, name, points, *, status=1):
    """Writes a run of SwanLab's local mode: a folder for each metric, and the database of runs."""
    database = folder.parent / "runs.swanlab"
    folder.mkdir(parents=True)
    store = sqlite3.connect(database)
    store.executescript(
        """CREATE TABLE IF NOT EXISTS experiment (id INTEGER PRIMARY KEY, run_id TEXT NOT NULL,
               name VARCHAR(100) NOT NULL, status INTEGER NOT NULL);
           CREATE TABLE IF NOT EXISTS tag (id INTEGER PRIMARY KEY, experiment_id INTEGER NOT NULL,
               name VARCHAR(255) NOT NULL, folder VARCHAR(255));"""
    )
    sql = "INSERT INTO experiment (run_id, name, status) VALUES (?, ?, ?)"
    run = store.execute(sql, (folder.name, name, status)).lastrowid
    keys = list(dict.fromkeys(key for key, _, _ in points))
    for number, key in enumerate(keys):
        sql = "INSERT INTO tag (experiment_id, name, folder) VALUES (?, ?, ?)"
        store.execute(sql, (run, key, str(number)))
        inside = folder / "logs" / str(number)
        inside.mkdir(parents=True)
        own = [(step, value) for k, step, value in points if k == key]
        for begin in range(0, len(own), 1000):
            lines = [
                json.dumps({"index": step, "data": value, "create_time": "2026-01-02T03:04:05"})
                for step, value in own[begin : begin + 1000]
            ]
            (inside / f"{begin + 1000}.log").write_text("\n".join(lines) + "\n")
        (inside / "_summary.json").write_text('{"num": 1}')
    store.commit()
    store.close()

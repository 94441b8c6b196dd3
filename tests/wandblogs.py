"""Writes transaction logs of Weights & Biases, byte by byte, from rows that are known."""

import json
import zlib

BLOCK = 1 << 15
HEAD = b":W&B\xe1\xbe\x00"


def varint(number):
    parts = []
    number &= (1 << 64) - 1
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def field(number, value):
    """A field: a number as varint, text and bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def item(name, value, *, nested=True):
    """An item of the history or the config; a tuple is a nested name."""
    path = name if isinstance(name, tuple) else (name,)
    names = [field(2, part) for part in path] if nested else [field(1, path[0])]
    return field(1, b"".join(names) + field(16, json.dumps(value)))


def history(step, row, *, nested=True):
    items = [item(name, value, nested=nested) for name, value in {**row, "_step": step}.items()]
    return field(2, b"".join(items) + field(2, field(1, step)))


def run(run_id, config=None, *, name=""):
    settings = b"".join(item(key, value, nested=False) for key, value in (config or {}).items())
    return field(17, field(1, run_id) + field(4, settings) + field(8, name))


def config(**settings):
    return field(5, b"".join(item(key, value) for key, value in settings.items()))


def metric(name, axis):
    return field(12, field(2 if name.endswith("*") else 1, name) + field(4, axis))


def ended(code=0):
    return field(18, field(1, code) if code else b"")


def framed(records):
    """The file of these records: chunks in blocks of 32 KiB, with their checksums."""
    data = bytearray(HEAD)
    for record in records:
        rest, first = record, True
        while first or rest:
            room = BLOCK - len(data) % BLOCK
            if room < 7:
                data += bytes(room)
                continue
            part, rest = rest[: room - 7], rest[room - 7 :]
            kind = (1 if not rest else 2) if first else (4 if not rest else 3)
            crc = zlib.crc32(part, zlib.crc32(bytes([kind])))
            data += (
                crc.to_bytes(4, "little") + len(part).to_bytes(2, "little") + bytes([kind]) + part
            )
            first = False
    return bytes(data)


def write(folder, run_id, records, *, begun="20260102_030405"):
    """A run's folder, as the offline mode names it; returns the path of the log."""
    inner = folder / f"offline-run-{begun}-{run_id}"
    inner.mkdir(parents=True)
    path = inner / f"run-{run_id}.wandb"
    path.write_bytes(framed(records))
    return path

"""How fast event files and W&B's logs are read: `python -m benchmarks.trackers [RECORDS]`.

Writes an event file of 200,000 scalars (unless told otherwise), and a transaction log of a fifth as
many rows of four numbers. Prints the median of the processor time of 3 runs after 1 warm-up: of the
checksums of records of 50 bytes and of one record of 16 MB; of the event file by `harness` and by
tensorboard's own reader (`pip install tensorboard`); and of W&B's log by `harness`.
"""

from __future__ import annotations

import json
import statistics
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.parse.crc32c import crc32c, masked
from harness.parse.formats.events import plain
from harness.storage.logs import read_run
from harness.trackers.wandb_log import BLOCK, HEAD

RUNS = 3


def varint(number: int) -> bytes:
    """A number as a varint."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def event_file(path: Path, records: int) -> None:
    """An event file of a loss, as torch's SummaryWriter lays it out."""
    head = b"\x09" + struct.pack("<d", 1.0) + b"\x1a\x0dbrain.Event:2"
    begin = plain("train/loss")
    datas = [head] + [
        b"\x09"
        + struct.pack("<d", i)
        + b"\x10"
        + varint(i)
        + begin
        + struct.pack("<f", 1 / (i + 1))
        for i in range(records)
    ]
    sizes = np.array([len(data) for data in datas])
    checks = masked(crc32c(b"".join(datas), np.cumsum(sizes) - sizes, sizes))
    lengths = [struct.pack("<Q", size) for size in sizes]
    of_lengths = masked(
        crc32c(b"".join(lengths), np.arange(len(sizes)) * 8, np.full_like(sizes, 8))
    )
    with path.open("wb") as file:
        for length, a, data, b in zip(lengths, of_lengths, datas, checks, strict=True):
            file.write(length + a.tobytes() + data + b.tobytes())


def wandb_log(path: Path, rows: int) -> None:
    """A transaction log with rows of four numbers."""
    out = bytearray(HEAD)
    for i in range(rows):
        row = {"train/loss": 1 / (i + 1), "lr": 0.1, "_step": i, "_timestamp": 1.7e9 + i}
        items = b"".join(
            _field(1, _field(2, name.encode()) + _field(16, json.dumps(value).encode()))
            for name, value in row.items()
        )
        rest, first = _field(2, items), True
        while first or rest:
            room = BLOCK - len(out) % BLOCK
            if room < 7:
                out += bytes(room)
                continue
            part, rest = rest[: room - 7], rest[room - 7 :]
            kind = bytes([(2 if rest else 1) if first else (3 if rest else 4)])
            crc = zlib.crc32(part, zlib.crc32(kind))
            out += crc.to_bytes(4, "little") + len(part).to_bytes(2, "little") + kind + part
            first = False
    path.write_bytes(out)


def _field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def seconds(work: Callable[[], object]) -> float:
    """The median of the processor time of a piece of work."""
    work()
    times = []
    for _ in range(RUNS):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return statistics.median(times)


def official(path: Path) -> Callable[[], object]:
    """Tensorboard's own reader of the scalars of a file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return lambda: EventAccumulator(str(path), size_guidance={"scalars": 0}).Reload()


def checksums() -> None:
    """Prints the rates of the checksum."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    data = np.random.default_rng(0).integers(0, 256, 16_000_000, dtype=np.uint8).tobytes()
    for name, size in [("records of 50 bytes", 50), ("a record of 16 MB", len(data))]:
        starts = np.arange(len(data) // size) * size
        lengths = np.full_like(starts, size)
        rate = 16 / seconds(lambda s=starts, n=lengths: crc32c(data, s, n))  # type: ignore[misc]
        print(f"checksums of {name}: {rate:.0f} MB/s")
    rate = 1 / seconds(lambda: masked_crc32c(data[:1_000_000]))
    print(f"checksums by tensorboard: {rate:.1f} MB/s")


def main() -> None:
    """Prints all times."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    checksums()
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.out.tfevents.1.host")
        event_file(events, records)
        size = events.stat().st_size / 1e6
        for name, work in [
            ("harness", lambda: read_run(events)),
            ("tensorboard", official(events)),
        ]:
            took = seconds(work)
            print(f"{records} scalars, {size:.0f} MB, by {name}: {took:.2f} s, "
                  f"{records / took:.0f} scalars/s")  # fmt: skip
        log = Path(folder, "run-ab.wandb")
        wandb_log(log, records // 5)
        took = seconds(lambda: read_run(f"wandb:{log}"))
        print(f"{records // 5} rows of W&B, {log.stat().st_size / 1e6:.0f} MB: {took:.2f} s, "
              f"{records / 5 / took:.0f} rows/s")  # fmt: skip


if __name__ == "__main__":
    main()

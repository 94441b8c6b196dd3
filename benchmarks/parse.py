"""How fast a large log is read: `python -m benchmarks.parse [MEGABYTES]` (1,000 unless given).

Writes a log of four ranks, three figures a record, and reads it in one run by: the plain script's
regular expression for one figure of rank 0 over the text already in memory, polars extracting
three figures of every line, counting newlines, and `harness`, which reads every figure of every
rank; over the bytes in memory as the script does, and from the file, hashing it. Median of 3 after
1 warm-up. Each is a process of its own, which prints its peak memory above that before it began.
Then, for a fifth of that size in every other line format: the plain script's figure of each line,
and `harness` from the file, with numba and without.

`python -m benchmarks.parse stream [GIGABYTES]` reads a log of 10 GB that is never on disk or whole
in memory, and prints the peak memory above the numbers kept.
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from benchmarks import line_formats
from benchmarks.line_formats import KINDS

ROOT = Path(__file__).resolve().parents[1]
RUNS = 3
RANKS = 4
PIECE = 1 << 22


def write(path: Path, megabytes: int) -> None:
    """A log of this size, with the figures that float32 losses and measured times have."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="ascii") as file:
        step = 0
        while file.tell() < megabytes * 1_000_000:
            loss = rng.normal(3, 0.5, (5000, RANKS)).astype(np.float32).astype(float).tolist()
            ips = rng.normal(12, 1, (5000, RANKS)).tolist()
            lines = []
            for i in range(5000):
                clock = f"{step // 3600 % 24:02d}:{step // 60 % 60:02d}:{step % 60:02d}.943828"
                lines += [
                    f"TCAPPDLL 2025-07-26 {clock} - Epoch: {step // 2975} "
                    f"Iteration: {step % 2975}  rank : {rank}  train.loss : {loss[i][rank]!r}  "
                    f"train.ips : {ips[i][rank]!r} imgs/s train.total_time : "
                    f"{2 / ips[i][rank]!r} \n"
                    for rank in range(RANKS)
                ]
                step += 1
            file.write("".join(lines))


def plain(path: Path) -> Callable[[], int]:
    """The published way: one figure of one rank."""
    text = path.read_text(encoding="ascii")
    pattern = r"rank : 0  train.loss : ([\d\.e-]+)"
    return lambda: len([float(found) for found in re.findall(pattern, text)])


def with_polars(path: Path) -> Callable[[], int]:
    """Three figures of every line, by polars."""
    import polars as pl

    lines = pl.Series("line", path.read_text(encoding="ascii").splitlines()).to_frame()
    patterns = [rf"{name} : ([\d.e-]+)" for name in ("loss", "ips", "total_time")]
    columns = [
        pl.col("line").str.extract(pattern).cast(pl.Float64).alias(str(i))
        for i, pattern in enumerate(patterns)
    ]
    return lambda: lines.select(columns).height


def newlines(path: Path) -> Callable[[], int]:
    """The floor: looking at every byte once."""
    data = path.read_bytes()
    return lambda: data.count(b"\n")


def in_memory(path: Path) -> Callable[[], int]:
    """`harness` over bytes already in memory: all figures of all ranks."""
    from harness.parse import parse_log

    data = path.read_bytes()
    pieces = [data[i : i + PIECE] for i in range(0, len(data), PIECE)]
    del data
    return lambda: sum(len(s) for s in parse_log(pieces, source="log").series)


def from_file(path: Path) -> Callable[[], int]:
    """`harness` from the file, streaming and hashing it."""
    from harness import read_run

    return lambda: sum(len(s) for s in read_run(path).series)


def script(path: Path) -> Callable[[], int]:
    """The plain script's figure of a log that is named after its format."""
    text = path.read_text(encoding="ascii")
    pattern = re.compile(KINDS[path.stem].pattern, re.MULTILINE)
    return lambda: len([float(found) for found in pattern.findall(text)])


def without_numba(path: Path) -> Callable[[], int]:
    """`harness` from the file where numba is not installed."""
    sys.modules["numba"] = None  # type: ignore[assignment]
    return from_file(path)


OF_A_FORMAT = {
    "plain script, 1 figure": script,
    "harness, all, from the file, fast": from_file,
    "harness, all, without numba": without_numba,
}
WAYS = {
    "plain script, 1 figure of rank 0": plain,
    "polars, 3 figures": with_polars,
    "newlines": newlines,
    "harness, all, in memory": in_memory,
    "harness, all, from the file": from_file,
    **OF_A_FORMAT,
}


def peak_mib() -> float:
    """The largest size this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(way: str, path: Path) -> None:
    """Times one way, and prints its line."""
    run = WAYS[way](path)
    before = peak_mib()
    times = []
    for _ in range(1 + RUNS):
        begun = time.perf_counter()
        numbers = run()
        times.append(time.perf_counter() - begun)
    speed = path.stat().st_size / 1e6 / statistics.median(times[1:])
    kept = numbers * 16 / (1 << 20) if way.startswith("harness") else 0.0
    above = peak_mib() - before
    note = f" ({kept:.0f} MiB of it the numbers kept)" if kept else ""
    print(f"{way:34s} {speed:6.0f} MB/s  {numbers:10,d} numbers  + {above:5.0f} MiB{note}")


def stream(gigabytes: float) -> None:
    """Reads a log that is made while it is read, and prints speed and memory."""
    from harness.parse import parse_log

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "epoch.log"
        write(path, 40)
        data = re.sub(
            rb"Epoch: \d+ Iteration: \d+", b"Epoch: @@@@@@ Iteration: #", path.read_bytes()
        )
    parts = data.split(b"#")
    data = b"".join(
        part + (b"%d" % (i // RANKS) if i + 1 < len(parts) else b"") for i, part in enumerate(parts)
    )
    passes = int(gigabytes * 1e9 / len(data))
    before = peak_mib()
    begun = time.perf_counter()
    pieces = (
        epoch[i : i + PIECE]
        for n in range(passes)
        for epoch in [data.replace(b"@@@@@@", b"%06d" % n)]
        for i in range(0, len(epoch), PIECE)
    )
    run = parse_log(pieces, source="stream")
    seconds = time.perf_counter() - begun
    kept = sum(len(s) for s in run.series) * 16 / (1 << 20)
    size = passes * len(data) / 1e6
    print(
        f"{size / 1000:.1f} GB in {seconds:.0f} s ({size / seconds:.0f} MB/s, making it included), "
        f"{run.lines:,d} lines; peak {peak_mib() - before - kept:.0f} MiB above the text of an "
        f"epoch ({len(data) >> 20} MiB) and the {kept:.0f} MiB of numbers kept"
    )


def main() -> None:
    """Prints one line a way."""
    if sys.argv[1:2] == ["stream"]:
        stream(float(sys.argv[2]) if len(sys.argv) > 2 else 10)
        return
    if len(sys.argv) == 3:
        one(sys.argv[1], Path(sys.argv[2]))
        return
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "port.log"
        write(path, megabytes)
        measure(path, WAYS.keys() - OF_A_FORMAT.keys())
        path.unlink()
        for kind in KINDS:
            path = Path(folder) / f"{kind}.log"
            line_formats.write(kind, path, max(1, megabytes // 5))
            print(kind)
            measure(path, OF_A_FORMAT)
            path.unlink()


def measure(path: Path, ways: Collection[str]) -> None:
    """Prints a line for each of these ways to read a log, measured in a process of its own."""
    for way in WAYS:
        if way in ways:
            command = [sys.executable, "-m", "benchmarks.parse", way, str(path)]
            subprocess.run(command, cwd=ROOT, check=False)


if __name__ == "__main__":
    main()

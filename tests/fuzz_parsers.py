"""Coverage-guided fuzzing of the log readers, `tox -e fuzz`: only HarnessError may come out.

    python tests/fuzz_parsers.py [--runs N] [--jobs J] [--seed S] [--target NAME ...]

One process a target. A target is the whole of `parse_log` with one format alone, a user's pattern,
every format at once, or the reading in bulk beside that line by line. Lines are moved, repeated,
cut, spliced and coloured, and numbers replaced, before libFuzzer's own mutations. Two targets draw
from their input: `tampering` a damage of an honest log, whose pass is a finding; `grammar lines` a
log of known figures, all of which must be read back (`tests/grammarlogs.py` does that alone).
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["harness.parse"]):
    from harness.parse import reading, text

from grammarlogs import differing, printed
from logforms import BLOCKS, LOGS, PLAIN_BAR
from loglines import READ, record
from tampering import damaged, verdict

from harness.errors import HarnessError
from harness.log.run import Run, same_series

MAX_LEN = 400
"""Bytes of an input: two records of most formats."""
LONGER = {"bulk": 2048, "every format": 800, "Megatron": 700, "HfState": 640, "Tcappdll": 500}
"""Targets whose inputs are longer, up to so many bytes."""
SHARE = {
    "tampering": 0.004,
    "grammar lines": 0.05,
    "bulk": 0.25,
    "every format": 0.5,
    "pattern": 0.5,
}
"""Part of the executions that slow targets get."""
LONGEST_S = 2.0
"""An input that takes longer is a finding."""
RSS_MB = 2048
PATTERN = (
    r"(?i:step|iteration):? (?P<step>\d+)(?:.*rank : (?P<rank>\S+))?.*loss:? :? ?(?P<loss>\S+)"
)
NUMBERS = (
    *(
        b"0",
        b"-1",
        b"1e308",
        b"1e999",
        b"nan",
        b"-inf",
        b"1,234.5",
        b"1_0",
        b"9" * 40,
        b"9" * 310,
        b"0x1p3",
    ),
    *(b"1.", b".5", b"1e", b"--1", b"999999999999", b"1000000000001", b"NaN", b"Infinity"),
)
ENDS = (
    b"\n",
    b"\r\n",
    b"\r",
    b"\x1b[32m",
    b"\xff",
    "损失".encode("gbk"),
    b"\0",
    b"\\ud800",
    b" ",
    b"\t",
    b'"',
)
SEEDS = tuple(s.encode() for s in (*LOGS.values(), *BLOCKS.values(), PLAIN_BAR))
LARGE = tuple(
    "".join(line(i) for i in range(14)).encode()
    for line in (
        lambda i: record(i, 4.5 - i) + "\n",
        lambda i: record(i // 2, 4.5 - i, rank=i % 2) + "\r\n",
        lambda i: record(i % 5, 4.5 - i, epoch=i // 5) + "\n",
        lambda i: record(i % 8, 4.5 - i) + "\n" + "Saving checkpoint\n" * (i % 4 == 0),
        lambda i: record(i, 4.5).replace(" : 4.5", " : 4.5  train.loss_avg : 5" * (i % 2)) + "\n",
    )
)
"""TCAPPDLL logs with lines enough to be read in bulk."""
WORDS = sorted({word for seed in SEEDS for word in re.findall(rb"[^\s\d]{3,24}", seed)})
_NUMBER = re.compile(rb"\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def checked(data: bytes, **options: object) -> Run | None:
    """The run in a log; raises for whatever a reader must never do."""
    began = time.process_time()  # of this process: a machine that stands still is no finding
    run = None
    try:
        run = reading.parse_log([data], source="x", **options)  # type: ignore[arg-type]
    except HarnessError as error:
        if not str(error).strip():
            raise AssertionError("an error without a message") from error
    took = time.process_time() - began
    if took > LONGEST_S:
        raise AssertionError(f"{took:.1f} s for {len(data)} bytes")
    if run is not None:
        _sane(run, data)
    return run


def _sane(run: Run, data: bytes) -> None:
    for series in (*run.series, *run.replaced):
        steps = series.steps.tolist()
        assert steps, "an empty series"
        assert all(a < b for a, b in pairwise(steps)), "steps do not rise"
        assert steps[0] >= 0, "a step below 0"
        assert series.rank >= 0, "a rank below 0"
    assert all(1 <= s.line <= run.lines for s in run.skipped), "a line that is not there"
    if b"\0" not in data:  # UTF-16 has line ends of its own
        assert run.lines <= data.count(b"\n") + 1, "too many lines"


@cache
def compile_once() -> None:
    """Compiles what reads in bulk, so that no input is charged with the compiler's time."""
    reading.parse_log([LARGE[0]], source="x", bulk_after=0)


def both_ways(data: bytes) -> None:
    """In bulk or line by line, the run is the same."""
    compile_once()
    by_line, in_bulk = checked(data, bulk_after=1 << 60), checked(data, bulk_after=0)
    difference = differs(by_line, in_bulk)
    assert not difference, difference


def differs(a: Run | None, b: Run | None) -> str:
    """In what two readings of one log differ; empty if in nothing."""
    if a is None or b is None:
        return "" if a is b else "one reading refuses the log"
    if not same_series(a.series, b.series):
        return f"series: {shown(a)} / {shown(b)}"
    if not same_series(a.replaced, b.replaced):
        return "replaced"
    for name in READ:
        if repr(getattr(a, name)) != repr(getattr(b, name)):  # NaN is a fact like any other
            return f"{name}: {getattr(a, name)} / {getattr(b, name)}"
    return ""


def shown(run: Run) -> list[tuple[str, int, list[int], list[float]]]:
    """The series of a run as plain data."""
    return [(s.key, s.rank, s.steps.tolist(), s.values.tolist()) for s in run.series]


def cut_anywhere(data: bytes) -> None:
    """Blocks of a log may be cut anywhere: the text is the same."""
    size = 1 + data[0] % 29 if data else 1

    def whole(blocks: list[bytes]) -> bytes | None:
        try:
            return b"".join(c.joined() for c in text.chunks(blocks, source="x", line=lambda: 1))
        except HarnessError:
            return None

    one = whole([data])
    assert one == whole([data[i : i + size] for i in range(0, len(data), size)])
    for line in (one or b"").split(b"\n"):
        text.pieces(text.decoded(line)[0] + "\n")


def never_passes(data: bytes) -> None:
    """An honest candidate that is damaged in a way that the input draws passes in no format."""
    damage = damaged(random.Random(data))
    assert verdict(damage.setting) != "pass", f"passes: {damage}"


def read_back(data: bytes) -> None:
    """Every figure of a log that the input draws is read back at its step, and no other."""
    log = printed(random.Random(data))
    wrong = differing(log)
    assert not wrong, f"{wrong} figures differ: {log.text[:400]}"


def targets() -> dict[str, Callable[[bytes], object]]:
    """What is fuzzed, by name."""

    def one_format(kind: type) -> Callable[[bytes], object]:
        def run(data: bytes) -> object:
            reading.FORMATS = (kind,)
            return checked(data)

        return run

    found: dict[str, Callable[[bytes], object]] = {
        kind.__name__: one_format(kind) for kind in reading.FORMATS
    }
    found["pattern"] = lambda data: checked(data, pattern=PATTERN)
    found["every format"] = checked
    found["bulk"] = both_ways
    found["chunks"] = cut_anywhere
    found["tampering"] = never_passes
    found["grammar lines"] = read_back
    return found


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """A log with one thing wrong with it, or what libFuzzer makes of it."""
    rng = random.Random(seed)
    kind = rng.randrange(12)
    if kind >= 7:
        return atheris.Mutate(data, max_size)
    lines = data.splitlines(keepends=True) or [b"\n"]
    at = rng.randrange(len(lines))
    if kind == 0:  # a line twice
        lines.insert(rng.randrange(len(lines) + 1), lines[at])
    elif kind == 1:  # a line of another log
        lines.insert(at, rng.choice(rng.choice(SEEDS).splitlines(keepends=True)))
    elif kind == 2:  # cut
        lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    elif kind == 3:  # spliced into one another
        cut = rng.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:cut] + lines[rng.randrange(len(lines))] + lines[at][cut:]
    elif kind == 4:  # a byte or an end that does not belong there
        cut = rng.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:cut] + rng.choice((*ENDS, *WORDS)) + lines[at][cut:]
    else:  # another number
        spans = [m.span() for m in _NUMBER.finditer(data)]
        if spans:
            start, end = rng.choice(spans)
            new = rng.choice(NUMBERS) if kind == 5 else str(rng.randrange(200)).encode()
            return (data[:start] + new + data[end:])[:max_size]
    return b"".join(lines)[:max_size]


def fuzz(name: str, arguments: list[str]) -> None:
    """One target in this process; does not return."""
    run = targets()[name]
    atheris.Setup(
        [sys.argv[0], *arguments],
        lambda data: run(data) and None,
        custom_mutator=mutated,
    )
    atheris.Fuzz()


def _seeds(name: str, folder: Path) -> None:
    folder.mkdir()
    for i, seed in enumerate(SEEDS):
        (folder / f"whole{i}").write_bytes(seed[: LONGER.get(name, MAX_LEN)])
    if name in {"chunks", "every format"}:
        for code in ("utf-16", "utf-8-sig", "utf-16-le", "utf-16-be"):
            (folder / code).write_bytes(LOGS["plain"].encode(code))
    if name == "bulk":
        for i, log in enumerate(LARGE):
            (folder / f"large{i}").write_bytes(log[: LONGER[name]])


def _dictionary(path: Path) -> None:
    def quoted(word: bytes) -> str:
        return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'

    path.write_text("\n".join(map(quoted, (*WORDS, *NUMBERS, *ENDS))) + "\n")


def campaign(name: str, runs: int, seed: int, folder: Path) -> tuple[str, int, float, int, str]:
    """Fuzzes a target in another process: name, executions, seconds, exit status, last output."""
    corpus, kept = folder / f"{name}.corpus", folder / f"{name}.found"
    _seeds(name, corpus)
    kept.mkdir()
    began = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, __file__, "--one", name, str(corpus), f"-runs={runs}"),
            *(
                f"-seed={seed}",
                f"-max_len={LONGER.get(name, MAX_LEN)}",
                "-timeout=300",
                f"-rss_limit_mb={RSS_MB}",
            ),
            *(f"-dict={folder / 'words'}", f"-artifact_prefix={kept}/", "-print_final_stats=1"),
            *("-len_control=0", "-verbosity=1"),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    output = done.stdout + done.stderr
    stats = re.findall(r"number_of_executed_units: *(\d+)|^#(\d+)\t", output, re.MULTILINE)
    executed = max((int(a or b) for a, b in stats), default=0)
    found = "\n".join([*output.splitlines()[-60:], *map(str, kept.iterdir())])
    return name, executed, time.perf_counter() - began, done.returncode, found


def main(arguments: list[str]) -> int:
    """Every target, a few at a time; a table, and 1 if anything was found."""
    if arguments[:1] == ["--one"]:
        fuzz(arguments[1], arguments[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=265_000, help="executions of each target")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", nargs="*", default=list(targets()))
    chosen = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    _dictionary(folder / "words")
    worst = total = 0
    print(f"{'target':<14} {'executions':>11} {'per s':>7}  found", flush=True)
    with ThreadPoolExecutor(chosen.jobs) as pool:
        runs = {name: int(chosen.runs * SHARE.get(name, 1)) for name in chosen.target}
        jobs = [pool.submit(campaign, name, runs[name], chosen.seed, folder) for name in runs]
        for job in jobs:
            name, executed, seconds, status, found = job.result()
            bad = status != 0 or executed < runs[name]
            worst, total = max(worst, int(bad)), total + executed
            verdict = f"status {status}" if bad else "nothing"
            print(f"{name:<14} {executed:>11,} {executed / seconds:>7,.0f}  {verdict}", flush=True)
            if bad:
                print(found, flush=True)
    print(f"{'all':<14} {total:>11,}")
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

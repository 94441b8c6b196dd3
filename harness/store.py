"""Reads logs from disk or an object store, once, hashing them as they stream by."""

from __future__ import annotations

import glob
import hashlib
import io
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from harness.curve import Run
from harness.errors import HarnessError, ParseError
from harness.events import NAME, is_event_file, read_events
from harness.parse import parse_logs

LOG_SUFFIXES = (".log", ".txt", ".out", ".json", ".jsonl", ".csv", ".tsv")
FOREIGN = frozenset(
    {"_lzma", "lzma", "zlib", "zstandard", "_zstd", "aiohttp", "botocore", "s3fs", "gcsfs"}
)
"""Packages whose own exceptions mean a damaged archive or a place that cannot be reached."""
PACKED_SUFFIXES = (".gz", ".xz", ".zst", ".bz2")
BLOCK_BYTES = 1 << 22


class _Seen:
    """The hash and the number of the bytes that were read."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.count = 0

    def add(self, data: Any) -> None:
        """Adds bytes."""
        self.sha256.update(data)
        self.count += len(data)


class _Packed(io.RawIOBase):
    """A packed file, whose bytes are seen as they are unpacked."""

    def __init__(self, raw: IO[bytes], seen: _Seen) -> None:
        self._raw = raw
        self._seen = seen

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        into = getattr(self._raw, "readinto", None)  # not every file of fsspec has it
        if into is not None:
            count: int = into(buffer)
        else:
            data = self._raw.read(len(buffer))
            count = len(data)
            buffer[:count] = data
        self._seen.add(memoryview(buffer)[:count])
        return count


def read_run(path: str | Path, *, pattern: str | None = None) -> Run:
    """The run that a log describes. Compressed logs (.gz .xz .bz2 .zst) and URLs are read as such.

    `pattern` is a user's own format, a regular expression with named groups.

    Raises:
        ParseError: the log cannot be opened or read, or holds no training record, or several runs.
        PolicyError: the pattern is none.
    """
    first, *others = read_runs(path, pattern=pattern)
    if others:
        msg = (
            f"holds {len(others) + 1} runs (its column `run`), of which one is wanted here. Give "
            "the file to `harness compare`, which takes it as several runs; or cut it by that "
            "column into one file a run."
        )
        raise ParseError(msg, source=str(path))
    return first


def read_runs(path: str | Path, *, pattern: str | None = None) -> tuple[Run, ...]:
    """The runs that a log describes: one, or those of a table with a column `run`.

    Several runs of one file have hashes of their own, of the file's hash and their label, since
    they are not the same log.

    Raises:
        ParseError: the log cannot be opened or read, or holds no training record.
        PolicyError: the pattern is none.
    """
    source = str(path)
    events = _event_files(source)
    if events:
        return (_read_events(events, source),)
    with _open(source) as raw:
        seen = _Seen()
        packed = source.endswith(PACKED_SUFFIXES)
        try:
            with closing(_unpacked(raw, seen, source) if packed else _blocks(raw, seen)) as blocks:
                runs = parse_logs(blocks, source=source, pattern=pattern)
        except HarnessError:
            raise
        except (OSError, EOFError) as error:
            raise _unreadable(source, error) from error
        except Exception as error:
            if type(error).__module__.split(".")[0] in FOREIGN:
                raise _unreadable(source, error) from error
            raise
    whole = seen.sha256.hexdigest()
    return tuple(
        replace(run, sha256=_hash(whole, run, source), size_bytes=seen.count) for run in runs
    )


def _hash(whole: str, run: Run, source: str) -> str:
    """The hash of a file, or of one of the runs in it."""
    label = run.source.removeprefix(source)
    return hashlib.sha256(f"{whole}{label}".encode()).hexdigest() if label else whole


def _event_files(source: str) -> list[Path]:
    """The event files of TensorBoard that a path names, if it is one or a folder of them."""
    path = Path(source)
    if "://" in source:
        return []
    try:
        if path.is_dir():
            return sorted(inner for inner in path.iterdir() if NAME in inner.name)
        if not path.is_file():  # of a pipe, what is looked at is gone
            return []
        with path.open("rb") as file:
            return [path] if is_event_file(file.read(64)) else []
    except OSError:
        return []  # opening it as a log will say why


def _read_events(paths: list[Path], source: str) -> Run:
    seen = _Seen()
    try:
        for path in paths:
            with path.open("rb") as file:
                if not is_event_file(file.read(64)):
                    msg = "named like a TensorBoard event file and is none"
                    raise ParseError(msg, source=str(path))
                file.seek(0)
                while block := file.read(BLOCK_BYTES):
                    seen.add(block)
        run = read_events(paths, source=source)
    except OSError as error:
        raise _unreadable(source, error) from error
    return replace(run, sha256=seen.sha256.hexdigest(), size_bytes=seen.count)


def _blocks(raw: IO[bytes], seen: _Seen) -> Generator[bytes, None, None]:
    """The blocks of a file, each hashed while it is parsed: that takes as long."""
    block = raw.read(BLOCK_BYTES)
    if len(block) < BLOCK_BYTES:  # so small a log is not worth a thread
        seen.add(block)
        yield block
        block = raw.read(BLOCK_BYTES)
    with ThreadPoolExecutor(1) as thread:
        while block:
            hashed = thread.submit(seen.add, block)
            yield block
            block = raw.read(BLOCK_BYTES)
            hashed.result()


def _open(source: str) -> IO[bytes]:
    try:
        if "://" not in source:
            return Path(source).open("rb")
        import fsspec  # noqa: PLC0415  (only URLs need it)

        remote: IO[bytes] = fsspec.open(source, "rb").open()
    except (OSError, ImportError, ValueError) as error:  # fsspec: no protocol, no library for it
        raise _unreadable(source, error) from error
    return remote


def _unreadable(source: str, error: Exception) -> ParseError:
    reasons: dict[type[Exception], str] = {
        FileNotFoundError: "no such file; check the path (names: `harness baseline list`)",
        IsADirectoryError: "a folder; give the log file in it",
        PermissionError: "no permission to read it; change its mode or run as its owner",
        EOFError: "the compressed file ends too early; copy it again",
    }
    reason = next((text for kind, text in reasons.items() if isinstance(error, kind)), "")
    return ParseError(reason or f"cannot be read: {error or type(error).__name__}", source=source)


def _unpacked(raw: IO[bytes], seen: _Seen, source: str) -> Generator[bytes, None, None]:
    """The blocks of what is packed in a file.

    Raises:
        ParseError: nothing can unpack it.
    """
    from fsspec.compression import compr  # noqa: PLC0415  (only packed logs need it)
    from fsspec.utils import infer_compression  # noqa: PLC0415

    kind = infer_compression(source)
    if kind not in compr:
        msg = f"no decompressor for {Path(source).suffix} is installed; install zstandard"
        raise ParseError(msg, source=source)
    packed = io.BufferedReader(_Packed(raw, seen), BLOCK_BYTES)
    content: IO[bytes] = compr[kind](packed, mode="rb")
    while block := content.read(BLOCK_BYTES):
        yield block
    while packed.read(1 << 20):  # what a decompressor leaves behind counts for the hash, too
        pass


def expand(spec: str, *, root: Path | None = None) -> list[str]:
    """The log files that a path, a URL, a glob or a folder of seeds names, in order of name.

    A folder gives the logs directly in it; if it has none, the one log in each of its sub-folders.

    Raises:
        ParseError: nothing there, no permission, or a sub-folder with several logs.
    """
    if "://" in spec:
        return [spec]
    try:
        return _expanded(spec, Path(spec) if root is None else root / spec)
    except OSError as error:
        raise _unreadable(spec, error) from error


def _expanded(spec: str, path: Path) -> list[str]:
    if path.is_dir():
        return _folder(path)
    if glob.has_magic(spec) and not path.exists():
        found = sorted(
            name
            for name in glob.glob(str(path), recursive=True)  # noqa: PTH207  (absolute patterns)
            if Path(name).is_file()
        )
        if not found:
            msg = "no file matches this pattern; quote it, and check it with ls"
            raise ParseError(msg, source=spec)
        return found
    return [str(path)]


def _folder(path: Path) -> list[str]:
    if _event_files(str(path)) and not _logs(path):
        return [str(path)]  # the event files of one run
    direct = _logs(path)
    if direct:
        return [str(log) for log in direct]
    found = []
    for inner in sorted(p for p in path.iterdir() if p.is_dir()):
        logs = [inner] if _event_files(str(inner)) else _logs(inner)
        if len(logs) > 1:
            names = ", ".join(log.name for log in logs)
            msg = f"{len(logs)} logs ({names}); expected one a run. Give a glob instead."
            raise ParseError(msg, source=str(inner))
        found += [str(log) for log in logs]
    if not found:
        msg = f"a folder without logs; expected files ending in {', '.join(LOG_SUFFIXES)}"
        raise ParseError(msg, source=str(path))
    return found


def _logs(folder: Path) -> list[Path]:
    def is_log(path: Path) -> bool:
        name = path.name
        for suffix in PACKED_SUFFIXES:
            name = name.removesuffix(suffix)
        return path.is_file() and name.endswith(LOG_SUFFIXES) and not name.startswith(".")

    return sorted(path for path in folder.iterdir() if is_log(path))

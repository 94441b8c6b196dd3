"""The file of a capture: safetensors, with a JSON index in its metadata. It holds no code.

    tensors   "sketches" float32 (R, 128), "norms" float64 (R,), "nonfinite" int64 (R, 3)
    metadata  "capture": a JSON object as text, with the index

The index holds a column for each field of a record, with one entry a record. Words that repeat
are numbers into `words`. docs/reference/capture.md describes it for other writers.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from harness.errors import ParseError
from harness.locate.capture import BUCKETS, KINDS, PASSES, Capture, Record
from harness.log.shown import shown

FORMAT_VERSION = 1
MAX_RECORDS = 2_000_000
"""Most records of a file; a step of a large network has some ten thousand."""
MAX_DIMENSIONS = 64
SPARE_BYTES = 1 << 20
"""Bytes of a header that need no records. Beyond, a header may have a quarter of the bytes of the
figures, which have 544 a record; the header has about 45. So a small file cannot fill the memory.
"""
ADVICE = "record it again with harness.capture.record"

Natural = Annotated[int, Field(ge=0, lt=1 << 53)]


class Columns(BaseModel):
    """The fields of the records, one list each, all of the same length."""

    model_config = ConfigDict(strict=True, extra="forbid")

    kind: list[Natural]
    name: list[Natural]
    module: list[Natural]
    call: list[Natural]
    phase: list[Natural]
    order: list[Annotated[int, Field(ge=-1, lt=1 << 53)]]
    output: list[Natural]
    step: list[Natural]
    shape: list[Annotated[list[Natural], Field(max_length=MAX_DIMENSIONS)]]
    dtype: list[Natural]
    source: list[Natural]
    made_from: list[list[Natural]]
    settings: list[Natural] | None = None


class Index(BaseModel):
    """The JSON of a capture."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format_version: int
    facts: dict[str, str]
    zeros: list[str]
    twin: Natural
    moved: bool
    words: list[str]
    records: Columns


def to_bytes(capture: Capture) -> bytes:
    """Returns the file of a capture."""
    words: dict[str, int] = {}

    def number(word: str) -> int:
        return words.setdefault(word, len(words))

    records = capture.records
    columns = {
        "kind": [KINDS.index(r.kind) for r in records],
        "name": [number(r.name) for r in records],
        "module": [number(r.module) for r in records],
        "call": [r.call for r in records],
        "phase": [PASSES.index(r.phase) for r in records],
        "order": [r.order for r in records],
        "output": [r.output for r in records],
        "step": [r.step for r in records],
        "shape": [list(r.shape) for r in records],
        "dtype": [number(r.dtype) for r in records],
        "source": [number(r.source) for r in records],
        "made_from": [list(r.made_from) for r in records],
        "settings": [number(r.settings) for r in records],
    }
    index = {
        "format_version": FORMAT_VERSION,
        "facts": capture.facts,
        "zeros": list(capture.zeros),
        "twin": capture.twin,
        "moved": capture.moved,
        "words": list(words),
        "records": columns,
    }
    tensors: dict[str, NDArray[Any]] = {
        "sketches": capture.sketches,
        "norms": capture.norms,
        "nonfinite": capture.nonfinite,
    }
    text = json.dumps(index, separators=(",", ":"), ensure_ascii=True)
    return bytes(save(tensors, metadata={"capture": text}))


def from_bytes(data: bytes, *, source: str) -> Capture:
    """Returns the capture that a file holds.

    Raises:
        ParseError: the file is not a capture, is damaged, or is of a newer format.
    """
    length = int.from_bytes(data[:8], "little")
    if length > SPARE_BYTES + len(data) // 5:
        raise ParseError(
            f"a header of {length:,} bytes in a file of {len(data):,}; expected a capture, whose "
            f"figures are larger; {ADVICE}",
            source=source,
        )
    tensors = _tensors(data, source)
    index = _index(data, source)
    records = _records(index, source)
    for name, (dtype, shape) in _expected(len(records)).items():
        array = tensors.get(name)
        if array is None or array.dtype != dtype or array.shape != shape:
            seen = "none" if array is None else f"{array.dtype} {array.shape}"
            raise ParseError(
                f"expected the tensor {name!r} as {dtype} {shape} for {len(records)} records, got "
                f"{seen}; {ADVICE}",
                source=source,
            )
    _check_figures(tensors, source)
    return Capture(
        records=records,
        sketches=tensors["sketches"],
        norms=tensors["norms"],
        nonfinite=tensors["nonfinite"],
        facts={shown(k): shown(v) for k, v in index.facts.items()},
        zeros=tuple(shown(name) for name in index.zeros),
        twin=index.twin,
        moved=index.moved,
        source=source,
    )


def _expected(count: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Returns dtype and shape of each tensor of a file with this many records."""
    return {
        "sketches": ("float32", (count, BUCKETS)),
        "norms": ("float64", (count,)),
        "nonfinite": ("int64", (count, 3)),
    }


def _tensors(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Returns the arrays of a safetensors file; each is a copy that may be written."""
    try:
        found: dict[str, NDArray[Any]] = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, MemoryError, OverflowError) as e:
        raise ParseError(
            f"not a safetensors file, or a damaged one ({shown(str(e))}); expected a capture; "
            f"{ADVICE}",
            source=source,
        ) from e
    return found


def _index(data: bytes, source: str) -> Index:
    """Returns the index, which lies in the header behind its length of 8 bytes."""
    length = int.from_bytes(data[:8], "little")
    try:
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
        raw = json.loads(metadata["capture"])
        version = raw.get("format_version")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise ParseError(
            "a safetensors file without the index of a capture; expected the file that "
            "harness.capture.record writes, not weights",
            source=source,
        ) from e
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ParseError(
            f"a capture of format {version}, this harness reads up to {FORMAT_VERSION}; update the "
            "harness",
            source=source,
        )
    try:
        return Index.model_validate(raw)
    except ValidationError as e:
        first = e.errors()[0]
        place = ".".join(str(part) for part in first["loc"][:3])
        raise ParseError(
            f"the capture's index is damaged at {shown(place)}: {shown(first['msg'])}; {ADVICE}",
            source=source,
        ) from e


def _records(index: Index, source: str) -> tuple[Record, ...]:
    """Returns the records, with every number into a list checked."""
    c = index.records
    count = len(c.kind)
    words = [shown(word) for word in index.words]
    if c.settings is None:  # a writer that states none
        c.settings, words = [len(words)] * count, [*words, ""]
    columns: list[Any] = [getattr(c, name) for name in Columns.model_fields]
    lengths = {len(column) for column in columns}
    if lengths != {count} or count > MAX_RECORDS:
        raise ParseError(
            f"the columns of the capture's index have {sorted(lengths)} entries; expected the same "
            f"number, at most {MAX_RECORDS:,}; {ADVICE}",
            source=source,
        )
    try:
        records = tuple(
            Record(
                kind=KINDS[kind], name=words[name], module=words[module], call=call,
                phase=PASSES[phase], order=order, output=output, step=step, shape=tuple(shape),
                dtype=words[dtype], source=words[line], made_from=tuple(made_from),
                settings=words[settings],
            )
            for kind, name, module, call, phase, order, output, step, shape, dtype, line, made_from,
            settings in zip(*columns, strict=True)
        )  # fmt: skip
    except IndexError as e:
        raise ParseError(
            f"a number in the capture's index points behind the end of a list; {ADVICE}",
            source=source,
        ) from e
    for n, record in enumerate(records):
        if any(i >= n for i in record.made_from):
            raise ParseError(
                f"record {n} of the capture is made from a later record; expected earlier ones; "
                f"{ADVICE}",
                source=source,
            )
    return records


def _check_figures(tensors: dict[str, NDArray[Any]], source: str) -> None:
    """Raises an error if a figure cannot be one: sketches are finite, counts are not negative."""
    sketches: NDArray[np.float32] = tensors["sketches"]
    norms: NDArray[np.float64] = tensors["norms"]
    if not (np.isfinite(sketches).all() and np.isfinite(norms).all() and (norms >= 0).all()):
        raise ParseError(
            f"a sketch or a norm of the capture is not a finite number; {ADVICE}", source=source
        )
    if (tensors["nonfinite"] < 0).any():
        raise ParseError(f"a count of the capture is negative; {ADVICE}", source=source)

"""Published results: `baselines/published/*.toml`, figures of trainings whose logs are elsewhere.

source = "mmsegmentation 1.2.2, configs/ccnet"
url = "https://github.com/open-mmlab/mmsegmentation/tree/0264de0b/configs/ccnet"
date = 2020-06-18
spread_from = ["ccnet-authors_r2"]   # results of several runs, which show how far runs differ

[facts]                              # of all results of the file
world_size = 4

[[result]]
name = "ccnet_r50-d8_4xb2-40k_cityscapes-512x1024"
values."single-scale" = { mIoU = [0.7776] }
facts.planned_steps = 40000

On the command line this is `published/ccnet_r50-d8_4xb2-40k_cityscapes-512x1024`. Another test mode
follows behind an `@`: `published/NAME@ms+flip`.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.errors import BaselineError, PolicyError
from harness.log.facts import FACTS, RunFacts, must_match
from harness.log.published import Published, Spread
from harness.log.run import Run, Series
from harness.stats.final_figure import pooled
from harness.system.toml_text import read_by_hand

FOLDER = "published"
"""The folder of the files on the shelf of baselines, and the first part of a result's name."""
UNSTATED = "unstated"
"""The test mode of a result whose source does not state it."""
NEAR = 3
"""Names that an error proposes."""


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _plain(name: str) -> str:
    if not name or not all(c.isalnum() or c in "._+-" for c in name):
        msg = "expected letters, digits, '.', '_', '+' and '-'"
        raise ValueError(msg)
    return name


def _metric(name: str) -> str:
    return "/".join(map(_plain, name.split("/")))


def _known(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = [name for name in facts if name not in FACTS or not must_match(name)]
    if unknown:
        msg = f"{', '.join(unknown)} is no fact that must match; docs/reference/facts.md lists them"
        raise ValueError(msg)
    return facts


Name = Annotated[str, AfterValidator(_plain)]
Metric = Annotated[str, AfterValidator(_metric)]
"""A metric as logs name it behind `val.`: mIoU, coco/bbox_mAP."""
Names = Annotated[tuple[Name, ...], BeforeValidator(_tupled)]
Runs = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1)], ...],
    BeforeValidator(_tupled),
    Field(min_length=1),
]
"""The figures of the runs as fractions: 0.7776, not 77.76."""
Facts = Annotated[Mapping[str, str | int | float], AfterValidator(_known)]


class Result(BaseModel):
    """One published result.

    Attributes:
        name: its name behind `published/`
        values: by test mode and metric, the final figure of every run as a fraction
        facts: facts of the training and the evaluation that must match
        about: what was trained, in words, if no config says it
        config: the config of the training
        memory_gb: the memory of a device in training, in GB
        inference_fps: whole test images per second on the devices of the file
        crops_per_image: training crops that have as many pixels as the windows of a test image
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: Name
    values: Annotated[Mapping[Name, Mapping[Metric, Runs]], Field(min_length=1)]
    facts: Facts = Field(default_factory=dict)
    about: str = ""
    config: str = ""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    inference_fps: Annotated[float, Field(gt=0)] | None = None
    crops_per_image: Annotated[float, Field(gt=0)] | None = None


class Document(BaseModel):
    """A file of published results: who published them, and when.

    Attributes:
        source: who published the results, in a few words
        url: where the results are published, at a fixed revision
        date: the day of the results, or of their publication
        result: the results
        devices: the devices behind memory and speed
        spread_from: results of several runs, whose pooled spread holds for these results as well
        facts: facts of all results of the file
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    source: Annotated[str, Field(min_length=1)]
    url: Annotated[str, Field(min_length=1)]
    date: datetime.date
    result: Annotated[tuple[Result, ...], BeforeValidator(_tupled), Field(min_length=1)]
    devices: str = ""
    spread_from: Names = ()
    facts: Facts = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A result with its file; `sha256` and `size_bytes` describe the file."""

    document: Document
    result: Result
    path: Path
    sha256: str
    size_bytes: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the result, the first test mode's without a suffix."""
        _, *others = self.result.values
        return (self.result.name, *(f"{self.result.name}@{mode}" for mode in others))

    def mode_of(self, name: str) -> str:
        """Returns the test mode that a name asks for."""
        return dict(zip(self.names, self.result.values, strict=True))[name]

    def facts(self, mode: str) -> dict[str, str | int | float]:
        """Returns the facts of the file and of the result; its own come last."""
        stated = {} if mode == UNSTATED else {"test_mode": mode}
        return {**self.document.facts, **self.result.facts, **stated}


def asked_for(spec: str) -> str:
    """Returns the name of a published result that `spec` asks for; empty if it asks for another.

    >>> asked_for("published/ccnet-authors_r2"), asked_for("logs/a.log")
    ('ccnet-authors_r2', '')
    """
    folder, _, name = spec.partition("/")
    return name if folder == FOLDER and "/" not in name else ""


def files(shelf: Path) -> list[Path]:
    """Returns the files of published results on a shelf, sorted by name."""
    return sorted((shelf / FOLDER).glob("*.toml"))


def entries(shelf: Path) -> dict[str, Entry]:
    """Returns all published results of a shelf by name, in the order of the files.

    Raises:
        BaselineError: a file cannot be read, is invalid, or repeats a name, or `spread_from` names
            no result of several runs.
    """
    found: dict[str, Entry] = {}
    for path in files(shelf):
        document, data = _document(path)
        for result in document.result:
            if result.name in found:
                msg = f"repeats the result {result.name}; {found[result.name].path} has it"
                raise BaselineError(msg, source=str(path))
            found[result.name] = Entry(
                document=document,
                result=result,
                path=path,
                sha256=hashlib.sha256(data).hexdigest(),
                size_bytes=len(data),
            )
    for entry in found.values():
        _check_spread(entry, found)
    return found


def runs_of(name: str, shelf: Path) -> tuple[Run, ...]:
    """Returns the runs of a published result: each has its final figures, at the last step.

    Raises:
        BaselineError: a file is invalid, or there is no such result; the message has near names.
    """
    known = entries(shelf)
    entry = known.get(name.partition("@")[0])
    if entry is None or name not in entry.names:
        raise BaselineError(_unknown(name, known), source=f"{FOLDER}/{name}")
    return _runs(entry, name, known)


def every(shelf: Path) -> Iterator[tuple[Run, ...]]:
    """Yields the runs of all published results of a shelf.

    Raises:
        BaselineError: a file is invalid.
    """
    known = entries(shelf)
    for entry in known.values():
        for name in entry.names:
            yield _runs(entry, name, known)


def _runs(entry: Entry, name: str, known: Mapping[str, Entry]) -> tuple[Run, ...]:
    mode = entry.mode_of(name)
    facts = entry.facts(mode)
    steps = facts.get("planned_steps", 1)
    last = int(steps) - 1 if isinstance(steps, int | float) else 0
    published = Published(
        name=f"{FOLDER}/{name}",
        source=f"{entry.document.source}, {entry.document.date}",
        url=entry.document.url,
        spreads=dict(_spreads(entry, mode, known)),
    )
    values = entry.result.values[mode]
    count = max(map(len, values.values()))
    return tuple(
        Run(
            source=published.name + (f" (run {i + 1} of {count})" if count > 1 else ""),
            series=tuple(_series(metric, runs[i], last) for metric, runs in values.items()),
            facts=RunFacts(values_by_name=facts),
            sha256=entry.sha256,
            size_bytes=entry.size_bytes,
            published=published,
        )
        for i in range(count)
    )


def _series(metric: str, value: float, step: int) -> Series:
    return Series(name=f"val.{metric}", rank=0, steps=np.array([step]), values=np.array([value]))


def _spreads(entry: Entry, mode: str, known: Mapping[str, Entry]) -> Iterator[tuple[str, Spread]]:
    """Yields the spread of every metric of a result, pooled over `spread_from` or its own runs."""
    for metric, own in entry.result.values[mode].items():
        named = {
            name: np.array(runs)
            for name in entry.document.spread_from
            for runs in [_of_first_mode(known[name], metric)]
            if len(runs) > 1
        } or {entry.result.name: np.array(own)}
        value, degrees = pooled(list(named.values()))
        if degrees:
            yield f"val.{metric}", Spread(value=value, degrees=degrees, names=tuple(named))


def _of_first_mode(entry: Entry, metric: str) -> tuple[float, ...]:
    return next(iter(entry.result.values.values())).get(metric, ())


def _check_spread(entry: Entry, known: Mapping[str, Entry]) -> None:
    for name in entry.document.spread_from:
        if name not in known or max(map(len, _metrics(known[name]))) < 2:
            msg = (
                f"spread_from names {name}, which is no result of several runs; name results of "
                f"the files in {entry.path.parent} that have two runs or more"
            )
            raise BaselineError(msg, source=str(entry.path))
    for metrics in entry.result.values.values():
        if len({len(runs) for runs in metrics.values()}) > 1:
            msg = f"{entry.result.name} has metrics of different numbers of runs; give each all"
            raise BaselineError(msg, source=str(entry.path))


def _metrics(entry: Entry) -> Sequence[tuple[float, ...]]:
    return tuple(next(iter(entry.result.values.values())).values())


def _unknown(name: str, known: Mapping[str, Entry]) -> str:
    names = [each for entry in known.values() for each in entry.names]
    near = get_close_matches(name, names, n=NEAR, cutoff=0.5)
    if not names:
        return f"no published result: there is no file {FOLDER}/*.toml in the folder of baselines"
    hint = f"near names: {', '.join(near)}" if near else "no name is near it"
    return f"no such published result; {hint}. `harness baseline list` shows all {len(names)}"


def _document(path: Path) -> tuple[Document, bytes]:
    """Returns the content of a file, and its bytes.

    Raises:
        BaselineError: the file cannot be read, or is invalid.
    """
    try:
        content, _ = read_by_hand(path, absent="restore it from version control")
        return Document.model_validate(content), path.read_bytes()
    except PolicyError as error:
        raise BaselineError(error.message, source=str(path)) from error
    except ValidationError as error:
        raise BaselineError(_mistake(error, content), source=str(path)) from error


def _mistake(error: ValidationError, content: Mapping[str, Any]) -> str:
    """Returns the first mistake of a file: its place, what was found, and what was expected."""
    first = error.errors(include_url=False)[0]
    place = [part for part in first["loc"] if part != "[key]"]
    if len(place) > 1 and place[0] == "result" and isinstance(place[1], int):
        named = content["result"][place[1]]
        name = named.get("name") if isinstance(named, dict) else None
        place = [f"result {name or place[1] + 1}", *place[2:]]
    value = "" if first["type"] == "missing" else f" is {first['input']!r:.40}"
    told = first["msg"].removeprefix("Value error, ")
    if first["type"] in {"less_than_equal", "greater_than"}:
        told = "expected a fraction above 0 and up to 1, such as 0.7776 for 77.76 %"
    return f"{' '.join(map(str, place))}{value}: {told}"

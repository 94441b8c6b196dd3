"""Reads `sweep.toml`: the command of a training, and the values with which it runs.

command = "python train.py --seed {seed} --device {device} --work-dir {out}"
log = "{out}/train.log"
devices = ["cuda:0", "cuda:1"]

[axes]
seed = [1, 2, 3, 4, 5]

[record]
name = "my_model_gpu"
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.errors import HarnessError, PolicyError
from harness.ports.manifest import Port
from harness.ports.manifest_words import MOST, of_entry
from harness.system.toml_text import read_by_hand

OF_ENSEMBLE = ("name", "candidate", "attempts", "quarantine")
"""Keys of a port that the ensemble gives, or that only a check of many ports knows."""
MOST_RUNS = 10_000
"""Largest number of runs: the product of the axes."""


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _tupled_values(value: object) -> object:
    return {k: _tupled(v) for k, v in value.items()} if isinstance(value, dict) else value


Text = Annotated[str, Field(min_length=1)]
Words = Annotated[Text | Annotated[tuple[str, ...], Field(min_length=1)], BeforeValidator(_tupled)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Value = str | int | Number
Positive = Annotated[int, Field(ge=1, le=2**53)]
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Record(BaseModel):
    """The table `[record]`: record each complete ensemble as a baseline.

    Attributes:
        name: the baseline's name; placeholders name axes outside the ensemble
        baselines: the folder of recorded baselines
        origin: where the runs come from; default: the command of the sweep
        description: one line that `harness baseline list` shows
        replace: overwrite a baseline of this name that has other runs
    """

    model_config = _STRICT

    name: Text
    baselines: Text = "baselines"
    origin: str = ""
    description: str = ""
    replace: bool = False


class Sweep(BaseModel):
    """The whole file. An unknown key is an error. Relative paths start from the file's folder.

    Attributes:
        command: the training's command, as text that is split as a shell would, or as a list of
            words; no shell runs it. Placeholders: every axis, `{device}`, `{out}` (the folder of
            the run), `{log}`, `{name}`, and `{python}` (the Python that runs harness)
        axes: the table `[axes]`: the values of each axis; every combination is a run
        out: the folder of the sweep, with one folder per run
        name: the folder of a run inside `out`; default: every axis, such as `seed=1,config=small`
        log: the log that the training writes; default: what the command prints, in
            `{out}/output.log`
        devices: devices of this machine that may take any run; each run gets a free one as
            `{device}`, and no two runs share one. An axis `device` trains on every device instead
        jobs: runs at a time; default: one for each device, otherwise 1
        steps: the number of steps of a complete run; default: what the log states as planned
        pattern: your own log format, as a regular expression with named groups
        resume: words to add to the command of a run that was interrupted; without them, it starts
            from the beginning
        ensemble: the axes that repeat one experiment; default: `seed`
        grace_s: seconds that a training has to end after a request (SIGTERM) before it is killed
        env: the table `[env]`: environment variables of the runs, with placeholders
        record: the table `[record]`: record each complete ensemble as a baseline
        compare: the table `[compare]`: judge each complete ensemble, with the keys of a `[[port]]`
            in ports.toml except `name`, `candidate`, `attempts` and `quarantine`; `baseline` may
            have placeholders
    """

    model_config = _STRICT

    command: Words
    axes: Annotated[
        dict[str, Annotated[tuple[Value, ...], Field(min_length=1)]],
        BeforeValidator(_tupled_values),
        Field(min_length=1),
    ]
    out: Text = "runs"
    name: Text = ""
    log: Text = ""
    devices: Annotated[tuple[Text, ...], BeforeValidator(_tupled)] = ()
    jobs: Positive | None = None
    steps: Positive | None = None
    pattern: Text | None = None
    resume: Annotated[str | tuple[str, ...], BeforeValidator(_tupled)] = ()
    ensemble: Annotated[tuple[str, ...] | None, BeforeValidator(_tupled)] = None
    grace_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    env: dict[str, Value] = Field(default_factory=dict)
    record: Record | None = None
    compare: dict[str, Any] | None = None


EXPECTED: Mapping[str, str] = MappingProxyType(
    {
        "command": 'a command, such as command = "python train.py --seed {seed}"',
        "axes": "a table of lists of numbers or texts, such as [axes] with seed = [1, 2, 3]",
        "out": 'the path of a folder, such as out = "runs"',
        "name": 'text with placeholders, such as name = "seed_{seed}"',
        "log": 'the path of the log, such as log = "{out}/train.log"',
        "devices": 'a list of devices, such as devices = ["cuda:0", "cuda:1"]',
        "jobs": "a whole number of at least 1, such as jobs = 2",
        "steps": "a whole number of at least 1, such as steps = 1000",
        "pattern": "a regular expression with named groups, in quotes",
        "resume": 'words to add to the command, such as resume = "--resume"',
        "ensemble": 'a list of axes, such as ensemble = ["seed"]',
        "grace_s": "a number of seconds from 0 to 3600, such as grace_s = 10",
        "env": 'a table of texts or numbers, such as [env] with OMP_NUM_THREADS = "1"',
        "record": "a table [record] with name",
        "compare": "a table [compare] with baseline",
    }
)
"""The kind of value that each key expects."""
EXPECTED_RECORD: Mapping[str, str] = MappingProxyType(
    {
        "name": 'the name of a baseline, such as name = "my_model_gpu"',
        "baselines": 'the path of a folder, such as baselines = "baselines"',
        "origin": "words in quotes",
        "description": "words in quotes",
        "replace": "true or false",
    }
)


def read_sweep(path: Path) -> Sweep:
    """Returns the sweep in a file.

    Raises:
        PolicyError: the file cannot be read, is not TOML, or has an invalid key; the message lists
            up to ten mistakes.
    """
    source = str(path)
    content, text = read_by_hand(path, absent="pass the path of a sweep.toml")
    try:
        return parse(content)
    except _MistakesError as error:
        if len(error.mistakes) == 1:
            line = _line(text, error.mistakes[0]) or None
            raise PolicyError(error.mistakes[0], source=source, line=line) from error
        listed = "; ".join(error.mistakes[:MOST])
        raise PolicyError(f"{len(error.mistakes)} mistakes: {listed}", source=source) from error


def parse(content: Mapping[str, Any]) -> Sweep:
    """Returns the sweep that the content of a file, or a mapping of the same form, describes.

    Raises:
        PolicyError: a key is invalid.
    """
    mistakes: list[str] = []
    given = dict(content)
    if isinstance(given.get("record"), Mapping):
        try:
            given["record"] = Record.model_validate(dict(given["record"]))
        except ValidationError as error:
            mistakes += [f"[record] {wrong}" for wrong in of_entry(error, EXPECTED_RECORD)]
            del given["record"]
    mistakes += _of_compare(given.get("compare"))
    try:
        sweep = Sweep.model_validate(given)
    except ValidationError as error:
        mistakes = [*of_entry(error, EXPECTED), *mistakes]
    if mistakes:
        raise _MistakesError(mistakes)
    return sweep


class _MistakesError(PolicyError):
    """The mistakes of a sweep, before the place of the file is known."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def port_of(compare: Mapping[str, Any], name: str, baseline: str) -> Port:
    """Returns the table `[compare]` as a port of ports.toml, whose candidate is the ensemble."""
    return Port.model_validate(
        {**compare, "name": name, "baseline": baseline, "candidate": "ensemble"}
    )


def _of_compare(compare: object) -> list[str]:
    if not isinstance(compare, Mapping):
        return []
    own = [key for key in OF_ENSEMBLE if key in compare]
    if own:
        return [f"[compare] has {own[0]}; the candidate is the ensemble, so remove it"]
    try:
        port_of(compare, "ensemble", compare.get("baseline", "")).policy()
    except ValidationError as error:
        lacks = "baseline" not in compare
        wrong = of_entry(error)
        return [f"[compare] {'lacks baseline; expected a log or a name' if lacks else wrong[0]}"]
    except HarnessError as error:
        return [f"[compare] {error.message}"]
    return []


def words_of(given: str | tuple[str, ...], key: str) -> tuple[str, ...]:
    """Returns a command as words.

    Raises:
        PolicyError: a quotation is not closed, or there is no word.
    """
    try:
        words = tuple(shlex.split(given)) if isinstance(given, str) else given
    except ValueError as error:
        msg = f"{key} cannot be split into words: {error}; close it, or write a list of words"
        raise PolicyError(msg) from error
    return words


def _line(text: str, mistake: str) -> int:
    """Returns the line of the key that a message begins with; 0 if it has none."""
    first = mistake.split(maxsplit=1)[0]
    key = first if first.startswith("[") else mistake.removeprefix("unknown key ").split()[0]
    key = key.strip("';,\"")
    for number, line in enumerate(text.split("\n"), 1):
        bare = "".join(line.partition("#")[0].split())
        if bare in {key, f"[{key}]"} or bare.startswith(f"{key}="):
            return number
    return 0

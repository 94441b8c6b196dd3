"""A sweep -> its runs: the command, the folder and the environment of each."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path

from harness.errors import PolicyError
from harness.sweep.manifest import MOST_RUNS, Sweep, words_of
from harness.sweep.template import Value, check, fields, fill
from harness.system.filenames import alike, shortened, unfit

OUTPUT = "output"
"""The file for what a command prints, in the folder of its run. It has a suffix only if it is the
log, so that the folder of a run has one log."""
OUTPUT_LOG = "output.log"
OWN = ("out", "log", "name", "python")
"""Placeholders of a run itself."""
DEVICE = "device"
_UNFIT = re.compile(r"[^\w.+=-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A run to train. `name` is its folder inside the sweep's folder.

    `words`, `env` and `resume` are texts with the placeholders of `own`, and with `{device}` if
    `pooled`: the device is then given at the start of the run. `device` is a device that the run
    names itself, which no other run may have meanwhile. `command` identifies the run's work: a
    hash that does not depend on folders, on the interpreter or on a device of the pool.
    """

    name: str
    words: tuple[str, ...]
    folder: Path
    output: Path
    log: Path
    command: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    resume: tuple[str, ...] = ()
    ensemble: str = ""
    device: str = ""
    pooled: bool = False

    def argv(self, device: str, *, resumed: bool = False) -> list[str]:
        """Returns the words of the command on a device."""
        own = self._own(device)
        words = (*self.words, *(self.resume if resumed else ()))
        return [fill(word, own, "command") for word in words]

    def environment(self, device: str) -> dict[str, str]:
        """Returns the variables that the sweep adds to the environment."""
        own = self._own(device)
        return {name: fill(text, own, "[env]") for name, text in self.env.items()}

    def _own(self, device: str) -> dict[str, Value]:
        return {
            **self.values,
            "out": str(self.folder),
            "log": str(self.log),
            "name": self.name,
            "python": sys.executable,
            **({DEVICE: device} if self.pooled else {}),
        }


def plan(sweep: Sweep, root: Path, *, more: Sequence[str] = ()) -> list[Planned]:
    """Returns the runs of a sweep, in the order of its axes, the last of which varies fastest.

    `root` is the folder from which relative paths start. `more` are words to add to each command.

    Raises:
        PolicyError: there are too many runs, a placeholder is unknown, or two runs share a folder.
    """
    words = (*words_of(sweep.command, "command"), *(literal(word) for word in more))
    resume = words_of(sweep.resume, "resume")
    _check(sweep, words, resume)
    template = sweep.name or ",".join(f"{axis}={{{axis}}}" for axis in sweep.axes)
    over = ensemble_axes(sweep)
    out = (root / sweep.out).absolute()
    runs = []
    for combination in product(*sweep.axes.values()):
        values = dict(zip(sweep.axes, combination, strict=True))
        name = _folder_name(template, values)
        folder = out / name
        output = folder / (OUTPUT if sweep.log else OUTPUT_LOG)
        own = {**values, "out": str(folder), "name": name, "python": sys.executable}
        env = {key: str(text) for key, text in sweep.env.items()}
        runs.append(
            Planned(
                name=name,
                words=words,
                folder=folder,
                output=output,
                log=root.absolute() / fill(sweep.log, own, "log") if sweep.log else output,
                command=identity((*words, sweep.log), env, values),
                values=values,
                env=env,
                resume=resume,
                ensemble=",".join(f"{a}={v}" for a, v in values.items() if a not in over),
                device=str(values.get(DEVICE, "")),
                pooled=bool(sweep.devices),
            )
        )
    _check_folders(runs)
    return runs


def ensemble_axes(sweep: Sweep) -> tuple[str, ...]:
    """Returns the axes that repeat one experiment."""
    if sweep.ensemble is not None:
        return sweep.ensemble
    return ("seed",) if "seed" in sweep.axes else ()


def shown_command(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Returns a command as a shell takes it, behind its variables."""
    variables = [f"{name}={shlex.quote(text)}" for name, text in env.items()]
    return " ".join([*variables, shlex.join(argv)])


def literal(word: str) -> str:
    """Returns a word as a text with placeholders takes it, so that its braces stay."""
    return word.replace("{", "{{").replace("}", "}}")


def identity(texts: Sequence[str], env: Mapping[str, str], values: Mapping[str, Value]) -> str:
    """Returns a hash of what a run does: its texts, with the values of the axes filled in."""
    kept = _Kept(values)
    filled = [fill(text, kept, "command") for text in texts]
    variables = {name: fill(text, kept, "[env]") for name, text in env.items()}
    return hashlib.sha256(json.dumps([filled, sorted(variables.items())]).encode()).hexdigest()


class _Kept(dict[str, Value]):
    """Values that leave other placeholders as they are."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def _folder_name(template: str, values: Mapping[str, Value]) -> str:
    safe = {k: _UNFIT.sub("_", v) if isinstance(v, str) else v for k, v in values.items()}
    name = fill(template, safe, "name")
    for part in name.split("/"):
        reason = unfit(part)
        if reason:
            msg = f"the folder {shortened(name)!r} of a run does not work: {part!r} {reason}; set "
            raise PolicyError(f'{msg}`name`, such as name = "run_{{{next(iter(values))}}}"')
    return name


def _check(sweep: Sweep, words: Sequence[str], resume: Sequence[str]) -> None:
    """Raises PolicyError at the first mistake of a sweep whose types are right."""
    wrong = next(_mistakes(sweep, words), "")
    if wrong:
        raise PolicyError(wrong)
    _check_placeholders(sweep, words, resume)
    used = {name for text in (*words, *map(str, sweep.env.values())) for name in fields(text, "")}
    for axis, values in sweep.axes.items():
        if axis not in used and len(values) > 1:
            msg = (
                f"axis {axis} has {len(values)} values and no run uses it, so its runs would be "
                f"equal; write {{{axis}}} in the command or in [env]"
            )
            raise PolicyError(msg)


def _check_placeholders(sweep: Sweep, words: Sequence[str], resume: Sequence[str]) -> None:
    axes = list(sweep.axes)
    known = [*axes, *OWN, *([DEVICE] if sweep.devices else [])]
    for word in words:
        check(word, known, "command")
    for word in resume:
        check(word, known, "resume")
    for name, text in sweep.env.items():
        check(str(text), known, f"[env] {name}")
    check(sweep.log, [*axes, "out", "name", "python"], "log")
    check(sweep.name, axes, "name")
    outside = [axis for axis in axes if axis not in ensemble_axes(sweep)]
    if sweep.record is not None:
        check(sweep.record.name, outside, "[record] name")
    if sweep.compare is not None:
        check(sweep.compare["baseline"], outside, "[compare] baseline")


def _mistakes(sweep: Sweep, words: Sequence[str]) -> Iterator[str]:
    if not words:
        yield "command is empty; write the program and its words"
    for axis, values in sweep.axes.items():
        if not axis.isidentifier():
            yield f"[axes] has {axis!r}; expected a name of letters, digits and _"
        if axis in OWN:
            yield f"[axes] has {axis!r}, which is a placeholder of every run; choose another name"
        twice = [value for n, value in enumerate(values) if value in values[:n]]
        if twice:
            yield f"axis {axis} has {twice[0]!r} twice; remove one"
    if sweep.devices and DEVICE in sweep.axes:
        yield "has `devices` and an axis `device`; keep `devices` if a run may take any of them"
    if len(set(sweep.devices)) < len(sweep.devices):
        yield "devices has a device twice; remove one"
    unknown = [axis for axis in ensemble_axes(sweep) if axis not in sweep.axes]
    if unknown:
        yield f"ensemble has {unknown[0]!r}, which is not an axis; axes: {', '.join(sweep.axes)}"
    count = prod(len(values) for values in sweep.axes.values())
    if count > MOST_RUNS:
        yield f"the axes have {count} combinations; expected at most {MOST_RUNS}"


def _check_folders(runs: Sequence[Planned]) -> None:
    names = [run.name for run in runs]
    taken: dict[str, Planned] = {}
    for run in runs:
        other = taken.setdefault(run.name, run)
        if other is not run:
            pair = " and ".join(
                ",".join(f"{a}={v}" for a, v in one.values.items()) for one in (other, run)
            )
            msg = f"the runs {pair} have the same folder {run.name!r}; write every axis in `name`"
            raise PolicyError(msg)
    close = alike(names)
    if close:
        msg = (
            f"the folders {' and '.join(close[0][:2])} are the same on systems that ignore case; "
            "write other names in `name`"
        )
        raise PolicyError(msg)
    logs = {run.log for run in runs}
    if len(logs) < len(runs):
        msg = f"the runs share the log {runs[0].log.name}; write {{out}} or every axis in `log`"
        raise PolicyError(msg)

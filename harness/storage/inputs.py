"""Turns BASELINE and CANDIDATE of the command line into runs, from recordings or logs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from harness.errors import ParseError, PolicyError
from harness.log.run import Run
from harness.log.wording import counted
from harness.parse.formats.pattern import Pattern
from harness.parse.formats.sides import both_sides
from harness.storage.baselines import is_recording, load_runs, open_recording
from harness.storage.fetching import is_remote
from harness.storage.logs import expand, read_all, read_runs
from harness.storage.places import STDIN, is_url, parts_of, place_of
from harness.storage.published import asked_for, runs_of
from harness.trackers.naming import identity
from harness.trackers.registry import tracker_of

BASELINES = "baselines"


def load(
    spec: str,
    *,
    root: Path | None = None,
    baselines: Path | None = None,
    pattern: str | None = None,
) -> tuple[Run, ...]:
    """Returns the runs that `spec` names: a recording's folder, its name in `baselines`, or logs.

    `published/NAME` is a published result, unless a file has this name; see `published.py`.

    Commas separate names, unless a file with the whole name exists; in a URL, a comma separates
    only if another URL follows. `-` is standard input. Relative paths start from `root`;
    `baselines` defaults to the folder of that name in it. `pattern` is a user's own log format. A
    table with a column `run` gives a run for each value of it.

    Raises:
        ParseError, BaselineError: a log or a recording cannot be read.
    """
    here = root or Path()
    shelf = baselines or here / BASELINES
    if "," not in spec and place_of(spec).kind == "stdin" and root is not None:
        msg = "standard input in a manifest, whose ports would share it; name a file"
        raise ParseError(msg, source=spec)
    for folder in (here / spec, shelf / spec):
        if not is_url(spec) and is_recording(folder):
            return load_runs(open_recording(folder))
    published = asked_for(spec)
    if published and not os.path.lexists(here / spec):
        return runs_of(published, shelf)
    parts = parts_of(spec, is_file=not is_url(spec) and os.path.lexists(here / spec))
    if len(parts) > 1 and all(map(is_remote, parts)):
        paths = [path for part in parts for path in expand(part, root=root)]
        return _runs(paths, pattern)
    if len(parts) > 1:
        options = {"root": root, "baselines": baselines}
        return tuple(run for part in parts for run in load(part, **options, pattern=pattern))
    return _runs(expand(spec, root=root), pattern)


def _runs(paths: list[str], pattern: str | None) -> tuple[Run, ...]:
    logs = read_all(paths, pattern=pattern)
    return tuple(run for path, runs in logs for run in one_side(runs, path))


def one_side(runs: tuple[Run, ...], path: str | Path) -> tuple[Run, ...]:
    """Returns the runs of a file again, unless it holds both sides.

    Raises:
        PolicyError: the file holds a baseline and a candidate.
    """
    if both_sides(runs) is not None:
        msg = (
            "holds a baseline and a candidate; expected the runs of one side. Name the file alone: "
            "`harness compare FILE`; or give each side a file."
        )
        raise PolicyError(msg, source=str(path))
    return runs


def load_pair(log: str, *, pattern: str | None = None) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Returns the runs of both sides that one file holds, those of the baseline first.

    Raises:
        ParseError: the log cannot be read.
        PolicyError: the file holds no pair.
    """
    if any(is_recording(folder) for folder in (Path(log), Path(BASELINES, log))):
        msg = f"{log!r} is a recorded baseline; name the candidate's logs as well"
        raise PolicyError(msg)
    runs = read_runs(log, pattern=pattern)
    pair = both_sides(runs)
    if pair is None:
        msg = (
            f"holds {counted(len(runs), 'run')} and no pair; expected a file with both sides (two "
            "blocks of losses, such as `=== CUDA ===` and `=== SDAA ===`), or two logs: "
            "`harness compare BASELINE CANDIDATE`."
        )
        raise PolicyError(msg, source=log)
    return (pair[0],), (pair[1],)


def load_sides(
    baseline: str,
    candidate: str,
    *,
    root: Path | None = None,
    baselines: Path | None = None,
    pattern: str | None = None,
) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Returns the runs of both sides; see `load`.

    If the candidate is one of the runs that a tracker's name gives for the baseline, it is left out
    of the baseline: a good night's run is stored beside those it is judged by.

    Raises:
        ParseError, BaselineError: a log or a recording cannot be read.
        PolicyError: the pattern is invalid, or no line of either side matches it.
    """
    if [*baseline.split(","), *candidate.split(",")].count(STDIN) > 1:
        msg = "standard input is named twice, and can be read once; name a file for the other log"
        raise ParseError(msg, source=STDIN)
    sides = [
        load(spec, root=root, baselines=baselines, pattern=pattern)
        for spec in (baseline, candidate)
    ]
    if pattern and not any(Pattern.name in run.formats for side in sides for run in side):
        msg = (
            f"no line of either side matches the pattern {pattern!r}; try it with "
            "`harness parse LOG --pattern ...`"
        )
        raise PolicyError(msg)
    return _apart(sides[0], sides[1])


def _apart(
    baseline: tuple[Run, ...], candidate: tuple[Run, ...]
) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Returns both sides, the baseline without tracker's runs that are the candidate's as well."""
    own = {identity(run.source) for run in candidate if tracker_of(run.source)}
    others = tuple(run for run in baseline if identity(run.source) not in own)
    if not others or len(others) == len(baseline):
        return baseline, candidate
    note = "the baseline's name gives this run as well, which is left out of the baseline"
    told = tuple(
        replace(run, notes=(*run.notes, note)) if identity(run.source) in own else run
        for run in candidate
    )
    return others, told

"""What BASELINE and CANDIDATE name -> runs: recordings by folder or name, logs by path."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import ParseError, PolicyError
from harness.log.run import Run
from harness.parse.formats.pattern import Pattern
from harness.storage.baselines import is_recording, load_runs, open_recording
from harness.storage.logs import expand, read_runs
from harness.storage.places import STDIN, is_url, parts_of, place_of

BASELINES = "baselines"


def load(
    spec: str,
    *,
    root: Path | None = None,
    baselines: Path | None = None,
    pattern: str | None = None,
) -> tuple[Run, ...]:
    """The runs that `spec` names: a recording's folder, its name in `baselines`, or logs.

    Several of them are parted by commas, unless a file of that very name exists; a comma in a URL
    parts it only from another URL. `-` is standard input. `root` is the folder that relative paths
    start from; `baselines` defaults to the folder of that name in it.
    `pattern` is a user's own format, for logs. A table of several runs is several runs.

    Raises:
        ParseError, BaselineError: as reading them does.
    """
    here = root or Path()
    shelf = baselines or here / BASELINES
    if "," not in spec and place_of(spec).kind == "stdin" and root is not None:
        msg = "standard input in a manifest, where several ports would share it; give a file"
        raise ParseError(msg, source=spec)
    for folder in (here / spec, shelf / spec):
        if not is_url(spec) and is_recording(folder):
            return load_runs(open_recording(folder))
    several = parts_of(spec, is_file=not is_url(spec) and os.path.lexists(here / spec))
    if len(several) > 1:
        options = {"root": root, "baselines": baselines}
        return tuple(run for part in several for run in load(part, **options, pattern=pattern))
    paths = expand(spec, root=root)
    return tuple(run for path in paths for run in read_runs(path, pattern=pattern))


def load_sides(
    baseline: str,
    candidate: str,
    *,
    root: Path | None = None,
    baselines: Path | None = None,
    pattern: str | None = None,
) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The runs of both sides.

    Raises:
        ParseError, BaselineError: as reading them does.
        PolicyError: a pattern that is none, or that no line of either side's logs matches.
    """
    if [*baseline.split(","), *candidate.split(",")].count(STDIN) > 1:
        msg = "standard input is named twice, and can be read once; give a file for the other log"
        raise ParseError(msg, source=STDIN)
    sides = [
        load(spec, root=root, baselines=baselines, pattern=pattern)
        for spec in (baseline, candidate)
    ]
    if pattern and not any(Pattern.name in run.formats for side in sides for run in side):
        msg = (
            f"the pattern {pattern!r} is found in no line of either side; try it with "
            "`harness parse LOG --pattern ...`"
        )
        raise PolicyError(msg)
    return sides[0], sides[1]

"""What BASELINE and CANDIDATE name -> runs: recordings by folder or name, logs by path."""

from __future__ import annotations

from pathlib import Path

from harness.baselines import is_recording, load_runs, open_recording
from harness.curve import Run
from harness.errors import PolicyError
from harness.parse.pattern import Pattern
from harness.store import expand, read_runs

BASELINES = "baselines"


def load(
    spec: str,
    *,
    root: Path | None = None,
    baselines: Path | None = None,
    pattern: str | None = None,
) -> tuple[Run, ...]:
    """The runs that `spec` names: a recording's folder, its name in `baselines`, or logs.

    Several of them are parted by commas, unless a file of that very name exists. `root` is the
    folder that relative paths start from; `baselines` defaults to the folder of that name in it.
    `pattern` is a user's own format, for logs. A table of several runs is several runs.

    Raises:
        ParseError, BaselineError: as reading them does.
    """
    here = root or Path()
    shelf = baselines or here / BASELINES
    for folder in (here / spec, shelf / spec):
        if "://" not in spec and is_recording(folder):
            return load_runs(open_recording(folder))
    several = [part.strip() for part in spec.split(",") if part.strip()]
    if len(several) > 1 and not (here / spec).exists():
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

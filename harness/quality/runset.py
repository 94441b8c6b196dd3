"""Checks that the runs of a side are independent repetitions of one experiment."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from harness.align.aligned import Aligned, align
from harness.align.auxiliary import with_auxiliary
from harness.align.comparable import blocking, compare_facts
from harness.errors import AlignmentError
from harness.log.run import Run
from harness.quality.schedules import check_schedules


def check_runs(side: str, runs: Sequence[Run], aligned: Aligned) -> tuple[str, ...]:
    """Returns why the runs of a side are not independent, one line each; empty without a reason.

    Compares the stated seeds, the hashes of the logs, and the judged values bit for bit.
    """
    if len(runs) < 2:
        return ()
    curves = aligned.baseline if side == "baseline" else aligned.candidate
    doubts = []
    reported: set[frozenset[int]] = set()
    checks: tuple[tuple[str, list[Hashable]], ...] = (
        ("are the same log", [run.sha256 or None for run in runs]),
        ("have the same seed", [run.facts.get("seed") for run in runs]),
        ("have the same values on every judged step", [row.tobytes() for row in curves]),
    )
    for what, keys in checks:
        for group in _repeated(keys):
            if not any(group <= known for known in reported):
                reported.add(group)
                names = ", ".join(runs[i].source for i in sorted(group))
                doubts.append(
                    f"{side} runs {names} {what}: they are not independent, so their spread means "
                    "nothing; repeat the run with other seeds"
                )
    return tuple(doubts)


def mixed(runs: Sequence[Run], *, allow: Sequence[str] = ()) -> str:
    """Returns the first reason why runs do not repeat one experiment; empty without a reason.

    Compares each run with the first: the facts that must match, unless `allow` names them, the
    logged schedules, and the hash of the log.
    """
    first, *others = runs
    for run in others:
        if run.sha256 and run.sha256 == first.sha256:
            return f"{first.source} and {run.source} are the same log"
        for row in blocking(compare_facts([first.facts], [run.facts], allow=allow)):
            values = f"{row.baseline} in {first.source} and {row.candidate} in {run.source}"
            return f"{row.fact} is {values}"
        try:
            both = with_auxiliary(align([first], [run]), [first], [run])
        except AlignmentError:
            continue
        schedules = check_schedules(both, [run.source], ()).failures
        if schedules:
            return schedules[0].replace("the baseline's", f"{first.source}'s")
    return ""


def _repeated(keys: Sequence[Hashable]) -> list[frozenset[int]]:
    """Returns the groups of two or more places that share a key; None is not a key."""
    places: dict[Hashable, list[int]] = {}
    for i, key in enumerate(keys):
        if key is not None:
            places.setdefault(key, []).append(i)
    return [frozenset(group) for group in places.values() if len(group) > 1]

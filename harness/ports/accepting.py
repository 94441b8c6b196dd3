"""Records the runs of a failing candidate as the new baseline, with reason and provenance."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from harness.align.measure import relative_difference
from harness.comparison.acceptable import hindrance
from harness.comparison.pipeline import Comparison
from harness.errors import BaselineError, PolicyError
from harness.log.shown import shown
from harness.ports.proposals import Proposal
from harness.storage.baselines import is_recording, record
from harness.storage.recording import SEAL, Recording
from harness.system.filenames import shortened, unfit

GIT_S = 10
_NUMBERED = re.compile(r"(.+)-([0-9]{1,6})")


def accept(
    proposal: Proposal, *, name: str, reason: str, by: str, on: str, commit: str, version: str
) -> Recording:
    """Records the candidate's runs as the baseline `name`, and returns the recording.

    Raises:
        PolicyError: the candidate cannot replace the baseline, or the reason or the name of the
            person is empty.
        BaselineError: a recording of this name exists.
    """
    source = proposal.port or proposal.candidate
    for option, text in (("--reason", reason), ("--by", by)):
        if not text.strip():
            msg = f"{option} is empty; say {'why' if option == '--reason' else 'who accepts it'}"
            raise PolicyError(msg, source=source)
    hindered = hindrance(proposal.comparison)
    if hindered:
        msg = f"cannot be accepted: {hindered}"
        raise PolicyError(msg, source=source)
    old = proposal.recorded
    link = provenance(proposal.comparison, old, proposal.baseline)
    link |= {"reason": shown(reason.strip()), "by": shown(by.strip()), "on": on}
    link |= {"port": proposal.port, "commit": commit, "tool": version}
    return record(
        proposal.shelf / checked_name(name, proposal.shelf),
        proposal.comparison.sides[1],
        origin=f"the candidate {proposal.candidate}, accepted on {on}: {reason.strip()}",
        description=str(old.meta.get("description", "")) if old else "",
        replaces=link,
    )


def provenance(comparison: Comparison, old: Recording | None, baseline: str) -> dict[str, Any]:
    """Returns what the new recording keeps of the old baseline and of the verdict on the change."""
    aligned = comparison.aligned
    hashes = sorted({run.sha256 for run in comparison.sides[0] if run.sha256})
    reasons = comparison.judgement.reasons
    base, cand = aligned.baseline_mean, aligned.candidate_mean
    return {
        "baseline": old.name if old else shown(baseline),
        **({"seal": str(old.meta[SEAL])} if old else {"sha256": hashes}),
        "verdict": str(comparison.verdict),
        "why": shown(reasons[0]) if reasons else "",
        "metric": aligned.metric,
        "steps": int(aligned.steps.size),
        "old_mean": float(base.mean()),
        "new_mean": float(cand.mean()),
        "difference": relative_difference(base, cand),
        "old_runs": len(comparison.baseline),
        "new_runs": len(comparison.candidate),
    }


def checked_name(name: str, shelf: Path) -> str:
    """Returns a name that can be that of a new recording.

    Raises:
        PolicyError: the name cannot be that of a folder.
        BaselineError: a recording of this name exists; the old ones are kept.
    """
    reason = unfit(name)
    if reason:
        msg = f"{shortened(name)!r} cannot name a folder: it {reason}; use letters, digits, -, _"
        raise PolicyError(msg)
    if is_recording(shelf / name):
        msg = "already recorded, and the baselines that others replace are kept; pass another --as"
        raise BaselineError(msg, source=str(shelf / name))
    return name


def next_name(proposal: Proposal) -> str:
    """Returns the name of the present recording with the next number that is free.

    Raises:
        PolicyError: the present baseline is read from logs, so it has no name.
    """
    old = proposal.recorded
    if old is None:
        msg = "the present baseline is not recorded, so the new one has no name; pass --as NAME"
        raise PolicyError(msg, source=proposal.port or proposal.candidate)
    numbered = _NUMBERED.fullmatch(old.name)
    stem, number = (numbered[1], int(numbered[2])) if numbered else (old.name, 1)
    while (proposal.shelf / f"{stem}-{number + 1}").exists():
        number += 1
    return f"{stem}-{number + 1}"


def person(folder: Path) -> str:
    """Returns the name in git's configuration; empty if it is unknown."""
    try:
        done = subprocess.run(
            ["git", "config", "user.name"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=GIT_S,
            cwd=folder,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()

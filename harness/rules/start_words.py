"""The sentences of the rule `same-start`: what was seen, by which limit, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from harness.align.start import UNKNOWN, Start
from harness.log.wording import counted
from harness.rules.departure import kind_of
from harness.rules.looks import Look

ENOUGH = 8
"""Perturbed runs that are worth their cost. With 4 the limits are about twice as wide, with 2
twenty times."""
FEW = 4
"""Number of perturbed runs below which verdicts ask for more."""
PAGE = "docs/how-to/same-start.md"
MAKE = f"make {ENOUGH} of the baseline ({PAGE}; with model.train: --perturb {ENOUGH})"
STATE = " (float32, amp-float16 or amp-bfloat16)"
NOT_SEEN = "schedules after the last of these steps, resuming, validation, data that repeats later"
"""What a few steps from the start cannot show."""
UNSEEN = f". Not judged: {NOT_SEEN}"


def passed(start: Start, looks: Sequence[Look]) -> str:
    """Returns what agrees, which deviation would have been noticed, and what was not judged."""
    judged = looks[0]
    further = f" and {len(looks) - 1} further series" if len(looks) > 1 else ""
    resolved = ", ".join(f"{size:.1g} at step {step}" for step, size in judged.stated.items())
    assumed = f". An equal start is assumed: {start.assumed}" if start.assumed else ""
    return (
        f"{judged.series.name}{further} stay within the envelope of rounding on all "
        f"{counted(judged.series.steps.size, 'step')} from the start; a deviation of "
        f"{judged.series.name} above {resolved} would have been noticed"
        f"{_source(start, judged)}{UNSEEN}{assumed}"
    )


def failed(start: Start, looks: Sequence[Look], outside: Sequence[tuple[Look, int]]) -> str:
    """Returns in words where the candidate leaves the envelope first, and what that points to."""
    first, at = min(outside, key=lambda one: (one[1], -float(one[0].times[:, one[1]].max())))
    run = int(first.times[:, at].argmax())
    apart, limit = float(first.apart[run, at]), float(first.envelope.limit[at])
    where = f"in {start.candidates[run]} " if first.apart.shape[0] > 1 else ""
    places = {look.series.name: place for look, place in outside}
    kind = kind_of(places, {look.series.name: look.apart[run] for look in looks}, start)
    unsure = (
        f" No fingerprint shows that both sides began alike ({start.assumed}): compare the initial "
        "weights and the first batch, too."
    )
    return (
        f"{where}{first.series.name} leaves the envelope of rounding at step "
        f"{first.series.steps[at]}: it differs by {apart:+.2g} of its value, and the limit is "
        f"{limit:.2g}{_source(start, first)}; {len(outside)} of "
        f"{counted(len(looks), 'series', 'series')} leave it. {kind}"
        f"{unsure if start.assumed and at == 0 else ''}"
    )


def renumbered(start: Start) -> str:
    """Returns that the candidate agrees if its steps are counted as the baseline's are."""
    ours, theirs = start.begins
    return (
        f"the baseline counts its steps from {ours} and the candidate from {theirs}: the figures "
        "agree if both count alike, and differ as they are logged; count the steps of both logs "
        "from the same number"
    )


def begins_late(start: Start) -> str:
    """Returns that one side does not log the first step of the other."""
    ours, theirs = start.begins
    return (
        f"the baseline's log begins at step {ours} and the candidate's at step {theirs}; a verdict "
        "from the start needs the first step of both: log every step, from the first"
    )


def too_few(steps: int, needed: int) -> str:
    """Returns that fewer steps than needed are logged on both sides."""
    return (
        f"both sides log only {counted(steps, 'step')} from the start, and {needed} are needed: "
        f"log every step, and train for {needed} steps or more"
    )


def too_coarse(name: str, hidden: float) -> str:
    """Returns that the digits of the log hide what the rule looks for."""
    return (
        f"the logs print {name} so coarsely that every difference below {hidden:.1g} is hidden: "
        "log all digits (Python's repr)"
    )


def too_wide(start: Start, judged: Look, resolution: float, narrow: int, needed: int) -> str:
    """Returns why the envelope is too wide for a pass, and what narrows it."""
    why = (
        f"the envelope of {judged.series.name} is wider than {resolution:g} after "
        f"{counted(narrow, 'step')}, and {needed} are needed"
    )
    own, envelope_at = start.precisions[1], start.envelope_at
    unstated = f"the candidate's log does not state its precision{STATE}" if own == UNKNOWN else ""
    if not judged.envelope.runs:
        coarse = f"; {unstated}, so the coarsest limit holds" if unstated else ""
        return f"{why}: {_none(start)}; {MAKE} and pass their logs with the baseline's{coarse}"
    if envelope_at not in {"", own}:
        other = f"the candidate runs in {own}: pass perturbed runs in that precision"
        lacking = f"{unstated}: state it" if unstated else other
        return f"{why}: the perturbed runs are those of {envelope_at}, and {lacking}"
    return (
        f"{why}: rounding grows too fast here{_left_out(start)}; judge a run in float32 if this is "
        "a lower precision, otherwise compare several seeds"
    )


def _source(start: Start, look: Look) -> str:
    """Returns where the limit comes from."""
    runs = look.envelope.runs
    if not runs:
        return f" (by precision alone: {_none(start)})"
    more = f"; {ENOUGH} make it narrower" if runs < FEW else ""
    return f" (envelope of {counted(runs, 'perturbed run')}{more}{_left_out(start)})"


def _none(start: Start) -> str:
    if not start.left_out:
        return "no perturbed run was passed"
    return f"no perturbed run shows the rounding{_left_out(start)}"


def _left_out(start: Start) -> str:
    """Returns the first perturbed run that is left out, with its reason, and how many more are."""
    if not start.left_out:
        return ""
    first, *others = start.left_out
    return f"; left out: {first}{f', and {len(others)} more' if others else ''}"

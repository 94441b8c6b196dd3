"""What a comparison of two captures comes to: the culprits, the outcome, one sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.locate import names
from harness.locate.capture import START, Capture
from harness.locate.match import Matched
from harness.locate.result import Outcome, Row
from harness.locate.stages import title
from harness.log.wording import counted

STRONG = 3.0
"""Times the limit from which on a difference comes before all smaller ones in the ranking."""
WHOLE = 0.9
"""Error, as a part of the norm, from which on a tensor was lost on one side."""
DRAWN = 0.1
"""Error from which on a random operator drew other numbers; a wrong kernel may err by less."""
NEEDED = ("weight", "input", "loss", "gradient", "update")
"""Kinds that the candidate must have as far as the baseline has them; without, nothing passes."""


def culprits_of(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Returns the wrong rows of the first step that has one, the most likely first.

    In that order: those far beyond their limit as they were executed, then the others likewise.
    """
    wrong = [row for row in rows if row.state == "wrong"]
    if not wrong:
        return ()
    first = min(row.step for row in wrong)
    return tuple(sorted((r for r in wrong if r.step == first), key=_is_weak))


def _is_weak(row: Row) -> bool:
    """Returns whether a difference is near its limit, and less than the whole tensor."""
    return row.ratio < STRONG and row.error < WHOLE


def missing(ours: Capture, theirs: Capture, matched: Matched) -> tuple[tuple[str, str], ...]:
    """Returns what a verdict needs and one side lacks: pairs of a kind and a sentence."""
    found = []
    sides = (("baseline", ours, matched.ours_only), ("candidate", theirs, matched.theirs_only))
    for (side, capture, alone), (other, _, _) in zip(sides, reversed(sides), strict=True):
        for kind in NEEDED:
            lost = [n for n in alone if capture.records[n].kind == kind]
            if lost:
                record = capture.records[lost[0]]
                example = f"{record.name or kind} of step {record.step}"
                text = f"{counted(len(lost), kind)} of the {side} missing on the {other}, such as"
                found.append((kind, f"{text} {example}"))
    kinds = {ours.records[n].kind for n in matched.pairs[:, 0].tolist()}
    if not kinds - {*START}:
        found.append(("loss", "the sides share neither an operator nor a loss, gradient or update"))
    return tuple(found)


def starts_differ(culprit: Row) -> bool:
    """Returns whether a culprit belongs to the start: both sides must have it equal."""
    if culprit.evidence != "figures":
        return False
    drawn = names.is_random(culprit.operator) and not culprit.error <= DRAWN
    of_start = culprit.kind in START and culprit.step == 0
    return of_start or (culprit.kind == "operator" and drawn)


def outcome_of(
    rows: Sequence[Row],
    culprits: Sequence[Row],
    lacking: Sequence[tuple[str, str]],
    *,
    spoilt: bool,
) -> Outcome:
    """Returns the outcome; a pass needs every stage on both sides, and no doubt."""
    if culprits and starts_differ(culprits[0]):
        return "incomparable"
    if any(kind == "weight" for kind, _ in lacking):
        return "incomparable"
    if any(row.evidence != "operators" for row in culprits):
        return "fail"
    if culprits:
        return "inconclusive"
    doubtful = any(row.state == "unjudged" for row in rows)
    return "inconclusive" if lacking or spoilt or doubtful or not rows else "pass"


def headline(
    outcome: Outcome,
    rows: Sequence[Row],
    culprits: Sequence[Row],
    lacking: Sequence[tuple[str, str]],
    *,
    twins: int,
    spoilt: bool,
) -> str:
    """Returns the result in one sentence."""
    if outcome == "incomparable":
        return _unlike(culprits, lacking)
    if culprits and culprits[0].evidence != "figures":
        return _other_program(culprits[0], located=outcome == "fail")
    if outcome == "fail":
        return _first_difference(culprits[0])
    if outcome == "pass":
        return _agreement(rows, twins=twins)
    return _undecided(rows, lacking, spoilt=spoilt)


def _undecided(rows: Sequence[Row], lacking: Sequence[tuple[str, str]], *, spoilt: bool) -> str:
    """Returns why neither a pass nor a fault can be stated."""
    if spoilt:
        return "a loss or a gradient is not finite on either side, so the rest cannot be compared"
    if lacking:
        return lacking[0][1]
    doubtful = max((row for row in rows if row.state == "unjudged"), key=lambda row: row.ratio)
    return (
        f"{title(doubtful)} differs by {figure(doubtful.error)}, and whether that is rounding is "
        f"not known: {doubtful.note}"
    )


def _agreement(rows: Sequence[Row], *, twins: int) -> str:
    """Returns what agrees, and which differences would have been noticed."""
    source = f"of {counted(twins, 'twin')}" if twins else "of the number formats"
    limits = sorted(row.limit for row in rows if row.state == "healthy" and row.limit > 0)
    half, most = (limits[int(part * (len(limits) - 1))] if limits else 0.0 for part in (0.5, 0.95))
    return (
        f"{counted(len(rows), 'tensor')} of {counted(len({r.step for r in rows}), 'step')} agree "
        f"within the rounding {source}; a difference of {figure(half)} of its norm would have been "
        f"noticed in half of them, and one of {figure(most)} in 95 %"
    )


def _unlike(culprits: Sequence[Row], lacking: Sequence[tuple[str, str]]) -> str:
    """Returns which part of the start differs."""
    networks = [text for kind, text in lacking if kind == "weight"]
    if networks:  # before the batch, which two networks need not share
        return f"the networks differ: {networks[0]}"
    first = culprits[0]
    if first.kind == "operator":
        return (
            f"the sides draw other random numbers: {title(first)} differs by {figure(first.error)} "
            "though its inputs agree"
        )
    what = {"weight": "weights", "buffer": "buffers", "input": "batches"}[first.kind]
    count = sum(row.kind == first.kind for row in culprits)
    return (
        f"the sides begin with other {what}: {title(first)} differs by {figure(first.error)}, more "
        f"than rounding ({counted(count, first.kind)} {'differs' if count == 1 else 'differ'})"
    )


def _first_difference(first: Row) -> str:
    """Returns what differs first, by how much, in which step and pass, and what agrees before."""
    where = f", {first.phase} pass" if first.kind in {"operator", "module"} else ""
    by = (
        "is not finite in the same places"
        if math.isinf(first.error)
        else f"differs by {figure(first.error)} of its norm, and the limit is {figure(first.limit)}"
    )
    agree = f": {_before(first)}" if _before(first) else ""
    return f"{_CALLED[first.kind]}{title(first)} {by} (step {first.step}{where}{agree})"


def _other_program(first: Row, *, located: bool) -> str:
    """Returns what the sides ran otherwise."""
    where = f"(step {first.step}, {first.phase} pass)"
    if first.evidence == "settings":
        return f"{title(first)} is called with another setting: {first.note} {where}"
    differs = f"{title(first)}: {first.note} {where}"
    if located:
        return f"the sides run other operators, and differ behind them; the first is {differs}"
    return (
        "no tensor differs by more than rounding, but the sides run other operators, whose effect "
        f"the rounding would hide; the first is {differs}"
    )


_CALLED = {
    "gradient": "the gradient of ",
    "update": "the update of ",
    "buffer_update": "the update of ",
    "weight": "the weight ",
    "buffer": "the buffer ",
    "input": "",
    "operator": "",
    "module": "",
    "loss": "the ",
}


def _before(first: Row) -> str:
    """Returns what agrees that the first difference was, or may be, made from."""
    if first.kind == "update":
        return "forward pass, loss and gradients agree"
    if first.kind == "gradient":
        return "the operators and the loss agree"
    return {"loss": "the operators agree", "buffer_update": ""}.get(first.kind, "its inputs agree")


def figure(value: float) -> str:
    """Returns a relative error in words.

    >>> figure(0.00123), figure(float("inf")), figure(0.0)
    ('0.0012', 'infinity', '0')
    """
    return "infinity" if math.isinf(value) else f"{value:.2g}"

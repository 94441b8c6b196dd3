"""Sentences for the reader of a comparison: what hides a fault, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.locate import names, nonfinite
from harness.locate.capture import Capture, Record
from harness.locate.conclude import starts_differ
from harness.locate.distance import Spread
from harness.locate.match import Matched
from harness.locate.result import Row
from harness.locate.rows import unsteady
from harness.log.wording import counted

NAMED = 4
"""Names in a sentence; the rest is a number."""
LOW_PRECISION = (1e-5, 3e-2)
"""Errors that rounding to TF32, float16 or bfloat16 causes in one operator of float32."""
SIXTEEN_BITS = ("bfloat16", "float16")
ALIKE = ("network", "parameters", "dtype", "precision", "autocast", "matmul_precision")
"""Facts that both sides should have alike."""
MULTIPLIES = ("convolution", "linear", "mm", "bmm", "scaled_dot_product_attention")


def of_nonfinite(ours: Capture, theirs: Capture, matched: Matched) -> list[str]:
    """Returns who made the first value that is not finite, by side and pass."""
    found = []
    for (side, phase), i in nonfinite.producers(ours, theirs, matched).items():
        capture = ours if side == "baseline" else theirs
        found.append(
            f"The first value of the {side}'s {phase} pass that is not finite is made by "
            f"{_called(capture.records[i])} ({nonfinite.words(capture, i)})."
        )
    return found


def of_culprit(culprits: Sequence[Row]) -> list[str]:
    """Returns what to look at, by the kind of the first culprit."""
    if not culprits:
        return []
    first = culprits[0]
    if first.evidence != "figures":
        return [_SETTING if first.evidence == "settings" else _PROGRAM]
    if starts_differ(first):
        return [_START if first.kind != "operator" else _RANDOM]
    text = _ADVICE[first.kind]
    if first.kind == "operator" and _is_precision(first):
        return [text, _PRECISION]
    return [text]


_START = (
    "Mend the start before you look for a fault: load the same weights on both sides and feed the "
    "same batch."
)
_RANDOM = (
    "Two devices draw other random numbers from the same seed. Set dropout to 0, or draw on the "
    "CPU on both sides, and record again."
)
_PRECISION = (
    "The difference is of the size of TF32, float16 or bfloat16 rounding: compare the precision in "
    "force on both sides first."
)
_SETTING = (
    "The operator itself may be healthy: look at the line that calls it, and at what sets the "
    "value on each side."
)
_PROGRAM = (
    "A device may split operators and join them, which is harmless; a program that was changed for "
    "it may compute something else. Look at the line. A record of both sides in float32, without "
    "autocast, shows a difference that the rounding hides here."
)
_ADVICE = {
    "operator": "Either the operator's kernel is wrong, or the operator is healthy and was called "
    "with another setting, such as epsilon or align_corners. `harness locate replay` on the "
    "candidate's machine decides: it names the operator only if the kernel is wrong.",
    "module": "The operators inside this module could not all be paired with the baseline's. "
    "`harness locate replay` on the candidate's machine checks each of them.",
    "loss": "Every operator that could be compared agrees, and the loss does not: look at how the "
    "loss is reduced, weighted and masked.",
    "gradient": "Every operator of the backward pass that could be compared agrees, and this "
    "gradient does not: look at how gradients are summed, scaled, clipped and reduced over "
    "devices.",
    "update": "The gradients agree and the update does not: look at the optimizer, its settings "
    "(learning rate, momentum, weight decay, epsilon), the schedule and gradient clipping, not at "
    "an operator.",
    "buffer_update": "Only a buffer differs after the step: look at the running statistics, their "
    "momentum and the number of values they are taken over.",
    "weight": "The weights agreed at the start and differ later, though every update that could be "
    "compared agrees: look at what else changes weights (averaging, clipping, loading).",
    "buffer": "The buffers agreed at the start and differ later: look at what changes them outside "
    "the forward pass.",
    "input": "The batches of the first step agree and a later one does not: look at the order of "
    "the data and at the augmentation.",
}


def _is_precision(row: Row) -> bool:
    low, high = LOW_PRECISION
    multiplies = names.canonical(row.operator).removesuffix("_backward") in MULTIPLIES
    return multiplies and row.dtype == "float32" and low < row.error < high


def of_zeros(baseline: Capture, rows: Sequence[Row]) -> list[str]:
    """Returns what zeros hide, and how to see behind them."""
    hidden = [row for row in rows if row.state == "hidden"]
    if not hidden:
        return []
    modules = _shortest({row.module for row in hidden if row.module})
    zeros = [names.path(name) for name in baseline.zeros]
    because = f", because these parameters are zero: {_some(zeros)}" if zeros else ""
    where = f" in {_some(modules)}" if modules else ""
    return [
        f"A fault can hide in {counted(len(hidden), 'tensor')}{where}: they are zero on both sides"
        f"{because}. Record from a trained checkpoint, or with `--unhide` (`unhide=True`), to see "
        "behind them."
    ]


def _shortest(modules: set[str]) -> list[str]:
    """Returns modules without those that lie inside another of them."""
    return sorted(m for m in modules if not any(m.startswith(f"{other}.") for other in modules))


def of_twins(ours: Capture, theirs: Capture, spreads: tuple[Spread, Spread]) -> list[str]:
    """Returns where the limits come from, and which operators do not repeat."""
    found = []
    if not any(spread.twins for spread in spreads):
        found.append(
            "No twin was recorded, so the limits are those of the number formats, and a difference "
            "below 1,000 times its limit is not judged. Record the baseline with twins "
            "(`twins=2`) to judge smaller ones."
        )
    for side, capture, spread in zip(
        ("baseline", "candidate"), (ours, theirs), spreads, strict=True
    ):
        loose = unsteady(capture, spread)
        if loose:
            found.append(
                f"{counted(len(loose), 'operator')} of the {side} do not repeat their result "
                f"exactly, which widens the limits behind them: {_some(map(_called, loose))}."
            )
    return found


def of_format(culprits: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """Returns what formats of 16 bits hide, if no difference was located among them."""
    coarse = sorted({d for row in rows for d in row.dtype.split(", ") if d in SIXTEEN_BITS})
    if culprits or not coarse:
        return []
    return [
        f"The rounding of {' and '.join(coarse)} hides differences of some percent. Record both "
        "sides in float32, without autocast, to see smaller ones: another setting of an operator "
        "shows there as well."
    ]


def of_steps(culprits: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """Returns what one step cannot show, if no difference was located in it."""
    if culprits or len({row.step for row in rows}) != 1:
        return []
    return [
        "Only one step was compared. The order of later batches, the schedule, and momentum act "
        "from the second step on: record both sides with `--steps 3` to compare them."
    ]


def of_facts(ours: Capture, theirs: Capture) -> list[str]:
    """Returns a sentence if the sides state another arithmetic or another network."""
    parts = [
        f"{fact.replace('_', ' ')} is {ours.facts[fact]} on the baseline and {theirs.facts[fact]} "
        "on the candidate"
        for fact in ALIKE
        if ours.facts.get(fact) and theirs.facts.get(fact)
        and ours.facts[fact] != theirs.facts[fact]
    ]  # fmt: skip
    return [f"The sides state different settings: {'; '.join(parts)}."] if parts else []


def _called(record: Record) -> str:
    where = names.path(record.module) or "the whole network"
    line = f" ({record.source})" if record.source else ""
    return f"{record.name or record.kind} in {where}{line}"


def _some(items: Iterable[str]) -> str:
    every = list(items)
    more = len(every) - NAMED
    return ", ".join(every[:NAMED]) + (f" and {more} more" if more > 0 else "")

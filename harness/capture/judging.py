"""One call of an operator, repeated on the CPU: a row of the result for each of its outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves

from harness.capture.again import Arguments, copied, in_float64, moved_by_a_rounding, run
from harness.capture.budget import described
from harness.capture.errors_of import (
    errors,
    finite_in_all,
    place,
    worst_place,
    wrongly_nonfinite,
)
from harness.capture.modules import Place
from harness.capture.operators import selects, tensors
from harness.locate.limits import Judged, Measured, judge
from harness.locate.result import Row, State

SEED = 1811
"""Of the rounding that moves the inputs of an operator that is beyond its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: the operator, where it ran, and its arguments as they were before it, on the CPU.

    `seen` are the device's results on the CPU, `repeats` those of further calls with the same
    arguments.
    """

    op: OpOverload
    at: Place
    arguments: Arguments
    seen: list[Tensor]
    repeats: list[list[Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A row, with the exact result for a bundle."""

    row: Row
    exact: Tensor
    makes_nonfinite: bool = False
    differs_between_calls: bool = False


def rows_of(call: Call) -> Iterator[Compared]:
    """Yields a row for each output of a call.

    Raises:
        NoKernelError: the CPU cannot run the operator.
    """
    healthy = run(call.op, copied(call.arguments), call.seen)
    exact = run(call.op, in_float64(call.arguments), call.seen)
    floating = any(t.is_floating_point() for t in call.seen)
    for n, seen in enumerate(call.seen):
        want = exact[n] if n < len(exact) else None
        cpu = healthy[n] if n < len(healthy) else None
        if want is None or cpu is None or seen.shape != want.shape or not seen.numel():
            continue
        if seen.is_floating_point() and cpu.dtype == seen.dtype:
            yield _floating(call, n, cpu, want.double())
        elif not floating and not seen.is_floating_point() and not seen.is_complex():
            yield _whole_numbers(call, n, cpu)


def _floating(call: Call, n: int, healthy: Tensor, exact: Tensor) -> Compared:
    """Returns the row of an output of floating-point numbers."""
    seen = call.seen[n]
    stray = wrongly_nonfinite(seen, healthy, exact)
    makes = not bool(torch.isfinite(seen).all()) and _all_finite(call.arguments)
    if bool(stray.any()):
        flat = int(stray.reshape(-1).to(torch.uint8).argmax())
        note = f"{int(stray.sum())} elements are NaN or infinite on one side alone: "
        note += place(flat, seen, exact)
        row = _row(call, n, error=math.inf, limit=0.0, state="wrong", note=note)
        return Compared(row=row, exact=exact, makes_nonfinite=makes)
    mask = finite_in_all(seen, healthy, exact)
    measured = _measured(call, n, healthy, exact, mask)
    judged = judge(measured)
    if judged.wrong and not measured.selects:
        measured = _with_moved(call, n, exact, mask, measured)
        judged = judge(measured)
    state: State = "wrong" if judged.wrong else "healthy"
    if not judged.wrong and measured.exact_l2 == 0 and _sees_zeros(call):
        state = "hidden"
    note = _note(judged, seen, exact, mask) if judged.wrong else ""
    varies = measured.spread is not None and measured.spread.l2 > 0
    if varies:
        note += f"{len(call.repeats) + 1} calls with the same inputs gave different results"
    return Compared(
        row=_row(call, n, error=judged.error, limit=judged.limit, state=state, note=note),
        exact=exact,
        makes_nonfinite=makes,
        differs_between_calls=varies,
    )


def _measured(call: Call, n: int, healthy: Tensor, exact: Tensor, mask: Tensor | None) -> Measured:
    seen = call.seen[n].double()
    inside = exact if mask is None else exact[mask]
    size = float(torch.linalg.vector_norm(inside))
    spread = None
    if call.repeats:
        every = [errors(again[n].double(), seen, mask, size) for again in call.repeats]
        spread = max(every, key=lambda e: e.l2)
    return Measured(
        count=inside.numel(),
        eps=torch.finfo(call.seen[n].dtype).eps,
        exact_l2=size,
        exact_largest=float(inside.abs().max()) if inside.numel() else 0.0,
        device=errors(seen, exact, mask, size),
        healthy=errors(healthy.double(), exact, mask, size),
        spread=spread,
        selects=selects(call.op),
    )


def _with_moved(
    call: Call, n: int, exact: Tensor, mask: Tensor | None, measured: Measured
) -> Measured:
    """Returns the figures with what a rounding of the inputs changes."""
    moved = run(call.op, moved_by_a_rounding(call.arguments, seed=SEED), call.seen)[n]
    if moved is None:
        return measured
    size = measured.exact_l2
    found = errors(torch.nan_to_num(moved.double()), torch.nan_to_num(exact), mask, size)
    return replace(measured, moved=found)


def _note(judged: Judged, seen: Tensor, exact: Tensor, mask: Tensor | None) -> str:
    kind = {
        "l2": "the L2 error is beyond its limit",
        "largest": "single elements are beyond their limit",
        "bias": "the result is scaled",
    }[judged.by]
    return f"{kind}: {worst_place(seen.double(), exact, mask)}"


def _whole_numbers(call: Call, n: int, healthy: Tensor) -> Compared:
    """Returns the row of an output of integers or truth values, which must be equal."""
    seen = call.seen[n]
    wrong = seen != healthy
    fraction = float(wrong.double().mean())
    note = ""
    if fraction:
        flat = int(wrong.reshape(-1).to(torch.uint8).argmax())
        note = f"{int(wrong.sum())} elements differ: {place(flat, seen, healthy)}"
    state: State = "wrong" if fraction else "healthy"
    row = _row(call, n, error=fraction, limit=0.0, state=state, note=note)
    return Compared(row=row, exact=healthy)


def _row(call: Call, n: int, *, error: float, limit: float, state: State, note: str) -> Row:
    at = call.at
    seen = call.seen[n]
    return Row(
        operator=described(call.op), module=at.module, phase=at.phase, step=at.step, call=at.call,
        order=at.order, output=n, dtype=str(seen.dtype).removeprefix("torch."),
        shape=tuple(seen.shape), source=at.source, error=error, limit=limit, state=state, note=note,
    )  # fmt: skip


def _floats(arguments: Arguments) -> list[Tensor]:
    return [t for t in tensors(arguments) if t.is_floating_point()]


def _all_finite(arguments: Arguments) -> bool:
    """Returns True if no argument is infinite or NaN; a mask is filled with infinity on purpose."""
    numbers = [leaf for leaf in tree_leaves(arguments) if isinstance(leaf, float)]
    return all(math.isfinite(number) for number in numbers) and all(
        bool(torch.isfinite(t).all()) for t in _floats(arguments)
    )


def _sees_zeros(call: Call) -> bool:
    """Returns True if an argument has several elements, all of them zero."""
    return any(t.numel() > 1 and not bool(t.any()) for t in _floats(call.arguments))

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
from harness.capture.operators import bare_name, selects, tensors
from harness.capture.places import free
from harness.capture.renamed import OTHER_NAMES
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
    for n, seen in enumerate(call.seen):
        want = exact[n] if n < len(exact) else None
        cpu = healthy[n] if n < len(healthy) else None
        if not seen.numel():
            continue
        if want is None or cpu is None:
            yield _unjudged(call, n, "the device's kernel alone has this result")
        elif cpu.dtype != seen.dtype or cpu.shape != seen.shape or want.shape != seen.shape:
            form = f"{str(cpu.dtype).removeprefix('torch.')} {list(cpu.shape)}"
            yield _unjudged(call, n, f"the CPU returns {form}")
        elif seen.is_complex():
            yield _floating(call, n, torch.view_as_real(cpu.resolve_conj()), _real(want))
        elif seen.is_floating_point():
            yield _floating(call, n, cpu, want.double())
        else:
            yield _whole_numbers(call, n, cpu)


def _real(tensor: Tensor) -> Tensor:
    """Returns complex numbers as pairs of float64, other numbers as they are."""
    if not tensor.is_complex():
        return tensor
    return torch.view_as_real(tensor.resolve_conj())


def _floating(call: Call, n: int, healthy: Tensor, exact: Tensor) -> Compared:
    """Returns the row of an output of floating-point numbers, of which complex ones have two."""
    seen = _real(call.seen[n])
    stray = wrongly_nonfinite(seen, healthy, exact)
    makes = not bool(torch.isfinite(seen).all()) and _all_finite(call.arguments)
    if bare_name(call.op) in OTHER_NAMES and not _all_finite(call.arguments):
        stray &= False  # kernels of other algorithms carry NaN to other places
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
    seen = _real(call.seen[n]).double()
    inside = exact if mask is None else exact[mask]
    size = float(torch.linalg.vector_norm(inside))
    spread = None
    if call.repeats:
        every = [errors(_real(again[n]).double(), seen, mask, size) for again in call.repeats]
        spread = max(every, key=lambda e: e.l2)
    return Measured(
        count=inside.numel(),
        eps=torch.finfo(call.seen[n].dtype).eps,  # complex64 has the eps of float32
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
    found = errors(torch.nan_to_num(_real(moved).double()), torch.nan_to_num(exact), mask, size)
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
    if bool(wrong.any()):
        wrong = wrong & ~free(call.op, call.arguments, seen, healthy)
    fraction = float(wrong.double().mean())
    note = ""
    if fraction:
        flat = int(wrong.reshape(-1).to(torch.uint8).argmax())
        note = f"{int(wrong.sum())} elements differ: {place(flat, seen, healthy)}"
    state: State = "wrong" if fraction else "healthy"
    row = _row(call, n, error=fraction, limit=0.0, state=state, note=note)
    return Compared(row=row, exact=healthy)


def _unjudged(call: Call, n: int, why: str) -> Compared:
    row = _row(call, n, error=0.0, limit=0.0, state="unjudged", note=f"not compared: {why}")
    return Compared(row=row, exact=call.seen[n])


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

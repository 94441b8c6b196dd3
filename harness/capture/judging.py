"""One call of an operator, repeated on the CPU: a row of the result for each of its outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.capture.budget import described
from harness.capture.errors_of import (
    errors,
    finite_in_all,
    place,
    sizes,
    worst_place,
    wrongly_nonfinite,
)
from harness.capture.operators import bare_name
from harness.capture.places import free
from harness.capture.renamed import OTHER_NAMES
from harness.capture.runs import Call
from harness.capture.trees import leaves, tensors
from harness.locate.limits import Errors, Judged, Measured, judge, may_have_bias
from harness.locate.result import Row, State


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
    for n, seen in enumerate(call.seen):
        if not seen.numel():
            continue
        real = seen.is_floating_point() or seen.is_complex()
        results = call.exact if real else call.healthy
        want = results[n] if n < len(results) else None
        if want is None:
            yield _unjudged(call, n, "the device's kernel alone has this result")
        elif want.shape != seen.shape or (want.dtype != seen.dtype and not real):
            form = f"{str(want.dtype).removeprefix('torch.')} {list(want.shape)}"
            yield _unjudged(call, n, f"the CPU returns {form}")
        elif real:
            yield _floating(call, n, _real(want).double())
        else:
            yield _whole_numbers(call, n, want)


def _real(tensor: Tensor) -> Tensor:
    """Returns complex numbers as pairs of real ones, other numbers as they are."""
    if not tensor.is_complex():
        return tensor
    return torch.view_as_real(tensor.resolve_conj())


def _floating(call: Call, n: int, exact: Tensor) -> Compared:
    """Returns the row of an output of floating-point numbers, of which complex ones have two."""
    measured = _against_floor(call, n, exact)
    if measured is not None:
        judged = judge(measured)
        if not judged.wrong:
            hidden = measured.exact_l2 == 0 and _sees_zeros(call)
            state: State = "hidden" if hidden else "healthy"
            return _compared(call, n, exact, judged, state=state)
    cpu = call.healthy[n]
    if cpu is None or cpu.dtype != call.seen[n].dtype:
        form = "nothing" if cpu is None else str(cpu.dtype).removeprefix("torch.")
        return _unjudged(call, n, f"the CPU returns {form}")
    return _against_healthy(call, n, _real(cpu), exact, finite=measured is not None)


def _against_floor(call: Call, n: int, exact: Tensor) -> Measured | None:
    """Returns the figures without the healthy kernel's; None if a result is not finite.

    Most results are within the floor of a limit, and the CPU's kernel need not run for them.
    """
    if call.repeats:
        return None
    measured = _measured(call, n, exact, None, healthy=Errors())
    finite = math.isfinite(measured.exact_l2) and math.isfinite(measured.device.l2)
    return measured if finite else None


def _against_healthy(
    call: Call, n: int, healthy: Tensor, exact: Tensor, *, finite: bool
) -> Compared:
    """Returns the row of a result that is not finite, or farther off than the floor.

    `finite` says that the device's result and the exact one are known to be.
    """
    seen = _real(call.seen[n])
    mask = finite_in_all(*([healthy] if finite else [seen, healthy, exact]))
    makes = False
    if mask is not None:
        finite_before = _all_finite(call)
        makes = finite_before and not bool(torch.isfinite(seen).all())
        stray = wrongly_nonfinite(seen, healthy, exact)
        # kernels of other algorithms carry NaN to other places
        if bool(stray.any()) and (finite_before or bare_name(call.op) not in OTHER_NAMES):
            return _stray(call, n, stray, exact, makes=makes)
    size, _ = sizes(exact if mask is None else exact[mask])
    own = errors(healthy.double(), exact, mask, size, bias=_may_bias(call, n))
    measured = _measured(call, n, exact, mask, healthy=own)
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
        said = f"{len(call.repeats) + 1} calls with the same inputs gave different results"
        note = f"{note}; {said}" if note else said
    found = _compared(call, n, exact, judged, state=state, note=note)
    return replace(found, makes_nonfinite=makes, differs_between_calls=varies)


def _compared(
    call: Call, n: int, exact: Tensor, judged: Judged, *, state: State, note: str = ""
) -> Compared:
    row = _row(call, n, error=judged.error, limit=judged.limit, state=state, note=note)
    return Compared(row=row, exact=exact)


def _stray(call: Call, n: int, stray: Tensor, exact: Tensor, *, makes: bool) -> Compared:
    flat = int(stray.reshape(-1).to(torch.uint8).argmax())
    note = f"{int(stray.sum())} elements are NaN or infinite on one side alone: "
    note += place(flat, _real(call.seen[n]), exact)
    row = _row(call, n, error=math.inf, limit=0.0, state="wrong", note=note)
    return Compared(row=row, exact=exact, makes_nonfinite=makes)


def _measured(
    call: Call, n: int, exact: Tensor, mask: Tensor | None, *, healthy: Errors
) -> Measured:
    seen, bias = _real(call.seen[n]).double(), _may_bias(call, n)
    inside = exact if mask is None else exact[mask]
    size, largest = sizes(inside)
    spread = None
    if call.repeats:
        every = [
            errors(_real(again[n]).double(), seen, mask, size, bias=bias) for again in call.repeats
        ]
        spread = max(every, key=lambda e: e.l2)
    return Measured(
        count=inside.numel(),
        eps=torch.finfo(call.seen[n].dtype).eps,  # complex64 has the eps of float32
        exact_l2=size,
        exact_largest=largest,
        device=errors(seen, exact, mask, size, bias=bias),
        healthy=healthy,
        spread=spread,
        selects=call.selects,
    )


def _with_moved(
    call: Call, n: int, exact: Tensor, mask: Tensor | None, measured: Measured
) -> Measured:
    """Returns the figures with what a rounding of the inputs changes."""
    moved = call.moved[n]
    if moved is None:
        return measured
    result, bias = torch.nan_to_num(_real(moved).double()), _may_bias(call, n)
    found = errors(result, torch.nan_to_num(exact), mask, measured.exact_l2, bias=bias)
    return replace(measured, moved=found)


def _may_bias(call: Call, n: int) -> bool:
    """Returns whether a bias of an output is judged, as in formats of 16 bits."""
    return may_have_bias(torch.finfo(call.seen[n].dtype).eps)


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


def _all_finite(call: Call) -> bool:
    """Returns True if no argument is infinite or NaN; a mask is filled with infinity on purpose."""
    numbers = [leaf for leaf in leaves(call.arguments) if isinstance(leaf, float)]
    return all(math.isfinite(number) for number in numbers) and all(
        bool(torch.isfinite(t).all()) for t in tensors(call.arguments)
    )


def _sees_zeros(call: Call) -> bool:
    """Returns True if an argument has several elements, all of them zero."""
    every = [t for t in tensors(call.arguments) if t.is_floating_point() and t.numel() > 1]
    return any(not bool(t.any()) for t in every)

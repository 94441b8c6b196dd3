"""Replay: every operator of a step again on the CPU, with the inputs that the device had.

with replay(model, report="reports/replay"):
    loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch._ops import OpOverload

from harness.capture.again import CPU, NoKernelError, on_host, seen_from_host, without_modes
from harness.capture.budget import Budget, described
from harness.capture.bundle import Bundles
from harness.capture.facts import device_of, facts_of
from harness.capture.judging import rows_of
from harness.capture.operators import bare_name, computes, is_random, results, writes
from harness.capture.reporting import write
from harness.capture.runs import Call
from harness.capture.start import hiding
from harness.capture.trees import mapped_tensors, tensors
from harness.capture.watcher import Watcher
from harness.locate.replayed import RANDOM, conclude
from harness.locate.result import Located, Row

CHECKED_DRAWS = {"native_dropout"}
"""Random operators that return their draws, so that the rest of their work can be repeated."""


class Replay(Watcher):
    """Repeats operators as they run. `rows` grow; `located` is the result so far.

    `report` is the folder for the bundles of at most `bundles` operators; None writes none.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        report: str | Path | None = None,
        budget_s: float | None = None,
        repeat: int = 1,
        bundles: int = 5,
        unhide: bool = False,
    ) -> None:
        if repeat < 1:
            raise ValueError(f"repeat is {repeat}; expected 1 or more calls of each operator")
        super().__init__(network, unhide=unhide)
        self.device = device_of(network)
        self.facts = facts_of(network)
        self.zeros = hiding(network)
        self.rows: list[Row] = []
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.varying: Counter[str] = Counter()
        self.makers: dict[str, Row] = {}
        self._budget = Budget(budget_s)
        self._repeat = repeat
        self._bundles = None
        if report is not None:
            self._bundles = Bundles(Path(report), most=bundles, facts=self.facts)
        self._bundled: dict[str, int] = {}
        self._process = os.getpid()

    @property
    def located(self) -> Located:
        """The result."""
        return conclude(
            self.rows, left_out=self.left_out, varying=self.varying, makers=self.makers,
            zeros=self.zeros, facts=self.facts,
        )  # fmt: skip

    def __torch_dispatch__(
        self, op: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if os.getpid() != self._process:  # a worker that loads data
            return op(*args, **kwargs)
        if not computes(op):
            self.modules.note()
            return op(*args, **kwargs)
        at = self.modules.here()
        given = tensors((args, kwargs))
        why_not = self._why_not(op, given, args, kwargs)
        if why_not:
            returned = op(*args, **kwargs)
            if self._is_ours(given, returned):
                self.left_out[described(op), why_not] += 1
            return returned
        with without_modes():
            arguments = (on_host if writes(op) else seen_from_host)(args, kwargs)
            again = [mapped_tensors(_device_copy, (args, kwargs)) for _ in range(self._repeat - 1)]
        returned = op(*args, **kwargs)
        if self._is_ours(given, returned):
            repeats = [results(op, a, k, op(*a, **k)) for a, k in again]  # under the modes below
            with without_modes():
                seen = _on_host(results(op, args, kwargs, returned))
                call = Call(
                    op=op, at=at, arguments=arguments, seen=seen,
                    repeats=[_on_host(found) for found in repeats],
                )  # fmt: skip
                self._compare(call, given)
        return returned

    def _why_not(self, op: OpOverload, given: list[Tensor], args: Any, kwargs: Any) -> str:
        if is_random(op, args, kwargs) and bare_name(op) not in CHECKED_DRAWS:
            return RANDOM
        return self._budget.refusal(op, given)

    def _is_ours(self, given: list[Tensor], returned: Any) -> bool:
        """Returns True if an operator ran on the network's device."""
        return any(t.device.type == self.device for t in given) or any(
            t.device.type == self.device for t in tensors(returned)
        )

    def _compare(self, call: Call, given: list[Tensor]) -> None:
        started = time.perf_counter()
        worst = 0.0
        try:
            for compared in rows_of(call):
                row = compared.row
                if row.state == "wrong" and self._bundles is not None:
                    row = self._bundles.keep(call, row, compared.exact)
                    self._moves_bundle(row)
                self.rows.append(row)
                worst = max(worst, row.ratio)
                if compared.makes_nonfinite:
                    self.makers.setdefault(row.phase, row)
                if compared.differs_between_calls:
                    self.varying[row.operator] += 1
        except NoKernelError as error:
            self.left_out[described(call.op), f"the CPU cannot repeat them ({error})"] += 1
        self._budget.spend(call.op, given, time.perf_counter() - started, worst)

    def _moves_bundle(self, row: Row) -> None:
        """Takes a bundle from the row that had it before."""
        if row.bundle:
            before = self._bundled.get(row.bundle)
            if before is not None:
                self.rows[before] = replace(self.rows[before], bundle="")
            self._bundled[row.bundle] = len(self.rows)


@contextmanager
def replay(
    model: nn.Module,
    *,
    report: str | Path | None = None,
    budget_s: float | None = None,
    repeat: int = 1,
    bundles: int = 5,
    unhide: bool = False,
    quiet: bool = False,
) -> Iterator[Replay]:
    """Repeats every operator inside the `with` block on the CPU, and reports those that are wrong.

    Args:
        model: the network; any torch module, on any device.
        report: folder for locate.json, locate.html and the bundles; None prints the table alone.
        budget_s: seconds that the repeated operators may take; None repeats all.
        repeat: calls of each operator on the device, to find those whose results vary.
        bundles: most operators for which a folder with inputs and a script is written.
        unhide: gives parameters that are all zero, such as a gate or the last norm of a block,
            other values first. They hide faults of what they multiply. It changes the model.
        quiet: prints nothing.

    Yields:
        the Replay, whose `located` is the result.

    Raises:
        ValueError: `repeat` is not positive, or the model is compiled.
    """
    mode = Replay(
        model, report=report, budget_s=budget_s, repeat=repeat, bundles=bundles, unhide=unhide
    )
    with mode:
        yield mode
    write(mode.located, report, quiet=quiet)


def _on_host(found: list[Tensor]) -> list[Tensor]:
    return [t.detach().to(CPU) for t in found]


def _device_copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()

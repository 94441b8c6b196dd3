"""What both modes of `harness locate` find: a row per operator, and what to conclude."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

State = Literal["healthy", "wrong", "inherited", "hidden", "unjudged"]
"""What is known of an operator.

- `healthy`: its error is within the limit.
- `wrong`: its error is beyond the limit, and its inputs are not.
- `inherited`: its error is beyond the limit, and that of its inputs is too.
- `hidden`: it saw zeros only, so that a fault in it cannot show.
- `unjudged`: it was not compared; `note` gives the reason.
"""
Mode = Literal["replay", "twin"]
Outcome = Literal["pass", "fail", "inconclusive", "incomparable"]
Evidence = Literal["figures", "settings", "operators"]
"""What names a culprit: its figures; the settings it was called with; or that one side alone ran
it, where rounding hides what it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One output of one operator, parameter or module in one step.

    `error` and `limit` are relative: fractions of the tensor's L2 norm. `ratio` is error over limit
    (infinite where values are not finite on one side alone); above 1 is wrong. `note` is a
    sentence: where the worst element is, or why the row is not judged.
    """

    kind: str = "operator"
    operator: str
    module: str = ""
    phase: str = "forward"
    step: int = 0
    call: int = 0
    order: int = -1
    output: int = 0
    dtype: str = ""
    shape: tuple[int, ...] = ()
    source: str = ""
    error: float = 0.0
    limit: float = 0.0
    state: State = "healthy"
    note: str = ""
    bundle: str = ""
    evidence: Evidence = "figures"

    @property
    def is_input(self) -> bool:
        """True for what a module was given: the cause of a difference lies before it."""
        return self.kind == "module" and self.operator.startswith("input ")

    @property
    def ratio(self) -> float:
        """Error over limit; 0 where neither is known."""
        if self.limit > 0:
            return self.error / self.limit
        return float("inf") if self.error > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a step (weights, batch, loss, gradients, updates) as a whole.

    `state` is that of its worst tensor, which `worst` names.
    """

    name: str
    step: int
    count: int
    error: float
    limit: float
    state: State
    worst: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The result of a replay, or of two captures.

    `rows` are in the order of execution. `culprits` are rows of `rows`, the most likely first.
    `unmatched` are sentences on what was not compared. `notes` are sentences for the reader, among
    them what hides a fault. `sides` are the facts of the baseline and the candidate; a replay has
    the device's alone.
    """

    mode: Mode
    outcome: Outcome
    headline: str
    rows: tuple[Row, ...]
    culprits: tuple[Row, ...] = ()
    stages: tuple[Stage, ...] = ()
    unmatched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sides: tuple[dict[str, str], ...] = field(default_factory=tuple)
    sources: tuple[str, ...] = ()

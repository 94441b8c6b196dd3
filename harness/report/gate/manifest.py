"""The lines of ports.toml that hold a proposed gate."""

from __future__ import annotations

import json

from harness.comparison.judge import MIN_STEPS, VALIDATION
from harness.gate.limits import Limits
from harness.gate.propose import Proposal


def lines(proposal: Proposal, *, name: str, baseline: str, candidate: str) -> tuple[str, ...]:
    """Returns the lines of an entry, or of its `rules` alone for a history of differences.

    No line if no gate is proposed.
    """
    limits, history = proposal.limits, proposal.history
    if limits is None:
        return ()
    rule = _rule(limits, relative=history.relative, runs=proposal.runs)
    if history.last is None:
        return (f"# in the entry of {json.dumps(name)}", rule)
    entry = [
        "[[port]]",
        f"name = {_text(name)}",
        f"baseline = {_text(baseline)}",
        f"candidate = {_text(candidate)}",
        f"metric = {_text(history.metric)}",
        f"last = {history.last}",
        rule,
    ]
    records = 1 if history.metric.startswith(VALIDATION) else MIN_STEPS
    if history.last < records:
        entry.insert(-1, f"min_steps = {history.last}")
    return tuple(entry)


def _rule(limits: Limits, *, relative: bool, runs: int) -> str:
    prefix = "change_" if relative else ""
    given = [("at_least", limits.low), ("at_most", limits.high)]
    parts = [f"{prefix}{key} = {_number(value)}" for key, value in given if value is not None]
    if runs > 1:
        parts.append(f"runs = {runs}")
    return f'rules = [{{ name = "gate", {", ".join(parts)} }}]'


def _number(value: float) -> str:
    """Returns the shortest text of a float that TOML reads as the same float.

    >>> _number(0.7123), _number(12.0), _number(1e22)
    ('0.7123', '12.0', '1e+22')
    """
    return repr(float(value))


def _text(text: str) -> str:
    """Returns a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

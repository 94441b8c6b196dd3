"""A proposed gate as text: limits, rates, what is noticed, the history, and the lines to copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from harness.gate.checks import DRIFT
from harness.gate.limits import CONFIDENCE, Limits
from harness.gate.propose import Proposal, percent
from harness.log.wording import counted
from harness.report.screen import lay_out, words
from harness.report.table import Table


def write(proposal: Proposal, lines: Sequence[str], to: Console) -> None:
    """Prints the proposal or the refusals, and the lines of ports.toml."""
    to.print(words(headline(proposal), style="bold"), soft_wrap=True)
    for refusal in proposal.refusals:
        to.print(words(f"- {refusal}"), soft_wrap=True)
    to.print(lay_out(table(proposal)))
    for note in proposal.notes:
        to.print(words(f"note: {note}"), soft_wrap=True)
    if lines:
        to.print(words("lines for ports.toml:", style="bold"))
        for line in lines:
            to.print(words(line), soft_wrap=True)


def headline(proposal: Proposal) -> str:
    """Returns in one sentence the gate, or that the history does not support it."""
    limits, history = proposal.limits, proposal.history
    if limits is None:
        count = counted(len(history.names), "run")
        return f"no gate for {history.metric}: the history of {count} does not support it"
    of = f" of the mean of {proposal.runs} runs" if proposal.runs > 1 else ""
    return f"gate for {history.metric}{of}: {_limits(limits, relative=history.relative)}"


def table(proposal: Proposal) -> Table:
    """Returns the properties of the gate and of the history, one a row."""
    return Table(title="", head=("property", "value"), rows=tuple(_rows(proposal)))


def _rows(proposal: Proposal) -> Iterator[tuple[str, str]]:
    limits = proposal.limits
    if limits is not None:
        yield "false alarms", _alarms(limits)
        if limits.own_rate is not None:
            bound = f"at most {percent(limits.own_rate)}, with {percent(CONFIDENCE)} confidence"
            yield "if the limits are kept", bound
        yield "regression noticed", _noticed(proposal, limits)
        yield "half of that with", _halved(proposal)
    yield from _history(proposal)


def _alarms(limits: Limits) -> str:
    if limits.rate_if_normal is None:
        return f"{percent(limits.rate)} of good runs, whatever their distribution"
    return (
        f"at most {percent(limits.rate)} of good runs; {percent(limits.rate_if_normal)} if their "
        "values are normal"
    )


def _noticed(proposal: Proposal, limits: Limits) -> str:
    return ", ".join(
        f"{_size(size, proposal, limits)} with {percent(power)} probability"
        for power, size in limits.notices
    )


def _size(size: float, proposal: Proposal, limits: Limits) -> str:
    """Returns a regression in the unit of the figure, and as a share of the mean."""
    if proposal.history.relative:
        return f"{100 * size:.3g} percentage points"
    share = f" ({100 * size / abs(limits.mean):.2g} %)" if limits.mean else ""
    return f"{size:.3g}{share}"


def _halved(proposal: Proposal) -> str:
    halving = proposal.halving
    if halving is None or (halving.history is None and halving.runs is None):
        return "no feasible number of runs"
    runs = (
        "" if halving.runs is None else f"the mean of {halving.runs} candidate runs in each check"
    )
    history = "" if halving.history is None else f"a history of {halving.history} runs"
    more = "; more history alone does not suffice" if not history else ""
    return " or ".join(part for part in (history, runs) if part) + more


def _history(proposal: Proposal) -> Iterator[tuple[str, str]]:
    history, checks = proposal.history, proposal.checks
    n = counted(len(history.names), "run")
    if history.steps is None:
        yield "history", f"{n}, in the order of time"
    else:
        first, last = history.steps
        where = f"step {last}" if first == last else f"steps {first} to {last}"
        yield (
            "history",
            (
                f"{n}; a figure is the mean of the last {counted(history.last or 1, 'record')} "
                f"({where})"
            ),
        )
    if proposal.limits is not None:
        yield "level and spread", f"{proposal.limits.mean:.6g} ± {proposal.limits.spread:.3g}"
    if checks.drift is None:
        return
    yield (
        "drift",
        f"{'yes' if checks.drifts else 'no sign'} (p = {checks.drift:.2g}, level {DRIFT:g})",
    )
    if checks.normal is not None:
        yield "normal values", f"Shapiro-Wilk p = {checks.normal:.2g}"


def _limits(limits: Limits, *, relative: bool) -> str:
    def shown(value: float) -> str:
        return f"{100 * value:+.6g} %" if relative else f"{value:.10g}"

    parts = []
    if limits.low is not None:
        parts.append(f"at least {shown(limits.low)}")
    if limits.high is not None:
        parts.append(f"at most {shown(limits.high)}")
    return " and ".join(parts)

"""The envelope of rounding of a start in figures: what a candidate may deviate by, step by step."""

from __future__ import annotations

from harness.align.auxiliary import is_schedule
from harness.align.start import Start
from harness.log.wording import counted
from harness.report.table import Table
from harness.rules.looks import PLACES
from harness.rules.same_start import noticeable

SHOWN = 8
"""Series that the table shows."""


def table(start: Start) -> Table:
    """Returns the smallest deviation that is noticed, by step and measured series, as a fraction.

    Schedules are compared to their printed digits, whatever the rounding.
    """
    measured = [limit for limit in noticeable(start) if not is_schedule(limit.name)]
    limits = measured[:SHOWN]
    runs = limits[0].runs
    of = f"{counted(runs, 'perturbed run')}" if runs else "the precision alone, no perturbed run"
    more = len(measured) - len(limits)
    others = f", and {counted(more, 'further series', 'further series')}" if more > 0 else ""
    return Table(
        title=f"Envelope of rounding ({of}): the smallest deviation that is noticed, as a fraction "
        f"of the baseline{others}",
        head=("step", *(limit.name for limit in limits)),
        rows=tuple(
            (str(step), *(f"{limit.at(step):.1g}" for limit in limits))
            for step in limits[0].steps.tolist()
        ),
    )


def summary(start: Start) -> str:
    """Returns the smallest loss deviation that is noticed at the first, third and tenth step."""
    judged = noticeable(start)[0]
    parts = [
        f"{judged.limit[i]:.1g} at step {judged.steps[i]}" for i in PLACES if i < judged.steps.size
    ]
    return f"smallest deviation of {judged.name} that is noticed: {', '.join(parts)}"

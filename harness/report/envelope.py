"""The envelope of rounding of a start in figures: what a candidate may deviate by, step by step."""

from __future__ import annotations

from harness.align.start import Start
from harness.log.wording import counted
from harness.report.table import Table
from harness.rules.same_start import noticeable

SHOWN = 8
"""Series that the table shows."""


def table(start: Start) -> Table:
    """Returns the smallest deviation that is noticed, by step and series, as a fraction."""
    limits = noticeable(start)[:SHOWN]
    runs = limits[0].runs
    of = f"{counted(runs, 'perturbed run')}" if runs else "the precision alone, no perturbed run"
    more = len(start.series) - len(limits)
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
    """Returns the smallest loss deviation that is noticed at the 1st, the 3rd and the 10th step."""
    judged = noticeable(start)[0]
    places = [(n, i) for n, i in (("1st", 0), ("3rd", 2), ("10th", 9)) if i < judged.steps.size]
    parts = [f"{judged.limit[i]:.1g} at the {n} step" for n, i in places]
    return f"smallest deviation of {judged.name} that is noticed: {', '.join(parts)}"

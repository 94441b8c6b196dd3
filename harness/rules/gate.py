"""Fixed limits on one figure of the candidate: the mean of the judged series over the judged steps.

The limits come from a history of good runs: `harness gate` proposes them, with their rate of false
alarms and the regression that they notice. `at_least` and `at_most` limit the figure itself,
`change_at_least` and `change_at_most` its relative difference from the baseline. With several
candidate runs, the mean of their figures is judged. The limits were derived for the mean of `runs`
runs, so fewer runs do not pass.
"""

from __future__ import annotations

import math

from harness.align.aligned import Aligned
from harness.align.measure import figure_of_runs, relative_difference
from harness.errors import PolicyError
from harness.log.wording import counted
from harness.rules.finding import Figure, Finding, Verdict, nonfinite

RULE = "gate"
NO_LIMIT = (
    "no limit is set; set at_least, at_most, change_at_least or change_at_most. `harness gate` "
    "proposes limits from a history of good runs"
)


def gate(
    aligned: Aligned,
    *,
    at_least: float = -math.inf,
    at_most: float = math.inf,
    change_at_least: float = -math.inf,
    change_at_most: float = math.inf,
    runs: int = 1,
) -> Finding:
    """Returns the finding on the candidate's figure: is it within the limits, both included?

    Raises:
        PolicyError: a lower limit exceeds its upper limit.
    """
    figure, change = (at_least, at_most), (change_at_least, change_at_most)
    _check(figure, change)
    limits = {
        "at_least": at_least,
        "at_most": at_most,
        "change_at_least": change_at_least,
        "change_at_most": change_at_most,
    }
    parameters: dict[str, Figure] = {k: v for k, v in limits.items() if math.isfinite(v)}
    parameters["runs"] = runs
    broken = nonfinite(RULE, aligned, parameters)
    if broken is not None:
        return broken
    value = float(figure_of_runs(aligned.candidate).mean())
    base = float(figure_of_runs(aligned.baseline).mean())
    difference = relative_difference(aligned.baseline_mean, aligned.candidate_mean)
    outside = [
        *_outside(aligned.metric, value, *figure, form="{:.8g}"),
        *_outside("the relative difference", difference, *change, form="{:+.2%}"),
    ]
    count = aligned.candidate.shape[0]
    verdict, tail = Verdict.PASS, "within the limits"
    if len(parameters) == 1:
        verdict, tail = Verdict.INCONCLUSIVE, NO_LIMIT
    elif outside:
        verdict, tail = Verdict.FAIL, "; ".join(outside)
    elif count < runs:
        verdict = Verdict.INCONCLUSIVE
        tail = (
            f"within the limits, which are for the mean of {runs} runs: log "
            f"{counted(runs - count, 'more candidate run')}"
        )
    mean = f"{aligned.metric} is {value:.6g} (mean of {counted(aligned.steps.size, 'record')}"
    of_runs = f" of {count} runs" if count > 1 else ""
    return Finding(
        rule=RULE,
        verdict=verdict,
        observed={
            "figure": value,
            "baseline_figure": base,
            "relative_difference": difference,
            "records": int(aligned.steps.size),
            "candidate_runs": count,
        },
        parameters=parameters,
        reason=f"{mean}{of_runs}; {difference:+.2%} against the baseline): {tail}",
        caveat="" if outside else "a regression within the limits is not noticed",
    )


def _outside(what: str, value: float, low: float, high: float, *, form: str) -> list[str]:
    """Returns in words which limits a value does not meet; NaN meets none."""
    found = []
    if math.isfinite(low) and not value >= low:
        found.append(f"{what} is {form.format(value)}, below the limit {form.format(low)}")
    if math.isfinite(high) and not value <= high:
        found.append(f"{what} is {form.format(value)}, above the limit {form.format(high)}")
    return found


def _check(figure: tuple[float, float], change: tuple[float, float]) -> None:
    for (low, high), name in ((figure, "at"), (change, "change_at")):
        if low > high:
            msg = f"rule 'gate' has {name}_least = {low!r} above {name}_most = {high!r}"
            raise PolicyError(msg)

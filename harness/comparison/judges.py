"""The rules of this project and common conventions, as functions from curves to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.align.aligned import Aligned
from harness.align.measure import relative_error
from harness.rules import Verdict, rule_call

Judge = Callable[[Aligned], Verdict]


def judges(*, permutations: int = 1000, seed: int = 1) -> Mapping[str, Judge]:
    """Returns the judges by name: this project's rules, then the conventions.

    `loss alone` ignores the other series. `per step 5 %` allows 1 % of the steps outside;
    `published` is one-sided on the last 50 records.
    """
    ensemble = _rule("ensemble", permutations=permutations, seed=seed)
    seed_variation = _rule("seed-variation")
    return {
        "seed-variation": seed_variation,
        "seed-variation: loss alone": lambda aligned: seed_variation(
            replace(aligned, schedules=(), validation=(), auxiliary=())
        ),
        "equivalence 0.5 %": _rule("equivalence", margin=0.005),
        "equivalence 2 %": _rule("equivalence", margin=0.02),
        "equivalence 5 %": _rule("equivalence", margin=0.05),
        "ensemble": ensemble,
        "ensemble: loss alone": lambda aligned: ensemble(
            replace(aligned, schedules=(), validation=())
        ),
        "two-sided": _rule("two-sided"),
        "one-sided 5 % of the last 50 (published)": _rule("modelzoo"),
        "|mean| <= 2 %": _mean_within,
        "per step 5 %, 1 % forgiven": _rule("tolerance", rtol=0.05, outside=0.01),
        "bitwise": _rule("exact"),
    }


def _rule(name: str, **parameters: float) -> Judge:
    call = rule_call(name, parameters)
    return lambda aligned: call(aligned).verdict


def _mean_within(aligned: Aligned) -> Verdict:
    """Returns the verdict of the convention |mean((c - b) / b)| <= 2 % on the mean curves."""
    mean = abs(float(relative_error(aligned.baseline_mean, aligned.candidate_mean).mean()))
    return Verdict.PASS if mean <= 0.02 else Verdict.FAIL

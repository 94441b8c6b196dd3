"""The rule that is asked where none is named: the one that fits the number of runs.

Five seeds of the baseline or more: `seed-variation`, since a baseline's seeds show what a run may
look like. With as many candidate runs `equivalence` too, which fails a difference beyond its
margin, and whose doubt is no hindrance: seeds often spread by more than the margin. Fewer seeds of
the baseline: `equivalence`. The limits are their defaults; `docs/explanation/defects.md` has what
this catches.
"""

from __future__ import annotations

from dataclasses import replace

from harness.align.aligned import Aligned
from harness.rules.equivalence import equivalence
from harness.rules.finding import Finding, Verdict
from harness.rules.seed_variation import seed_variation
from harness.stats.interval import OWN_SPREAD
from harness.stats.seeds import FEWEST


def default(aligned: Aligned) -> Finding:
    """The finding of `seed-variation` or of `equivalence`, under its own name."""
    if aligned.baseline.shape[0] < FEWEST:
        return equivalence(aligned)
    seeds = seed_variation(aligned)
    if aligned.candidate.shape[0] < OWN_SPREAD:
        return seeds
    margin = equivalence(aligned)
    if margin.verdict is Verdict.FAIL and seeds.verdict is not Verdict.FAIL:
        return margin
    return replace(seeds, observed={**seeds.observed, "equivalence": str(margin.verdict)})

"""The rule that applies if the policy names no rule. It depends on the number of runs.

With 5 baseline seeds or more it is `seed-variation`, because the seeds show what a run may look
like. With 5 candidate runs as well, `equivalence` must not fail either. It may be inconclusive,
because seeds often spread by more than its margin. With fewer baseline seeds the rule is
`equivalence`. All parameters have their defaults; `docs/explanation/defects.md` measures what these
rules catch.
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
    """Returns the finding of `seed-variation` or of `equivalence`, under that rule's name."""
    if aligned.baseline.shape[0] < FEWEST:
        return equivalence(aligned)
    seeds = seed_variation(aligned)
    if aligned.candidate.shape[0] < OWN_SPREAD:
        return seeds
    margin = equivalence(aligned)
    if margin.verdict is Verdict.FAIL and seeds.verdict is not Verdict.FAIL:
        return margin
    return replace(seeds, observed={**seeds.observed, "equivalence": str(margin.verdict)})

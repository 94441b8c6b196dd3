"""The rule that applies if the policy names no rule. It depends on the runs.

A published result is judged by `final-metric`, because there is no log to compare.

Runs that state the same start are judged by `same-start`. If their logs go on, the rest of the run
must pass as well.

With 5 baseline seeds or more the rule is `seed-variation`, because the seeds show what a run may
look like. With 5 candidate runs as well, `equivalence` must not fail either. It may be
inconclusive, because seeds often spread by more than its margin.

With fewer baseline seeds the rule is `moderated`, which takes part of the spread between seeds from
the noise of the records. It passes two to three times as many healthy ports as `equivalence`. Where
it cannot judge several runs (too few records, a running mean), and for two runs from the same
start, whose noise is the same on both sides, the rule is `equivalence`. All parameters have their
defaults; `docs/explanation/defects.md` and `few-runs.md` measure what these rules catch.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.align.aligned import Aligned
from harness.align.benign import HORIZON
from harness.rules.equivalence import began_alike, equivalence
from harness.rules.final_metric import final_metric
from harness.rules.finding import Finding, Verdict
from harness.rules.moderated import hindered, moderated
from harness.rules.same_start import RULE, lacks_start, same_start
from harness.rules.seed_variation import seed_variation
from harness.rules.start_words import UNSEEN
from harness.stats.interval import OWN_SPREAD
from harness.stats.seeds import FEWEST

LONG = 2 * HORIZON
"""Steps from which on a log shows more of a training than its start."""


def default(aligned: Aligned) -> Finding:
    """Returns the finding of the rule that fits the runs, under that rule's name."""
    if aligned.published is not None:
        return final_metric(aligned)
    if aligned.start is None or not aligned.start.stated or lacks_start(aligned):
        return _without_start(aligned)
    first = same_start(aligned)
    if aligned.steps.size < LONG or first.verdict is Verdict.FAIL:
        return first
    rest = _without_start(aligned)
    if rest.verdict is Verdict.PASS:
        return replace(
            first,
            reason=f"{first.reason.replace(UNSEEN, '')}; the whole run passes {rest.rule}",
            caveat=rest.caveat,
            observed={**first.observed, rest.rule: str(rest.verdict)},
        )
    if first.verdict is not Verdict.PASS:
        return replace(first, observed={**first.observed, rest.rule: str(rest.verdict)})
    return replace(
        rest,
        reason=f"the first steps agree ({RULE}); the whole run: {rest.reason}",
        observed={**rest.observed, RULE: str(first.verdict)},
    )


def _without_start(aligned: Aligned) -> Finding:
    """Returns the finding of the rule that suits the number of runs."""
    if aligned.baseline.shape[0] < FEWEST:
        return _few(aligned)
    seeds = seed_variation(aligned)
    if aligned.candidate.shape[0] < OWN_SPREAD:
        return seeds
    margin = equivalence(aligned)
    if margin.verdict is Verdict.FAIL and seeds.verdict is not Verdict.FAIL:
        return margin
    return replace(seeds, observed={**seeds.observed, "equivalence": str(margin.verdict)})


def _few(aligned: Aligned) -> Finding:
    """Returns the finding on a baseline of fewer than `FEWEST` runs."""
    pair = aligned.baseline.shape[0] == aligned.candidate.shape[0] == 1
    if pair:
        return equivalence(aligned) if began_alike(aligned) else moderated(aligned)
    finite = all(np.isfinite(side).all() for side in (aligned.baseline, aligned.candidate))
    return equivalence(aligned) if finite and hindered(aligned) else moderated(aligned)

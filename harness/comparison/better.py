"""Says of a failing candidate that it is better than the baseline.

The rules are two-sided: a loss that is too low fails as one that is too high. Such a candidate may
be an improvement, and then the baseline is out of date. It may also be a fault: labels leak into
the input, the data are easier, or the loss is computed on a part of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.align.aligned import Aligned, Curves
from harness.align.measure import relative_difference
from harness.comparison.judge import Judgement
from harness.rules import Verdict
from harness.rules.equivalence import MARGINS, equivalence
from harness.rules.final_metric import RULE as FINAL_METRIC
from harness.rules.same_start import RULE as SAME_START

LEAST = MARGINS["strict"]
"""Smallest relative difference that counts as better: that between good ports of one recipe."""
LOWER = re.compile(
    r"loss|(?<![a-z])(?:error|err|perplexity|ppl|r?mse|mae|wer|cer|fid|nll|bpb)(?![a-z])"
)
HIGHER = re.compile(
    r"accuracy|iou|(?<![a-z])(?:[am]?acc|m?dice|m?ap|auc|f1|bleu|rouge|recall|precision|psnr|ssim|"
    r"top[ _-]?[15]|throughput|ips)(?![a-z])"
)
CAUTION = (
    "a leak of labels, easier data or a loss over a part of the data looks the same, so find the "
    "cause first; if the change is intended, `harness accept` makes these runs the new baseline"
)
CAUTION_OF_PUBLISHED = (
    "validation images among the training data, an easier split or several test scales look the "
    "same, so find the cause first"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Better:
    """By how much a candidate is better: the size of the relative difference, as a fraction.

    `low` and `high` are the bounds of its interval over all judged steps, at 95 % confidence for
    curves and at that of the rule for a published final figure. `caution` says what looks the same.
    `direction` is the
    better one for `metric`: `lower` or `higher`.
    """

    metric: str
    direction: str
    by: float
    low: float
    high: float
    confidence: float = 0.95
    caution: str = CAUTION

    @property
    def short(self) -> str:
        """The difference in a few words."""
        return f"better than the baseline by {self.by:.2%}"

    @property
    def sentence(self) -> str:
        """The difference with its interval, its possible causes, and the way out."""
        return (
            f"differs: {self.short} ({self.metric} is {self.direction}, {self.confidence:.0%} "
            f"interval {self.low:.2%} to {self.high:.2%}): {self.caution}"
        )


def direction_of(metric: str) -> str:
    """Returns in which direction a metric gets better: `lower`, `higher`, or empty if unknown.

    >>> direction_of("val.loss_seg"), direction_of("val.mIoU"), direction_of("grad_norm")
    ('lower', 'higher', '')
    """
    name = metric.rpartition(".")[2].lower()
    lower, higher = LOWER.search(name), HIGHER.search(name)
    if bool(lower) == bool(higher):
        return ""
    return "lower" if lower else "higher"


def better_than_baseline(aligned: Aligned, judgement: Judgement) -> Better | None:
    """Returns by how much a failing candidate is better; None if it is not, or if it is unknown.

    It is better if the 95 % intervals of `equivalence`, over all judged steps and over their last
    third, both lie on the better side, by 0.5 % or more on average, and no validation metric is
    worse. A failed data check, such as NaN or another schedule, excludes it. So does a deviation
    from the same start, where any difference beyond rounding is a fault.
    """
    metric = aligned.metric
    direction = direction_of(metric)
    failed = [f for f in judgement.findings if f.verdict is Verdict.FAIL]
    excluded = judgement.verdict is not Verdict.FAIL or judgement.failures or not failed
    if excluded or not direction or any(f.rule == SAME_START for f in failed):
        return None
    sign = -1 if direction == "lower" else 1
    final = next((f for f in failed if f.rule == FINAL_METRIC), None)
    estimates = equivalence(aligned).estimates if final is None else final.estimates
    bounds = [sorted((sign * e.low, sign * e.high)) for e in estimates]
    if not bounds or not all(low > 0 for low, _ in bounds):
        return None
    by, (low, high) = sign * estimates[0].value, bounds[0]
    if not by >= LEAST or _worse(aligned.validation, metric):
        return None
    better = Better(metric=metric, direction=direction, by=by, low=low, high=high)
    if final is None:
        return better
    confidence = 1 - 2 * (final.level or 0.0)
    return replace(better, confidence=confidence, caution=CAUTION_OF_PUBLISHED)


def _worse(validation: Sequence[Curves], metric: str) -> bool:
    """Returns whether the last record of another validation metric is worse by 0.5 % or more."""
    for other in validation:
        direction = direction_of(other.metric)
        if other.metric == metric or not direction:
            continue
        base, cand = other.baseline.mean(axis=0), other.candidate.mean(axis=0)
        change = relative_difference(base[-1:], cand[-1:])
        if not (change if direction == "lower" else -change) < LEAST:
            return True
    return False

"""The prior of the spread between seeds, before a second run exists: constants of `moderated`.

They are learned from 311 recipes of 8 families (MLPerf, AlgoPerf), 2 to 10 seeds each, by

    python -m benchmarks.few_runs SEED_FAMILIES_FOLDER

which prints them. Let s be the spread of a stretch's level between b seeds, and e the error of that
level by the batch means of one run. s^2 / e^2 is taken to follow ratio^2 F(b - 1, degrees), fitted
by maximum likelihood with every family of equal weight. `docs/explanation/few-runs.md` derives the
rule and has the figures without each family.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """The prior of the spread between seeds, in units of a run's batch-means error.

    `ratio` is its location. `degrees` are its degrees of freedom: the runs that it is worth.
    """

    ratio: float
    degrees: float


PRIOR = Prior(ratio=0.89, degrees=1.06)
"""Learned from all families. Without any of them, the ratio is 0.85 to 0.95 and the degrees 0.95 to
1.06, but 1.77 without librispeech_conformer, whose seeds spread by 8 times the error."""
SMOOTH = 0.2
"""Roughness below which a series is a running mean, whose records do not show its noise.

It is 1 for independent records, 0.89 to 1.04 in the families, and 0.004 for a running mean that
MLPerf's maskrcnn logs."""

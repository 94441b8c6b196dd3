"""Compares two captures: which tensor differs first, and what was recorded before it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.locate import conclude, nonfinite, notes
from harness.locate.capture import Capture
from harness.locate.envelope import distances, spread
from harness.locate.match import match, sentences
from harness.locate.program import with_program
from harness.locate.result import Located
from harness.locate.rows import rows_of
from harness.locate.stages import stages_of
from harness.locate.substitutes import with_substitutes


def compare_captures(
    baseline: Capture,
    candidate: Capture,
    *,
    baseline_twins: Sequence[Capture] = (),
    candidate_twins: Sequence[Capture] = (),
) -> Located:
    """Returns where a candidate's capture leaves the envelope that twins show.

    A twin is a further capture of the same side: a repetition that was moved by a rounding, which
    gives the envelope, or an exact one, which shows operators that are not deterministic.
    """
    spreads = (spread(baseline, baseline_twins), spread(candidate, candidate_twins))
    twins = spreads[0].twins + spreads[1].twins
    matched = match(baseline, candidate)
    figures = distances(baseline, candidate, matched.pairs, spreads)
    rows = rows_of(baseline, candidate, matched.pairs, figures, twins=twins)
    culprits = with_program(
        with_substitutes(conclude.culprits_of(rows), rows, baseline, candidate, matched),
        rows,
        (baseline, candidate),
        matched,
        figures,
        computed=spreads[0].computed,
    )
    missing = conclude.missing(baseline, candidate, matched)
    spoilt = nonfinite.both_spoilt(baseline, candidate)
    outcome = conclude.outcome_of(rows, culprits, missing, spoilt=spoilt)
    return Located(
        mode="twin",
        outcome=outcome,
        headline=conclude.headline(outcome, rows, culprits, missing, twins=twins, spoilt=spoilt),
        rows=rows,
        culprits=culprits,
        stages=stages_of(rows),
        unmatched=sentences(baseline, candidate, matched),
        notes=(
            *notes.of_nonfinite(baseline, candidate, matched),
            *notes.of_culprit(culprits),
            *notes.of_zeros(baseline, rows),
            *notes.of_format(culprits, rows),
            *notes.of_steps(culprits, rows),
            *notes.of_twins(baseline, candidate, spreads),
            *notes.of_facts(baseline, candidate),
        ),
        sides=(baseline.facts, candidate.facts),
        sources=(baseline.source, candidate.source),
    )

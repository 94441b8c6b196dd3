"""No rule passes on NaN, infinity, an empty overlap, a missing series, or too small a sample."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loglines import run

from harness import HarnessError, Policy, Verdict, compare
from harness.rules import RULES

SETTINGS = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
RULE = pytest.mark.parametrize("rule", RULES)
BAD = st.sampled_from([float("nan"), float("inf"), float("-inf")])


def verdict(rule, base, cand, **fields):
    return compare(base, cand, Policy(rules=(rule,), **fields)).verdict


STEPS, RUNS = st.integers(50, 90), st.integers(1, 5)


@st.composite
def sets(draw, *, steps=STEPS, runs=RUNS):
    """Curves of both sides (B, n) and (C, n), near each other, of any size a float can have."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, b, c = draw(steps), draw(runs), draw(runs)
    scale = 10.0 ** draw(st.sampled_from([-100, -12, -3, 0, 3, 12, 100]))
    noise = draw(st.sampled_from([0.0, 1e-12, 1e-3, 0.3]))
    curve = scale * (1 + np.exp(-np.arange(n) / 20)) * draw(st.sampled_from([1, -1]))
    return [curve * (1 + noise * rng.standard_normal((k, n))) for k in (b, c)]


def as_runs(curves, **fields):
    return [run(row, source=f"{i}.log", **fields) for i, row in enumerate(curves)]


@RULE
@SETTINGS
@given(curves=sets(), data=st.data())
def test_no_rule_passes_on_a_value_that_is_not_finite(rule, curves, data):
    side = data.draw(st.integers(0, 1))
    row = data.draw(st.integers(0, curves[side].shape[0] - 1))
    step = data.draw(st.integers(0, curves[side].shape[1] - 1))
    if rule == "modelzoo":  # it looks at the last 50 steps of the mean curve, as published
        step = curves[side].shape[1] - 1 - step % 50
    curves[side][row, step] = data.draw(BAD)
    assert verdict(rule, *map(as_runs, curves)) is not Verdict.PASS


@RULE
@SETTINGS
@given(curves=sets(steps=st.integers(1, 49), runs=st.just(1)))
def test_no_rule_passes_on_fewer_than_fifty_steps_of_one_run(rule, curves):
    assert verdict(rule, *map(as_runs, curves)) is not Verdict.PASS


@RULE
@SETTINGS
@given(curves=sets(steps=st.integers(1, 12), runs=st.integers(1, 4)))
def test_no_rule_passes_on_too_few_records_of_all_runs(rule, curves):
    if rule == "same-start":  # ten steps are what it needs
        curves = [side[:, :9] for side in curves]
    assert verdict(rule, *map(as_runs, curves)) is not Verdict.PASS


@RULE
@SETTINGS
@given(curves=sets(), gap=st.integers(0, 1000))
def test_no_rule_passes_on_an_empty_overlap(rule, curves, gap):
    base, cand = curves
    late = np.arange(cand.shape[1]) + base.shape[1] + gap
    with pytest.raises(HarnessError, match="no common step"):
        verdict(rule, as_runs(base), as_runs(cand, steps=late))


@RULE
@SETTINGS
@given(curves=sets())
def test_no_rule_passes_on_a_missing_series(rule, curves):
    with pytest.raises(HarnessError, match="no series 'accuracy'"):
        verdict(rule, *map(as_runs, curves), metric="accuracy")


@RULE
@SETTINGS
@given(curves=sets(), data=st.data())
def test_no_rule_passes_where_a_step_is_missing_on_one_side(rule, curves, data):
    base, cand = curves
    hole = data.draw(st.integers(1, cand.shape[1] - 2))
    steps = np.delete(np.arange(cand.shape[1]), hole)
    found = verdict(rule, as_runs(base), as_runs(np.delete(cand, hole, axis=1), steps=steps))
    assert found is not Verdict.PASS


@SETTINGS
@given(curves=sets(runs=st.integers(1, 3)), factor=st.sampled_from([1.0, 3.0]))
def test_three_runs_a_side_cannot_tell_whatever_they_are(curves, factor):
    found = verdict("ensemble", as_runs(curves[0]), as_runs(curves[1] * factor))
    assert found is Verdict.INCONCLUSIVE


@RULE
@SETTINGS
@given(curves=sets(), data=st.data())
def test_no_rule_passes_on_a_candidate_far_above_or_below(rule, curves, data):
    factor = data.draw(st.sampled_from([0.3, 3.0]))
    if rule == "modelzoo" and (factor < 1 or curves[0][0, 0] < 0):
        return  # the published rule is one-sided: a lower loss, or relative error, passes it
    small = np.abs(curves[0]).max() < 0.01  # its absolute limit, and that of two-sided, pass these
    if rule in {"modelzoo", "two-sided"} and small:
        return
    assert verdict(rule, as_runs(curves[0]), as_runs(curves[1] * factor)) is not Verdict.PASS

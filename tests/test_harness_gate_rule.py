"""The rule `gate`: fixed limits on a figure of the candidate."""

import math

import numpy as np
import pytest
from loglines import decaying, run

from harness.align.aligned import align
from harness.errors import PolicyError
from harness.gate.figures import history_of_runs
from harness.rules import Verdict, parse_rule

BASE = np.full(60, 2.0)


def judge(text, *candidates, base=BASE):
    return parse_rule(text)(align([run(base)], [run(c) for c in candidates]))


@pytest.mark.parametrize(
    ("limit", "level", "verdict"),
    [
        ("at_least=1.75", 1.75, "pass"),  # a limit belongs to the gate
        ("at_least=1.9", 1.8999, "fail"),
        ("at_most=2.25", 2.25, "pass"),
        ("at_most=2.1", 2.1001, "fail"),
        ("at_least=1.9,at_most=2.1", 2.0, "pass"),
        ("at_least=1.9,at_most=2.1", 2.2, "fail"),
        ("change_at_least=-5%", 1.9, "pass"),
        ("change_at_least=-0.05", 1.89, "fail"),
        ("change_at_most=5%", 2.11, "fail"),
    ],
)
def test_a_figure_is_compared_with_its_limits_on_the_side_that_is_set(limit, level, verdict):
    finding = judge(f"gate:{limit}", np.full(60, level))
    assert finding.verdict == verdict, finding.reason
    assert finding.observed["figure"] == pytest.approx(level)


def test_a_limit_may_be_negative():
    assert judge("gate:at_least=-3", np.full(60, -2.0)).verdict is Verdict.PASS
    assert judge("gate:at_least=-3", np.full(60, -4.0)).verdict is Verdict.FAIL


def test_the_reason_has_the_figure_and_the_limit_that_is_not_met():
    finding = judge("gate:at_least=1.9", np.full(60, 1.75))
    assert "loss is 1.75, below the limit 1.9" in finding.reason
    assert finding.parameters == {"at_least": 1.9, "runs": 1}


def test_several_candidate_runs_are_judged_by_their_mean():
    low, high = np.full(60, 1.7), np.full(60, 2.3)
    assert judge("gate:at_least=1.9,runs=2", low, high).verdict is Verdict.PASS
    assert judge("gate:at_least=1.9,runs=2", low, low).verdict is Verdict.FAIL


def test_fewer_runs_than_the_limits_are_for_do_not_pass_but_may_fail():
    finding = judge("gate:at_least=1.9,runs=3", np.full(60, 2.0))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "log 2 more candidate runs" in finding.reason
    assert judge("gate:at_least=1.9,runs=3", np.full(60, 1.0)).verdict is Verdict.FAIL


@pytest.mark.parametrize("limit", ["at_least=1.9", "at_most=2.1"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_not_finite_fails_also_on_the_side_without_a_limit(limit, bad):
    cand = np.full(60, 2.0)
    cand[30] = bad
    assert judge(f"gate:{limit}", cand).verdict is Verdict.FAIL


def test_a_gate_without_limits_never_passes():
    finding = judge("gate", BASE)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "no limit is set" in finding.reason


def test_limits_in_the_wrong_order_are_an_error():
    with pytest.raises(PolicyError, match=r"at_least = 3\.0 above at_most = 2\.0"):
        judge("gate:at_least=3,at_most=2", BASE)


def test_the_rule_and_the_history_reduce_a_run_to_the_same_figure():
    curves = [decaying(80, seed=seed) for seed in range(6)]
    history = history_of_runs([run(c, source=f"{i}") for i, c in enumerate(curves)],
                              metric="loss", last=20)  # fmt: skip
    for curve, value in zip(curves, history.values.tolist(), strict=True):
        aligned = align([run(curves[0])], [run(curve)]).tail(20)
        assert parse_rule("gate:at_least=0")(aligned).observed["figure"] == value

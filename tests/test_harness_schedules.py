"""Logged schedules are compared first, whatever the rules and with one run a side."""

from dataclasses import replace

import numpy as np
import pytest
from loglines import decaying, run

from harness import Policy, Verdict, compare
from harness.log.run import Series
from harness.quality.schedules import differs
from harness.rules import RULES

N = 200
STEPS = np.arange(N)
POLY = 0.1 * (1 - STEPS / N) ** 0.9


def make(seed, rate, *, name="lr", steps=STEPS):
    made = run(decaying(N, seed=seed), source=f"{seed}.log")
    extra = Series(name=name, rank=0, steps=steps, values=np.asarray(rate, dtype=float))
    return replace(made, series=(*made.series, extra))


def judged(rate, *, b=1, c=1, rule="two-sided", **fields):
    base = [make(i, POLY) for i in range(1, b + 1)]
    cand = [make(50 + i, rate) for i in range(c)]
    made = compare(base, cand, Policy(rules=(rule,), **fields))
    return made.verdict, made.judgement.reasons[0], made.judgement.failures


@pytest.mark.parametrize(("b", "c"), [(1, 1), (10, 1), (10, 3), (10, 10)])
@pytest.mark.parametrize("rule", RULES)
def test_a_doubled_rate_fails_first_and_in_words(rule, b, c):
    verdict, first, _ = judged(2 * POLY, b=b, c=c, rule=rule)
    assert verdict is Verdict.FAIL
    assert first == "the logged learning rate of 50.log is 2.00 times the baseline's at every step"


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (1.005 * POLY, "is 1.0050 times the baseline's at every step"),
        (np.full(N, 0.1), "differs from the baseline's at 199 of 200 steps, first at step 1"),
        (np.where(STEPS < 150, POLY, 3 * POLY), "at 50 of 200 steps, first at step 150"),
    ],
)
def test_any_other_schedule_fails(rate, words):
    verdict, first, _ = judged(rate)
    assert verdict is Verdict.FAIL
    assert words in first


@pytest.mark.parametrize("digits", [3, 4, 6])
def test_other_digits_are_the_same_schedule(digits):
    assert judged(np.round(POLY, digits))[2] == ()
    assert judged([float(f"{v:.{digits}e}") for v in POLY])[2] == ()


def test_a_rate_that_has_decayed_away_is_the_same_rate():
    assert differs(STEPS, np.array([[1.0, 1e-9]]), np.array([1.0, 0.0])) is None


def test_waivers_allow_a_multiple_or_another_shape():
    reason = {"allow_reason": "scaled with the batch"}
    assert judged(2 * POLY, allow=("learning_rate",), **reason)[2] == ()
    assert judged(np.full(N, 0.1), allow=("learning_rate",), **reason)[2] != ()
    assert judged(np.full(N, 0.1), allow=("schedule",), **reason)[2] == ()


def test_a_waived_rate_is_not_asked_for_by_a_rule_either():
    policy = {
        "b": 10,
        "rule": "seed-variation",
        "allow": ("learning_rate",),
        "allow_reason": "batch",
    }
    assert judged(2 * POLY, **policy)[0] is not Verdict.FAIL


def test_a_rate_that_differs_from_run_to_run_of_the_baseline_is_no_schedule():
    base = np.vstack([POLY, 1.1 * POLY])
    assert differs(STEPS, base, 2 * POLY) is None


def test_one_run_that_logs_none_does_not_hide_the_others():
    base = np.vstack([np.full(N, np.nan), POLY, POLY])
    assert differs(STEPS, base, 2 * POLY).ratio == pytest.approx(2.0)


@pytest.mark.parametrize("digits", [2, 3, 4])
@pytest.mark.parametrize("side", [0, 1])
def test_a_rate_printed_with_few_significant_digits_is_the_same(digits, side):
    few = np.array([float(f"{v:.{digits - 1}e}") for v in POLY])
    base, cand = (few, POLY) if side else (POLY, few)
    assert differs(STEPS, base[None, :], cand) is None
    assert differs(STEPS, base[None, :], 1.2 * cand) is not None


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_rate_one_record_late_throughout_is_a_doubt_about_counters(shift):
    full = 0.1 * (1 - np.arange(-1, N + 1) / N) ** 0.9
    rate = full[1 - shift : 1 - shift + N] if shift == 1 else full[2 : 2 + N]
    made = compare(make(1, POLY), make(50, rate), Policy(rules=("two-sided",)))
    assert made.verdict is Verdict.INCONCLUSIVE
    assert any("one record late or early throughout" in doubt for doubt in made.judgement.doubts)


@pytest.mark.parametrize(
    "name", ["lr/group1", "lr_backbone", "lr-SGD/pg2", "optim/lr", "weight_decay", "momentum"]
)
def test_every_rate_of_the_recipe_is_a_schedule(name):
    base = make(1, POLY, name=name)
    made = compare(base, make(50, 10 * POLY, name=name), Policy())
    assert made.verdict is Verdict.FAIL
    assert "is 10.00 times the baseline's at every step" in made.judgement.reasons[0]

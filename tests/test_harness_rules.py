"""Each rule on curves whose answer is known; properties that hold for all of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loglines import decaying, run

from harness.align.aligned import align
from harness.errors import PolicyError
from harness.rules import RULES, Verdict, parse_rule, rule_call
from harness.rules.exact import ulp_distance
from harness.rules.finding import within
from harness.rules.modelzoo import published

PAIRWISE = ["modelzoo", "two-sided", "tolerance", "exact"]


def judge(text, base, cand):
    return parse_rule(text)(align([run(base)], [run(cand)]))


@pytest.mark.parametrize(
    ("value", "accepted"),
    [(0.05, True), (-9.0, True), (0.0501, False), (math.nan, False), (-math.inf, False)],
)
def test_only_a_finite_value_within_the_limit_is_evidence(value, accepted):
    assert within(value, 0.05) is accepted


def test_the_published_rule_takes_the_last_fifty_by_position_of_the_shorter():
    base, cand = decaying(120), decaying(104, seed=1)
    result = published(base, cand)
    pairs = list(zip(base.tolist()[:104], cand.tolist(), strict=True))[-50:]
    assert result.relative == pytest.approx(math.fsum((c - b) / b for b, c in pairs) / 50)
    assert result.absolute == pytest.approx(math.fsum(c - b for b, c in pairs) / 50)
    assert result.count == 50


@pytest.mark.parametrize(
    ("factor", "word"), [(0.1, "pass"), (0.7, "pass"), (1.049, "pass"), (1.051, "fail")]
)
def test_the_published_rule_passes_any_lower_loss_and_says_that_it_proves_nothing(factor, word):
    base = decaying(80)
    finding = judge("modelzoo", base, base * factor)
    assert finding.verdict == word
    if factor < 1:
        assert "proves nothing" in finding.caveat
        assert f"{1 - factor:.2%}" in finding.caveat


def test_either_limit_of_the_published_rule_is_enough():
    base = np.full(60, 1e-4)
    assert judge("modelzoo", base, base * 2.5).verdict is Verdict.PASS
    assert judge("modelzoo", base, base * 3.5).verdict is Verdict.FAIL


def test_the_published_script_passes_a_nan_and_the_finding_does_not():
    base = np.ones(60)
    base[-1] = 0.0
    cand = np.full(60, 0.5)
    cand[-1] = 0.0
    finding = judge("modelzoo", base, cand)
    assert finding.observed["published_word"] == "pass"
    assert finding.verdict is Verdict.FAIL
    assert "NaN or infinity is no evidence" in finding.reason


@pytest.mark.parametrize("factor", [0.7, 0.94, 1.06, 1.3])
def test_the_two_sided_rule_fails_a_shift_either_way(factor):
    assert judge("two-sided", decaying(80), decaying(80) * factor).verdict is Verdict.FAIL


@pytest.mark.parametrize("factor", [0.96, 1.0, 1.04])
def test_the_two_sided_rule_passes_a_shift_within_its_limit(factor):
    finding = judge("two-sided", decaying(80), decaying(80) * factor)
    assert finding.verdict is Verdict.PASS
    assert finding.observed["mean_abs_relative_error"] == pytest.approx(abs(1 - factor))


def test_cancelling_signs_do_not_pass_the_two_sided_rule():
    base = np.full(80, 2.0)
    cand = base * np.where(np.arange(80) < 40, 1.2, 0.8)
    assert abs(float(np.mean(cand / base - 1))) < 1e-12
    assert judge("two-sided", base, cand).verdict is Verdict.FAIL


def test_exact_names_the_first_step_that_differs_and_by_how_many_ulps():
    base = decaying(80)
    cand = base.copy()
    cand[33] = np.nextafter(np.nextafter(cand[33], np.inf), np.inf)
    finding = judge("exact", base, cand)
    assert finding.verdict is Verdict.FAIL
    assert (finding.observed["first_differing_step"], finding.observed["ulps"]) == (33, 2)
    assert judge("exact", base, base).verdict is Verdict.PASS


def test_exact_counts_float32_ulps_of_float32_losses():
    base = decaying(80).astype(np.float32)
    cand = base.copy()
    cand[5] = np.nextafter(cand[5], np.float32(9), dtype=np.float32)
    finding = judge("exact", base.astype(float), cand.astype(float))
    assert finding.observed["ulps"] == 1
    assert "1 float32 ULPs" in finding.reason


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 40))
def test_ulps_count_the_floats_between(value, steps):
    other = value
    for _ in range(steps):
        other = math.nextafter(other, math.inf)
    if math.isfinite(other):
        assert ulp_distance(value, other) == steps
        assert ulp_distance(other, value) == steps


def test_exact_fails_where_one_side_has_more_steps():
    finding = judge("exact", decaying(80), decaying(79))
    assert finding.verdict is Verdict.FAIL
    assert "only one side logs 1 step, the first is step 79" in finding.reason


def test_tolerance_counts_steps_as_isclose_does():
    base, cand = decaying(200), decaying(200, seed=1)
    finding = judge("tolerance:rtol=0.03,atol=0.001,outside=1", base, cand)
    inside = np.isclose(cand, base, rtol=0.03, atol=0.001)
    assert finding.observed["outside_steps"] == int((~inside).sum())


def test_tolerance_forgives_few_steps_and_none_beyond_the_cap():
    base = decaying(200)
    cand = base.copy()
    cand[[20, 120]] *= 1.3
    assert judge("tolerance", base, cand).verdict is Verdict.PASS
    cand[20] = base[20] * 1.51
    assert judge("tolerance", base, cand).verdict is Verdict.FAIL


def test_a_missing_step_is_outside_and_beyond_the_cap():
    base = run(decaying(200))
    holed = run(np.delete(decaying(200), 50), steps=np.delete(np.arange(200), 50))
    finding = parse_rule("tolerance:outside=1")(align([base], [holed]))
    assert finding.verdict is Verdict.FAIL
    assert finding.observed["first_outside_step"] == 50


@pytest.mark.parametrize("rule", PAIRWISE)
def test_a_run_reproduces_itself(rule):
    assert judge(rule, decaying(80), decaying(80)).verdict is Verdict.PASS


@pytest.mark.parametrize("rule", PAIRWISE)
@given(
    at=st.integers(0, 79),
    bad=st.sampled_from([math.nan, math.inf, -math.inf]),
    side=st.sampled_from(["baseline", "candidate", "both"]),
)
def test_no_rule_passes_where_a_judged_value_is_not_finite(rule, at, bad, side):
    base, cand = decaying(80), decaying(80)
    if side != "candidate":
        base[at] = bad
    if side != "baseline":
        cand[at] = bad
    finding = judge(rule, base, cand)
    judged = at >= 30 or rule != "modelzoo"
    assert (finding.verdict is not Verdict.PASS) == judged


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.integers(0, 20))
def test_a_wider_limit_never_rejects_what_a_narrower_one_accepts(a, b, seed):
    low, high = sorted((a, b))
    base, cand = decaying(60), decaying(60, seed=seed, noise=0.1)
    for template in ("two-sided:rtol={!r}", "tolerance:rtol={!r}", "tolerance:outside={!r}"):
        narrow = judge(template.format(low), base, cand).verdict
        wide = judge(template.format(high), base, cand).verdict
        assert not (narrow is Verdict.PASS and wide is not Verdict.PASS)


@settings(deadline=None)
@given(st.sets(st.integers(1, 78), max_size=5))
def test_a_step_more_on_one_side_never_improves_a_verdict(dropped):
    base = decaying(80)
    kept = np.setdiff1d(np.arange(80), sorted(dropped))
    even = run(base[kept], steps=kept)
    for rule in ("exact", "tolerance", "two-sided"):
        before = parse_rule(rule)(align([even], [even]))
        after = parse_rule(rule)(align([run(base)], [even]))
        assert before.verdict is Verdict.PASS
        if dropped and rule != "two-sided":
            assert after.verdict is Verdict.FAIL


@pytest.mark.parametrize("text", ["2%", "2 %", " 2% ", "0.02", "2.0%"])
def test_a_fraction_may_be_given_in_percent(text):
    assert parse_rule(f"equivalence:margin={text}").parameters == {"margin": 0.02}
    assert rule_call("equivalence", {"margin": text}).parameters == {"margin": 0.02}
    assert parse_rule("two-sided:rtol=2.3%").parameters == {"rtol": 0.023}  # as 0.023 is read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("twosided", "no rule 'twosided'; expected one of: default, ensemble"),
        ("two-sided:tol=1", "rule 'two-sided' has no parameter 'tol'; it takes: rtol"),
        ("two-sided:rtol=x", "parameter 'rtol' of rule 'two-sided' is 'x'; expected a fraction"),
        ("two-sided:rtol=nan", "expected a fraction from 0 to 0.5"),
        ("two-sided:rtol=-1", "expected a fraction from 0 to 0.5"),
        ("two-sided:rtol=inf", "expected a fraction from 0 to 0.5"),
        ("two-sided:rtol=5", "expected a fraction from 0 to 0.5; for 5 % write 5% or 0.05"),
        ("two-sided:rtol=0.6", "expected a fraction from 0 to 0.5"),
        ("two-sided:atol=-1", "expected a finite number of at least 0"),
        ("two-sided:atol=2%", "expected a finite number of at least 0"),
        ("two-sided:window=0", "expected a whole number from 2 to 1000000"),
        ("two-sided:window=1", "expected a whole number from 2 to 1000000"),
        ("two-sided:window=2.5", "expected a whole number from 2 to 1000000"),
        ("ensemble:permutations=1e12", "expected a whole number from 1 to 1000000"),
        ("ensemble:seed=1e400", "expected a whole number from 1 to 4294967295"),
        ("equivalence:confidence=7", "expected a number between 0 and 1"),
        ("equivalence:margin=1e999999999%", "expected a fraction from 0 to 0.5"),
        ("seed-variation:level=0", "expected a number between 0 and 1"),
        ("exact:rtol=1", "it takes: none"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_with_what_would(text, message):
    with pytest.raises(PolicyError) as caught:
        parse_rule(text)
    assert message in str(caught.value)


def test_a_switch_is_no_limit():
    with pytest.raises(PolicyError, match=r"expected a fraction from 0 to 0\.5"):
        rule_call("two-sided", {"rtol": True})


def test_findings_carry_every_limit_of_their_rule():
    for name in PAIRWISE:
        finding = judge(name, decaying(80), decaying(80))
        assert finding.parameters
        assert finding.observed
        assert finding.reason
        assert name in RULES


def test_a_rule_that_was_not_applied_still_states_the_difference_that_it_allows():
    aligned = align([run(decaying(80), source="a")], [run(decaying(80), source="b")])
    for text in ("equivalence:margin=0.01", "two-sided:rtol=0.03", "tolerance:rtol=0.04"):
        call = parse_rule(text)
        assert call.threshold == call(aligned).threshold is not None
    assert parse_rule("exact").threshold is None

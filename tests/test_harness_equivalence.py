"""The equivalence rule: its interval, its three answers, and what it says of them."""

import math

import numpy as np
import pytest
from loglines import decaying, run
from scipy import stats

from harness import Policy, Verdict, compare, read_run
from harness.align.aligned import align
from harness.errors import PolicyError
from harness.rules import RULES, parse_rule
from harness.rules.equivalence import FIRST, MARGINS
from harness.stats import interval

equivalence = RULES["equivalence"]


def trend(n):
    return 1 + 3 * np.exp(-np.arange(n) / (n / 5))


def noisy(rng, n, *, runs=1, noise=0.05, phi=0.0):
    """Curves (runs, n) whose relative noise is an AR(1) of this size."""
    e = rng.standard_normal((runs, n + 50))
    for i in range(1, n + 50):
        e[:, i] = phi * e[:, i - 1] + math.sqrt(1 - phi**2) * e[:, i]
    return trend(n) * (1 + noise * e[:, 50:])


def sides(base, cand):
    return align([run(row) for row in base], [run(row) for row in cand])


def test_the_interval_of_runs_is_welchs_for_a_known_baseline():
    rng = np.random.default_rng(1)
    base, cand = np.ones((8, 5)), 1 + 0.1 * rng.standard_normal((9, 5))
    base += 1e-9 * rng.standard_normal((8, 5))  # a denominator without noise leaves Welch's t
    found = interval.from_runs(base, cand)
    welch = stats.ttest_ind(cand.mean(1), base.mean(1), equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert found.bounds(0.95) == pytest.approx((low, high), rel=1e-6)


def test_one_candidate_run_has_a_prediction_interval():
    rng = np.random.default_rng(2)
    base = 1 + 0.01 * rng.standard_normal((6, 1))
    found = interval.from_runs(base, np.array([[1.05]]))
    spread = base.std(ddof=1) * math.sqrt(1 + 1 / 6)
    half = stats.t.ppf(0.975, 5) * spread * 1.05  # the same spread as a fraction
    low, high = found.bounds(0.95)
    assert (high - low) / 2 == pytest.approx(half, rel=0.02)
    assert found.degrees == 5


def test_blocks_grow_with_the_memory_of_the_noise():
    rng = np.random.default_rng(4)
    white, slow = (noisy(rng, 400, phi=phi)[0] / trend(400) for phi in (0.0, 0.9))
    assert interval.block_length(white, least=1) < interval.block_length(slow, least=1)
    assert interval.block_length(white, least=20) >= 20
    assert interval.block_length(slow, least=1000) == 400 // 6
    assert interval.block_length(slow[:100], least=1000) == 20


@pytest.mark.parametrize(("phi", "seed"), [(0.0, 5), (0.6, 6)])
def test_the_interval_of_a_pair_covers_the_truth(phi, seed):
    """300 pairs of 200 steps, +-2.5 %; `python -m benchmarks.intervals` has the long table."""
    rng = np.random.default_rng(seed)
    base = noisy(rng, 200, runs=300, noise=0.2, phi=phi)
    cand = 1.03 * noisy(rng, 200, runs=300, noise=0.2, phi=phi)
    bounds = [interval.from_pair(b, c).bounds(0.95) for b, c in zip(base, cand, strict=True)]
    held = np.mean([low <= 0.03 <= high for low, high in bounds])
    assert 0.92 <= held <= 0.985


def test_the_interval_of_run_sets_covers_the_truth():
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(600):
        level = 1 + 0.007 * rng.standard_normal((20, 1))
        runs = level * noisy(rng, 50, runs=20, phi=0.5)
        low, high = interval.from_runs(runs[:10], 1.01 * runs[10:]).bounds(0.95)
        held += low <= 0.01 <= high
    assert held / 600 == pytest.approx(0.95, abs=0.02)


def test_a_few_runs_a_side_pool_their_spread():
    rng = np.random.default_rng(16)
    base, cand = 1 + 0.001 * rng.standard_normal((2, 4, 6))
    found = interval.from_runs(base, cand)
    student = stats.ttest_ind(cand.mean(1) / cand.mean(), base.mean(1) / base.mean())
    low, high = student.confidence_interval(0.95)
    half = (found.bounds(0.95)[1] - found.bounds(0.95)[0]) / 2
    assert half == pytest.approx((high - low) / 2, rel=0.001)


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(1.0, "pass"), (1.005, "pass"), (1.02, "inconclusive"), (1.1, "fail"), (0.9, "fail")],
)
def test_three_answers_to_a_shift_either_way(factor, expected):
    rng = np.random.default_rng(8)
    base, cand = noisy(rng, 400, runs=5, noise=0.02), factor * noisy(rng, 400, runs=5, noise=0.02)
    finding = equivalence(sides(base, cand))
    assert finding.verdict == expected


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "pass"), (1.3, "open"), (0.5, "open")])
def test_one_run_a_side_of_other_seeds_fails_by_no_difference_that_seeds_may_make(factor, expected):
    rng = np.random.default_rng(8)
    base, cand = noisy(rng, 400, noise=0.02), factor * noisy(rng, 400, noise=0.02)
    finding = equivalence(sides(base, cand))
    assert finding.verdict == {"open": "inconclusive"}.get(expected, expected)
    assert ("two seeds of one recipe may differ as much" in finding.reason) == (factor != 1.0)


@pytest.mark.parametrize("factor", [7.0, 1 / 7])
def test_one_run_a_side_fails_where_no_two_seeds_ever_lay_so_far_apart(factor):
    rng = np.random.default_rng(8)
    base, cand = noisy(rng, 400, noise=0.02), factor * noisy(rng, 400, noise=0.02)
    assert equivalence(sides(base, cand)).verdict is Verdict.FAIL


def test_one_run_a_side_from_the_same_start_fails_by_its_interval():
    rng = np.random.default_rng(8)
    base = noisy(rng, 400, noise=0.02)
    cand = base * np.where(np.arange(400) < FIRST, 1.0005, 1.1)
    assert equivalence(sides(base, cand)).verdict is Verdict.FAIL
    cand[0, 0] *= 1.002  # one record tells that it did not begin alike
    assert equivalence(sides(base, cand)).verdict is Verdict.INCONCLUSIVE


def test_an_open_answer_says_what_would_settle_it():
    rng = np.random.default_rng(9)
    pair = equivalence(sides(noisy(rng, 100, noise=0.2), noisy(rng, 100, noise=0.2)))
    assert pair.verdict is Verdict.INCONCLUSIVE
    assert "more steps of the same two runs cannot decide" in pair.reason
    runs = equivalence(sides(noisy(rng, 20, runs=3), noisy(rng, 20, runs=3)))
    assert runs.verdict is Verdict.INCONCLUSIVE
    assert "runs per side would decide" in runs.reason


def test_the_number_of_runs_it_names_does_settle_it():
    rng = np.random.default_rng(10)
    finding = equivalence(sides(noisy(rng, 30, runs=3), noisy(rng, 30, runs=3)), margin=0.03)
    named = int(finding.reason.split("about ")[1].split()[0])
    settled = equivalence(
        sides(noisy(rng, 30, runs=named), noisy(rng, 30, runs=named)), margin=0.03
    )
    assert 3 < named < 60
    assert settled.verdict is Verdict.PASS


def test_drifts_that_cancel_do_not_pass():
    rng = np.random.default_rng(15)
    swing = np.repeat([1.04, 0.96, 1.0], 20)
    flat = noisy(rng, 60, runs=10, noise=0.002) / trend(60)
    finding = equivalence(sides(flat[:5], swing * flat[5:]))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "+3.99%, -3.99%" in finding.reason
    assert "cancel: look at the plot" in finding.reason


def test_a_single_pair_says_that_seeds_are_unknown():
    rng = np.random.default_rng(11)
    assert (
        "not the spread between seeds" in equivalence(sides(noisy(rng, 90), noisy(rng, 90))).caveat
    )
    few = equivalence(sides(noisy(rng, 9, runs=3), noisy(rng, 9, runs=5)))
    assert "assumes the same relative spread on both sides" in few.caveat
    assert equivalence(sides(noisy(rng, 9, runs=5), noisy(rng, 9, runs=5))).caveat == ""


def test_too_short_a_pair_gives_no_interval():
    rng = np.random.default_rng(12)
    finding = equivalence(sides(noisy(rng, 49), 2 * noisy(rng, 49)))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "repeat the runs with other seeds" in finding.reason


def test_a_loss_that_crosses_zero_has_no_relative_difference():
    curve = np.linspace(1, -1, 80)[None]
    finding = equivalence(sides(curve, curve))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "crosses zero" in finding.reason


def test_negative_losses_are_judged_by_size():
    rng = np.random.default_rng(13)
    assert equivalence(sides(-noisy(rng, 400), -noisy(rng, 400))).verdict is Verdict.PASS
    base, cand = -noisy(rng, 400, runs=5), -1.2 * noisy(rng, 400, runs=5)
    found = equivalence(sides(base, cand))
    assert found.verdict is Verdict.FAIL
    assert found.observed["high"] < -0.15  # below the baseline: of larger size, and negative
    assert found.observed["largest_third"] < -0.15


@pytest.mark.parametrize("runs", [1, 10])
def test_losses_rounded_to_whole_numbers_or_zero_have_an_answer(runs):
    rng = np.random.default_rng(8)
    base = np.round(4 * noisy(rng, 200, runs=runs))
    for cand in (np.round(4 * noisy(rng, 200)), np.zeros((1, 200)), np.zeros((3, 200))):
        finding = equivalence(sides(base, cand))
        assert (finding.verdict is Verdict.PASS) <= bool(cand.any())


def test_margins_have_names():
    strict = parse_rule("equivalence:margin=strict").parameters["margin"]
    assert strict == MARGINS["strict"] == 0.005
    assert parse_rule("equivalence:margin=0.01").parameters["margin"] == 0.01
    with pytest.raises(PolicyError, match="or one of: strict, default, modelzoo"):
        parse_rule("equivalence:margin=lenient")


def test_the_default_policy_judges_identical_runs_equal():
    assert compare(run(decaying(80)), run(decaying(80))).verdict is Verdict.PASS


def test_a_p_value_below_the_level_is_a_failure_and_only_that():
    rng = np.random.default_rng(14)
    for factor in np.linspace(0.9, 1.1, 41):
        base, cand = noisy(rng, 20, runs=5), factor * noisy(rng, 20, runs=5)
        finding = equivalence(sides(base, cand))
        assert (finding.p_value <= finding.level) == (finding.verdict is Verdict.FAIL)


@pytest.mark.shared
def test_the_published_pair_fails_at_five_percent(shared_data):
    pair = [read_run(shared_data / "ccnet" / f"{side}.log") for side in ("cuda", "sdaa")]
    policy = Policy(
        rules=(parse_rule("equivalence:margin=modelzoo"),), allow=("all",), allow_reason="a look"
    )
    finding = compare(*pair, policy).judgement.findings[0]
    assert finding.verdict is Verdict.INCONCLUSIVE  # two seeds may lie as far apart
    assert finding.observed["high"] < -0.15
    assert finding.observed["last_high"] < -0.2


@pytest.mark.shared
def test_two_vendors_of_one_recipe_pass_and_the_cancelling_signs_are_explained(shared_data):
    logs = ("llama3_cuda.txt", "llama3_rocm_mi350x.txt")
    pair = [read_run(shared_data / "torchtitan" / name) for name in logs]
    policy = Policy(rules=(parse_rule("equivalence:margin=strict"),))
    comparison = compare(*pair, policy)
    assert comparison.verdict is Verdict.PASS
    finding = comparison.judgement.findings[0]
    assert "differs by 0.67% on average and by +3.22% at worst (step 70)" in finding.caveat
    assert "changes at 33 of 99 steps, fewer than in noise" in finding.caveat

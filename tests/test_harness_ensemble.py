"""The permutation test: its level, its power, what it needs, and what it says."""

import itertools
import math

import numpy as np
import pytest
from loglines import run
from scipy import stats

from harness import Policy, Verdict, compare
from harness.align.aligned import align
from harness.errors import PolicyError
from harness.rules import RULES, parse_rule
from harness.stats.contrasts import contrasts
from harness.stats.permutation import exchange, t_of
from harness.stats.power import minimum_detectable_effect, runs_to_detect, two_sided_t
from harness.stats.splits import (
    distinct,
    even_runs_to_reject,
    runs_to_reject,
    smallest_p,
    splits,
)

ensemble = RULES["ensemble"]


def curves(rng, runs, n, *, phi=0.6, spread=0.02):
    """Loss curves (runs, n) with autocorrelated noise and a level of their own."""
    noise = rng.standard_normal((runs, n))
    for i in range(1, n):
        noise[:, i] = phi * noise[:, i - 1] + math.sqrt(1 - phi**2) * noise[:, i]
    level = 1 + 0.3 * spread * rng.standard_normal((runs, 1))
    return (1 + 2 * np.exp(-np.arange(n) / 10)) * level * (1 + spread * noise)


def aligned(base, cand):
    return align([run(row) for row in base], [run(row) for row in cand])


def test_all_splits_are_enumerated_once_and_the_real_one_is_first():
    for b, c in itertools.product(range(1, 6), repeat=2):
        found = splits(b, c, most=10_000, rng=np.random.default_rng(0))
        assert found.exact
        assert len(found) == distinct(b, c)
        assert found.members[0].tolist() == [False] * b + [True] * c
        seen = {frozenset(np.flatnonzero(row).tolist()) for row in found.members}
        mirrored = {frozenset(range(b + c)) - s for s in seen} if b == c else set()
        assert len(seen) == len(found)
        assert not seen & mirrored
        everything = {frozenset(p) for p in itertools.combinations(range(b + c), c)}
        assert seen | mirrored == everything


def test_random_splits_keep_the_sizes_and_repeat_with_their_seed():
    one, two = (splits(10, 9, most=500, rng=np.random.default_rng(4)) for _ in range(2))
    assert not one.exact
    assert len(one) == 501
    assert np.array_equal(one.members, two.members)
    assert (one.members.sum(axis=1) == 9).all()


def test_the_smallest_p_and_the_runs_it_needs():
    assert smallest_p(3, 3) == pytest.approx(0.1)
    assert runs_to_reject(3, level=0.05) == 4  # 35 splits
    assert even_runs_to_reject(level=0.05) == 4
    assert runs_to_reject(19, level=0.05) == 1
    assert runs_to_reject(1, level=0.05) == 19


def test_the_p_value_is_scipys_for_the_same_statistic():
    rng = np.random.default_rng(1)
    base, cand = curves(rng, 4, 7), curves(rng, 5, 7) * 1.01
    found = contrasts(aligned(base, cand))
    ours = exchange(found, splits(4, 5, most=10_000, rng=rng), level=0.05).p_value

    def statistic(x, y):
        t = stats.ttest_ind(found.values[x.astype(int)], found.values[y.astype(int)]).statistic
        return np.abs(t).max()

    theirs = stats.permutation_test(
        (np.arange(4.0), np.arange(4.0, 9.0)),
        statistic,
        permutation_type="independent",
        alternative="greater",
        vectorized=False,
        n_resamples=np.inf,
    )
    assert ours == pytest.approx(theirs.pvalue, abs=1e-12)


def test_a_correlation_is_the_t_of_its_contrast():
    rng = np.random.default_rng(2)
    base, cand = curves(rng, 6, 9), curves(rng, 4, 9)
    found = contrasts(aligned(base, cand))
    result = exchange(found, splits(6, 4, most=1000, rng=rng), level=0.05)
    t = stats.ttest_ind(cand, base, axis=0).statistic
    ours = [math.copysign(t_of(r, 10), r) for r in result.correlation[:9]]
    assert ours == pytest.approx(t.tolist())


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_the_level_holds_whatever_the_autocorrelation(phi):
    """5 against 5 runs, 126 splits: 6 of them reject, 4.76 %; 1,500 draws, +- 1.1 %."""
    rng = np.random.default_rng(3)
    ways = splits(5, 5, most=1000, rng=rng)
    rejected = 0
    for _ in range(1500):
        found = contrasts(aligned(curves(rng, 5, 30, phi=phi), curves(rng, 5, 30, phi=phi)))
        rejected += exchange(found, ways, level=0.05).p_value <= 0.05
    assert rejected / 1500 == pytest.approx(6 / 126, abs=0.011)


def test_the_critical_value_rejects_what_the_p_value_rejects():
    rng = np.random.default_rng(4)
    ways = splits(5, 5, most=1000, rng=rng)
    for shift in np.linspace(1, 1.06, 12):
        found = contrasts(aligned(curves(rng, 5, 20), curves(rng, 5, 20) * shift))
        result = exchange(found, ways, level=0.05)
        beyond = np.abs(result.correlation).max() >= result.critical - 1e-9
        assert beyond == (result.p_value <= 0.05)


def test_a_local_difference_is_found_and_placed():
    rng = np.random.default_rng(5)
    base, cand = curves(rng, 10, 60), curves(rng, 10, 60)
    cand[:, 17] *= 1.2
    finding = ensemble(aligned(base, cand))
    assert finding.verdict is Verdict.FAIL
    assert finding.observed["largest_at"] == "step 17"
    assert "step 17 (+2" in finding.reason or "step 17 (+1" in finding.reason


def test_a_small_difference_everywhere_is_found_by_the_shapes():
    rng = np.random.default_rng(6)
    base, cand = curves(rng, 10, 200, phi=0, spread=0.05), curves(rng, 10, 200, phi=0, spread=0.05)
    finding = ensemble(aligned(base, cand * 1.05))
    assert finding.verdict is Verdict.FAIL
    assert finding.observed["largest_at"] == "the mean level"


def test_no_difference_passes_only_where_one_would_have_been_seen():
    rng = np.random.default_rng(7)
    pair = aligned(curves(rng, 10, 40), curves(rng, 10, 40))
    assert ensemble(pair, detect=0.05).verdict is Verdict.PASS
    blunt = ensemble(pair, detect=0.001)
    assert blunt.verdict is Verdict.INCONCLUSIVE
    assert "log about" in blunt.reason or "more runs on both sides" in blunt.reason


@pytest.mark.parametrize(
    ("b", "c", "words"),
    [
        (3, 3, "log 4 candidate runs against these 3, or 4 per side"),
        (1, 1, "log 19 candidate runs against these 1, or 4 per side"),
        (10, 1, "log 2 candidate runs against these 10"),
        (10, 1, "the single run is number 1 of 11 by its distance from the others"),
    ],
)
def test_a_sample_that_could_not_reject_says_what_could(b, c, words):
    rng = np.random.default_rng(8)
    finding = ensemble(aligned(curves(rng, b, 40), 2 * curves(rng, c, 40)))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert words in finding.reason
    assert finding.p_value is None


@pytest.mark.parametrize("level", ["0", "1", "1.5"])
def test_a_level_that_is_no_probability_is_refused(level):
    rng = np.random.default_rng(8)
    with pytest.raises(PolicyError, match="expected a number between 0 and 1"):
        parse_rule(f"ensemble:level={level}")(aligned(curves(rng, 2, 60), curves(rng, 2, 60)))


def test_a_level_that_no_sample_reaches_ends_with_words():
    rng = np.random.default_rng(8)
    finding = ensemble(aligned(curves(rng, 1, 60), curves(rng, 1, 60)), level=1e-9)
    assert "log 17 per side" in finding.reason


def test_one_run_against_twenty_is_ranked():
    rng = np.random.default_rng(9)
    base = curves(rng, 20, 40)
    finding = ensemble(aligned(base, 1.2 * curves(rng, 1, 40)))
    assert finding.verdict is Verdict.FAIL
    assert finding.p_value == pytest.approx(1 / 21)
    assert "number 1 of 21" in finding.reason


def test_a_difference_in_a_companion_alone_is_found():
    from dataclasses import replace

    rng = np.random.default_rng(10)
    pair = aligned(curves(rng, 10, 40), curves(rng, 10, 40))
    rate = align([run(np.full(40, 1e-3))] * 10, [run(np.full(40, 1.1e-3))] * 10)
    finding = ensemble(replace(pair, schedules=(replace(rate, metric="lr"),)))
    assert finding.verdict is Verdict.FAIL
    assert str(finding.observed["largest_at"]).startswith("lr at step")


def test_rounding_in_a_companion_is_no_difference():
    from dataclasses import replace

    rng = np.random.default_rng(11)
    pair = aligned(curves(rng, 10, 40), curves(rng, 10, 40))
    rate = align([run(np.full(40, 1e-3))] * 10, [run(np.full(40, 1e-3 * (1 + 4e-16)))] * 10)
    with_rate = ensemble(replace(pair, schedules=(rate,)))
    assert with_rate.p_value == ensemble(pair).p_value


def test_the_detectable_shift_is_detected_as_often_as_it_says():
    rng = np.random.default_rng(12)
    t = two_sided_t(0.05, 18)
    shift = minimum_detectable_effect(1.0, 10, 10, critical_t=t, power=0.9)
    x, y = rng.standard_normal((2, 4000, 10))
    found = stats.ttest_ind(x, y + shift, axis=1).pvalue <= 0.05
    assert found.mean() == pytest.approx(0.9, abs=0.015)


def test_runs_to_detect_are_enough_and_not_wasteful():
    c = runs_to_detect(0.01, 10, 0.012, tail=0.05)
    assert minimum_detectable_effect(0.01, 10, c, critical_t=two_sided_t(0.05, 8 + c)) <= 0.012
    fewer = math.floor(c / 1.35)
    assert (
        minimum_detectable_effect(0.01, 10, fewer, critical_t=two_sided_t(0.05, 8 + fewer)) > 0.012
    )
    assert runs_to_detect(0.01, 3, 0.001, tail=0.05) == 0  # three baseline runs are never enough


def test_repeated_seeds_leave_a_test_without_a_word():
    rng = np.random.default_rng(13)
    base = [run(row, seed=i % 9, source=f"b{i}.log") for i, row in enumerate(curves(rng, 10, 40))]
    cand = [run(3 * row, seed=100 + i) for i, row in enumerate(curves(rng, 10, 40))]
    policy = Policy(rules=(parse_rule("ensemble"), parse_rule("tolerance")))
    comparison = compare(base, cand, policy)
    verdicts = [f.verdict for f in comparison.judgement.findings]
    assert verdicts == [Verdict.INCONCLUSIVE, Verdict.FAIL]
    assert "b0.log, b9.log have the same seed" in comparison.judgement.doubts[0]


def test_one_log_given_twice_is_no_sample():
    rng = np.random.default_rng(14)
    base = [run(row) for row in curves(rng, 3, 60)]
    comparison = compare([*base, base[0]], [run(row) for row in curves(rng, 4, 60)])
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert "the same values on every judged step" in comparison.judgement.reasons[0]


def test_runs_of_one_side_that_differ_in_facts_are_incomparable():
    rng = np.random.default_rng(15)
    base = [
        run(row, learning_rate=lr) for row, lr in zip(curves(rng, 2, 60), (0.1, 0.2), strict=True)
    ]
    comparison = compare(base, [run(row, learning_rate=0.1) for row in curves(rng, 2, 60)])
    assert comparison.verdict is Verdict.INCOMPARABLE
    assert "learning_rate is 0.1 or 0.2" in comparison.judgement.reasons[0]


def test_holm_keeps_a_weak_failure_open_and_a_strong_one_standing():
    from harness.rules import Finding
    from harness.rules.holm import holm

    def finding(p, verdict=Verdict.FAIL):
        return Finding(
            rule="x", verdict=verdict, observed={}, parameters={}, reason="r", p_value=p, level=0.05
        )

    weak = holm([finding(0.04), finding(0.6, Verdict.PASS)])
    assert [f.verdict for f in weak] == [Verdict.INCONCLUSIVE, Verdict.PASS]
    both = holm([finding(0.04), finding(0.02)])
    assert [f.verdict for f in both] == [Verdict.FAIL, Verdict.FAIL]
    assert holm([finding(0.04)])[0].verdict is Verdict.FAIL


def test_holm_orders_tests_by_p_in_parts_of_their_levels():
    """A test of 1 % at p = 0.012 does not stand before one of 5 % at p = 0.02."""
    from harness.rules import Finding
    from harness.rules.holm import holm

    def test(name, p, level):
        verdict = Verdict.FAIL if p <= level else Verdict.PASS
        return Finding(
            rule=name,
            verdict=verdict,
            observed={},
            parameters={},
            reason="r",
            p_value=p,
            level=level,
        )

    for p in (0.012, 0.5):
        _, second = holm([test("seed-variation", p, 0.01), test("ensemble", 0.02, 0.05)])
        assert second.verdict is Verdict.FAIL
    first, second = holm([test("seed-variation", 0.004, 0.01), test("ensemble", 0.049, 0.05)])
    assert (first.verdict, second.verdict) == (Verdict.FAIL, Verdict.FAIL)
    _, second = holm([test("seed-variation", 0.006, 0.01), test("ensemble", 0.049, 0.05)])
    assert second.verdict is Verdict.INCONCLUSIVE

"""The moderated rule on simulated seeds whose spread is known, and on public families of seeds."""

import math
from pathlib import Path

import numpy as np
import pytest
from loglines import run

from harness import Policy, Verdict, compare
from harness.align.aligned import align
from harness.errors import PolicyError
from harness.rules import parse_rule
from harness.rules.moderated import hindered
from harness.stats.stretches import batch_means, cuts, levels, roughness, stretches

FAMILIES = Path(__file__).parents[2] / "shared" / "data" / "seed_families"
RECORDS = 400
NOISE, MEMORY = 0.05, 0.3


def noise(rng, runs, n=RECORDS):
    """Normal AR(1) noise of unit spread, (runs, n)."""
    moves = rng.standard_normal((runs, n))
    for i in range(1, n):
        moves[:, i] = MEMORY * moves[:, i - 1] + math.sqrt(1 - MEMORY**2) * moves[:, i]
    return moves


def seeds(rng, runs, *, factor=1.0, n=RECORDS):
    """Losses (runs, n) whose last level spreads by `factor` times the error of its records."""
    own = NOISE * math.sqrt((1 + MEMORY) / (1 - MEMORY) / (0.35 * n))
    shift = own * math.sqrt(max(factor**2 - 1, 0)) * rng.standard_normal((runs, 1))
    trend = 0.5 + 3 * np.exp(-np.arange(n) / 40)
    return trend * np.exp(shift) * (1 + NOISE * noise(rng, runs, n))


def aligned(base, cand):
    return align(*([run(row, source=f"{i}.log") for i, row in enumerate(s)] for s in (base, cand)))


def verdict(base, cand, rule="moderated"):
    return parse_rule(rule)(aligned(base, cand)).verdict


def shares(b, c, *, factor=1.0, times=1.0, draws=150, n=RECORDS, seed=0):
    """The shares of failures and passes among candidates whose loss is `times` as large."""
    rng = np.random.default_rng([seed, b, c, int(10 * factor), int(1000 * times)])
    found = []
    for _ in range(draws):
        curves = seeds(rng, b + c, factor=factor, n=n)
        found.append(verdict(curves[:b], times * curves[b:]))
    return found.count(Verdict.FAIL) / draws, found.count(Verdict.PASS) / draws


@pytest.mark.parametrize("size", [(2, 1), (3, 1), (4, 1), (2, 2)])
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_it_fails_at_most_five_percent_of_healthy_runs(size, factor):
    failed, _ = shares(*size, factor=factor)
    assert failed <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 150)


@pytest.mark.parametrize("size", [(2, 1), (4, 1)])
def test_it_seldom_fails_runs_of_a_chaotic_task(size):
    failed, passed = shares(*size, factor=10.0)
    assert failed <= 0.15
    assert passed <= 0.15


def test_its_power_grows_with_the_number_of_runs():
    powers = [shares(b, c, times=1.04)[0] for b, c in ((1, 1), (2, 1), (3, 1), (4, 1), (4, 4))]
    assert powers == sorted(powers)
    assert powers[0] == 0
    assert powers[1] > 0.1
    assert powers[-1] > 0.9


def test_a_pass_rules_the_stated_difference_out():
    for b, c in ((1, 1), (2, 1), (4, 1)):
        assert shares(b, c, times=1.05)[1] <= 0.1 + 2 * math.sqrt(0.09 / 150)
        assert shares(b, c)[1] >= 0.5


def test_one_run_a_side_fails_only_beyond_a_factor_that_no_seeds_showed():
    rng = np.random.default_rng(1)
    base, cand = seeds(rng, 1), seeds(rng, 1)
    assert verdict(base, cand) is Verdict.PASS
    for times in (0.2, 0.5, 2.0, 5.5):
        assert verdict(base, times * cand) is Verdict.INCONCLUSIVE
    for times in (0.1, 7.0):
        assert verdict(base, times * cand) is Verdict.FAIL


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 2)])
def test_a_running_mean_is_recognised_and_left_open(size):
    rng = np.random.default_rng(2)
    b, c = size
    curves = seeds(rng, b + c, n=2000)
    width = 400
    means = np.stack([np.convolve(row, np.ones(width) / width, mode="valid") for row in curves])
    assert roughness(means) < 0.2 < roughness(curves)
    finding = parse_rule("moderated")(aligned(means[:b], means[b:]))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "is a running mean or has no noise" in finding.reason
    assert "same-start" in finding.reason


def test_the_default_asks_equivalence_where_several_runs_log_a_running_mean():
    curves = np.cumsum(seeds(np.random.default_rng(3), 3), axis=1) / np.arange(1, RECORDS + 1)
    assert hindered(aligned(curves[:2], curves[2:]))
    assert parse_rule("default")(aligned(curves[:2], curves[2:])).rule == "equivalence"
    assert parse_rule("default")(aligned(curves[:1], curves[2:])).rule == "moderated"


def test_the_default_says_what_would_settle_an_open_verdict():
    rng = np.random.default_rng(4)
    base, cand = seeds(rng, 1, factor=5.0), 1.3 * seeds(rng, 1, factor=5.0)
    for runs in ([base[0]], [base[0], 1.2 * base[0]]):
        baseline = [run(row, source=f"{i}.log") for i, row in enumerate(runs)]
        found = compare(baseline, [run(cand[0], source="c.log")], Policy())
        assert found.verdict is Verdict.INCONCLUSIVE
        reason = found.judgement.findings[0].reason
        assert "add one more baseline run with another seed" in reason
        assert "run both sides from the same start for 20 steps" in reason
        assert "docs/how-to/same-start.md" in reason


def test_two_runs_from_one_start_are_judged_by_equivalence():
    base = seeds(np.random.default_rng(5), 1)
    finding = parse_rule("default")(aligned(base, base * (1 + 1e-6)))
    assert (finding.rule, finding.verdict) == ("equivalence", Verdict.PASS)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_the_figures_do_not_depend_on_the_scale_or_the_sign(sign, scale):
    curves = seeds(np.random.default_rng(6), 3)
    plain, other = (
        parse_rule("moderated")(aligned(factor * curves[:2], factor * 1.05 * curves[2:]))
        for factor in (1.0, sign * scale)
    )
    assert other.verdict is plain.verdict
    assert other.p_value == pytest.approx(plain.p_value)
    difference = plain.observed["last_difference"]
    assert other.observed["last_difference"] == pytest.approx(sign * difference)
    assert other.observed["last_low"] <= other.observed["last_difference"]
    assert other.observed["last_difference"] <= other.observed["last_high"]


def test_a_candidate_of_the_other_sign_fails():
    curves = seeds(np.random.default_rng(7), 3)
    assert verdict(curves[:1], -curves[1:2]) is Verdict.FAIL
    assert verdict(curves[:2], -curves[2:]) is not Verdict.PASS


def test_the_moderated_variance_is_that_of_the_formula():
    curves = seeds(np.random.default_rng(8), 3)
    found = stretches(aligned(curves[:2], curves[2:]))
    cut = cuts(RECORDS)[-1]
    first, second, third = (float(level) for level in levels(curves[:, cut]))
    errors = batch_means(curves[:2, cut])
    mean = (first + second) / 2
    prior = 0.89 * math.sqrt(float(errors[0]) ** 2 + float(errors[1]) ** 2) / math.sqrt(2)
    squares = (first / mean - 1) ** 2 + (second / mean - 1) ** 2
    variance = (1.06 * prior**2 + squares) / 2.06
    assert found[-1].error == pytest.approx(math.sqrt(1.5 * variance))
    assert found[-1].shift == pytest.approx(math.log(third / mean))
    assert found[-1].degrees == pytest.approx(2.06)


def test_the_batch_means_error_is_that_of_the_records():
    rng = np.random.default_rng(9)
    values = 1 + 0.1 * rng.standard_normal((500, 200)) + np.linspace(0, 0.5, 200)
    true = 0.1 / math.sqrt(200) / 1.25
    assert float(np.sqrt((batch_means(values) ** 2).mean())) == pytest.approx(true, rel=0.05)


def test_runs_far_apart_in_one_stretch_do_not_fail_a_candidate_in_another():
    curves = seeds(np.random.default_rng(11), 3)
    curves[2, cuts(RECORDS)[-1]] *= 1.2
    assert verdict(curves[:2], curves[2:]) is Verdict.FAIL
    curves[1, cuts(RECORDS)[0]] *= 1.5
    finding = parse_rule("moderated")(aligned(curves[:2], curves[2:]))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "these runs differ among themselves" in finding.reason


@pytest.mark.parametrize(("base", "words"), [
    (np.linspace(-1, 1, 60), "crosses zero"),
    (np.ones(49), "49 common records are too few"),
    (np.linspace(2, 1, 60), "has no noise"),
])  # fmt: skip
def test_what_it_cannot_judge_is_left_open(base, words):
    finding = parse_rule("moderated")(aligned(base[None], base[None]))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert words in finding.reason


def test_the_level_is_a_probability():
    curves = seeds(np.random.default_rng(10), 3)
    with pytest.raises(PolicyError, match="expected a number between 0 and 1"):
        parse_rule("moderated:level=1")(aligned(curves[:2], curves[2:]))


@pytest.mark.shared
@pytest.mark.usefixtures("shared_data")
def test_the_constants_and_the_rates_are_those_of_the_documentation():
    from benchmarks.few_runs import chosen, groups, healthy, measured, priors, share, wrong
    from harness.stats.seed_prior import PRIOR

    found = groups(FAMILIES)
    learnt = priors(found)
    assert learnt[""].ratio == pytest.approx(PRIOR.ratio, abs=0.01)
    assert learnt[""].degrees == pytest.approx(PRIOR.degrees, abs=0.01)
    size = (2, 1)
    counts = measured(learnt, {size: [*healthy(found, size, 2), *wrong(found, size)]})
    rates = {
        (rule, good, verdict): share(chosen(counts, rule, size, good=good), verdict)
        for rule in ("moderated", "equivalence")
        for good in (True, False)
        for verdict in (Verdict.FAIL, Verdict.PASS)
    }
    assert rates["moderated", True, Verdict.FAIL] <= 0.05
    assert rates["moderated", True, Verdict.PASS] >= 0.55
    assert rates["equivalence", True, Verdict.PASS] <= 0.3
    assert rates["moderated", False, Verdict.FAIL] >= 0.65
    assert rates["moderated", False, Verdict.PASS] <= 0.05

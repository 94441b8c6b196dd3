"""The rule that asks whether the candidate could be one more seed: its level, power and limits."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from loglines import run
from scipy import stats

from harness import Policy, Verdict, compare
from harness.align.aligned import align
from harness.errors import PolicyError
from harness.log.run import Run, Series
from harness.rules import RULES, parse_rule
from harness.stats.power import minimum_detectable_effect, two_sided_t
from harness.stats.resolution import resolution_of
from harness.stats.seeds import CONFIRM, STRICT, distances, odds
from harness.stats.signature import FEW, MOVES_TRIMMED, STRETCHES, TRIMMED, signature
from harness.stats.tails import tail_degrees

seed_variation, default = RULES["seed-variation"], RULES["default"]


def curves(rng, runs, n=120, *, level=0.02, noise=0.05):
    """Loss curves (runs, n): each a level of its own and noise from record to record."""
    own = np.exp(level * rng.standard_normal((runs, 1)))
    return (0.5 + 3 * np.exp(-np.arange(n) / 30)) * own * np.exp(noise * rng.normal(size=(runs, n)))


def aligned(base, cand, **others):
    """Both sides of the loss; other series as name = (baseline rows, candidate rows)."""

    def side(rows, name="loss"):
        found = [run(row) for row in rows]
        return [replace(r, series=(replace(r.series[0], name=name),)) for r in found]

    signals = {
        name: align(side(left, name), side(right, name), metric=name)
        for name, (left, right) in others.items()
    }
    planned = tuple(one for name, one in signals.items() if name in {"lr", "samples"})
    measured = tuple(one for name, one in signals.items() if name not in {"lr", "samples"})
    return replace(align(side(base), side(cand)), schedules=planned, auxiliary=measured)


def pair(seed=0, b=10, c=1, n=120, **others):
    rng = np.random.default_rng(seed)
    return aligned(curves(rng, b, n), curves(rng, c, n), **others)


def drawn(one, rng, shift=1.0):
    """Other seeds of both sides, the candidate's scaled."""
    base, cand = (curves(rng, side.shape[0]) for side in (one.baseline, one.candidate))
    return replace(one, baseline=base, candidate=shift * cand)


# Oracles


def slow_features(rows):
    """The features of positive curves, one run and one number at a time."""
    found = []
    for row in rows:
        logs = [math.log(v) for v in row]
        n = len(logs)
        cuts = [round(part * n) for part in STRETCHES]
        levels = []
        for a, z in itertools.pairwise(cuts):
            part = sorted(logs[max(a, 1) : z])
            off = int(TRIMMED * len(part))
            kept = part[off : len(part) - off]
            levels.append(sum(kept) / len(kept))
        noise = []
        for half in (logs[: n // 2], logs[n // 2 :]):
            moves = sorted(abs(half[i + 1] - half[i]) for i in range(len(half) - 1))
            kept = moves[: len(moves) - int(MOVES_TRIMMED * len(moves))]
            noise.append(math.log(sum(kept) / len(kept)))
        found.append([logs[0], *levels, *noise])
    return np.array(found)


@pytest.mark.parametrize("n", [40, 57, 200])
def test_features_are_those_of_a_plain_loop(n):
    one = pair(seed=1, b=6, c=2, n=n)
    found = signature(one)
    assert found.baseline == pytest.approx(slow_features(one.baseline))
    assert found.candidate == pytest.approx(slow_features(one.candidate))
    assert found.names[0] == "loss: first"
    assert found.names[found.ends[0]] == "loss: level 5"
    assert found.logs.all()
    assert not found.exact.any()


def slow_p_values(one):
    """Student's p-values (C, F) of each run alone, and (F,) of their mean, of all features."""
    base, cand = slow_features(one.baseline), slow_features(one.candidate)
    (b, tests), c = base.shape, cand.shape[0]
    degrees = [min(b - 1, tail_degrees(np.log(one.baseline))), *([b - 1] * (tests - 1))]
    ratios = (cand - base.mean(axis=0)) / base.std(axis=0, ddof=1)

    def p(ratio, runs):
        t = np.abs(ratio) / math.sqrt(1 / b + 1 / runs)
        return np.minimum(1, 2 * stats.t.sf(t, degrees) * tests)

    return p(ratios, 1), p(ratios.mean(axis=0), c), ratios


@pytest.mark.parametrize("seed", range(5))
def test_one_run_fails_by_itself_far_beyond_the_level_only(seed):
    """By Student's prediction interval, the features counted, at `STRICT` times the level."""
    one = pair(seed=seed, b=8)
    one = replace(one, candidate=(1 + 0.03 * seed) * one.candidate)
    run_p, mean_p, ratios = slow_p_values(one)
    found = signature(one)
    apart = distances(found)
    assert apart.t == pytest.approx(ratios[0] / math.sqrt(1 / 8 + 1))
    assert run_p[0] == pytest.approx(mean_p)
    assert odds(found, apart).failing == pytest.approx(min(1, run_p.min() / STRICT))
    finding = seed_variation(one)
    assert finding.p_value == odds(found, apart).failing
    assert finding.observed["p_value"] == pytest.approx(run_p.min())
    assert (finding.verdict is Verdict.FAIL) == (run_p.min() <= STRICT * 0.01)


@pytest.mark.parametrize("c", [2, 3, 4, 5, 10])
@pytest.mark.parametrize("seed", range(6))
def test_several_runs_fail_where_most_of_them_or_their_mean_do(c, seed):
    """A feature, one at a time: most runs on one side, or the mean with the middle run."""
    one = pair(seed=seed, b=8, c=c)
    one = replace(one, candidate=(1 + 0.02 * seed) * one.candidate)
    run_p, mean_p, ratios = slow_p_values(one)
    most, least = c // 2 + 1, []
    for f in range(ratios.shape[1]):
        sides = []
        for side in (1, -1):
            there = sorted(run_p[i, f] for i in range(c) if side * ratios[i, f] > 0)
            borne_out = len(there) >= most and there[most - 1] < 1
            sides.append(there[most - 1] / CONFIRM if borne_out else 1.0)
        up = 1 if ratios[:, f].mean() > 0 else -1
        middle = sorted(up * ratios[:, f], reverse=True)[most - 1]
        t = max(middle, 0) / math.sqrt(1 / 8 + 1 / max(1, 2 * c / math.pi))
        degrees = distances(signature(one)).degrees[f]
        middle_p = min(1, 2 * stats.t.sf(t, degrees) * ratios.shape[1])
        least.append(min(*sides, max(mean_p[f], middle_p / CONFIRM)))
    own = sorted(run_p.min(axis=1))[most - 1] * c
    if c < 5:  # from five runs on what is immaterial is left out
        assert seed_variation(one).p_value == pytest.approx(min(1, own, *least))
    else:
        assert seed_variation(one).p_value >= min(1, own, *least) * (1 - 1e-9)


def test_the_detectable_shift_is_noticed_as_often_as_it_says():
    rng = np.random.default_rng(3)
    for c in (1, 3):
        critical = two_sided_t(0.002, 9)
        shift = minimum_detectable_effect(1.0, 10, c, critical_t=critical, power=0.9, degrees=9)
        base, cand = rng.standard_normal((20_000, 10)), rng.standard_normal((20_000, c)) + shift
        t = (cand.mean(axis=1) - base.mean(axis=1)) / base.std(axis=1, ddof=1)
        noticed = np.abs(t) / math.sqrt(1 / 10 + 1 / c) > critical
        assert noticed.mean() == pytest.approx(0.9, abs=0.01)


# Error rates


@pytest.mark.parametrize(("b", "c"), [(5, 1), (10, 1), (10, 3), (5, 5), (10, 10)])
def test_seeds_alone_fail_no_more_often_than_the_level(b, c):
    """400 comparisons at 5 %, below which the rule keeps: at most 34 by the binomial's 99.9 %."""
    rng, one = np.random.default_rng(4), pair(b=b, c=c)
    failed = sum(
        seed_variation(drawn(one, rng), level=0.05).verdict is Verdict.FAIL for _ in range(400)
    )
    assert failed <= stats.binom.ppf(0.999, 400, 0.05)


def tailed(kind, rng, runs, n=200):
    """Curves of seeds that are not as the rule takes them."""
    own, late = rng.standard_normal((runs, 1)), np.zeros((runs, 1))
    noise = rng.standard_normal((runs, n))
    if kind == "heavy steps":
        noise = rng.standard_t(3, (runs, n)) / math.sqrt(3)
    elif kind == "lognormal steps":
        noise = (np.exp(noise) - math.exp(0.5)) / math.sqrt(math.e * (math.e - 1))
    elif kind == "heavy seeds":
        own = rng.standard_t(3, (runs, 1)) / math.sqrt(3)
    elif kind == "late seeds":
        late = np.where(rng.random((runs, 1)) < 0.1, 15, 0)
    mean = 0.5 + 3 * np.exp(-np.maximum(np.arange(n) - late, 0) / 40)
    return mean * np.exp(0.03 * own) * np.maximum(1 + 0.1 * noise, 0.01)


@pytest.mark.parametrize("kind", ["heavy steps", "lognormal steps", "heavy seeds", "late seeds"])
@pytest.mark.parametrize(("b", "c"), [(10, 1), (10, 3), (5, 5), (10, 10)])
def test_seeds_with_heavy_tails_hardly_fail(kind, b, c):
    """At most twice the level of 1 %: of 300, at most 15 by the binomial's 99.9 %."""
    rng, one, failed = np.random.default_rng(40), pair(b=b, c=c, n=200), 0
    for _ in range(300):
        rows = tailed(kind, rng, b + c)
        drawn_one = replace(one, baseline=rows[:b], candidate=rows[b:])
        failed += seed_variation(drawn_one).verdict is Verdict.FAIL
    assert failed <= stats.binom.ppf(0.999, 300, 0.02)


def test_a_planted_shift_is_noticed_and_a_larger_one_more_often():
    rng, one = np.random.default_rng(5), pair(c=3)
    found = [
        sum(seed_variation(drawn(one, rng, shift)).verdict is Verdict.FAIL for _ in range(60))
        for shift in (1.0, 1.05, 1.1)
    ]
    assert found[0] <= 3
    assert found[0] < found[1] < found[2]
    assert found[2] >= 54


def test_one_run_that_is_unlucky_is_asked_for_again_and_fails_if_the_next_bears_it_out():
    rng = np.random.default_rng(50)
    base, odd, healthy = curves(rng, 10), 1.1 * curves(rng, 1), curves(rng, 1)
    alone = seed_variation(aligned(base, odd))
    assert alone.verdict is Verdict.INCONCLUSIVE
    assert STRICT * 0.01 < alone.observed["p_value"] <= 0.01
    assert "run the candidate once more with another seed" in alone.reason
    assert "the rule fails if the same feature is unusual again" in alone.reason
    again = seed_variation(aligned(base, np.vstack([odd, 1.1 * curves(rng, 1)])))
    assert again.verdict is Verdict.FAIL
    assert seed_variation(aligned(base, np.vstack([odd, healthy]))).verdict is not Verdict.FAIL


@pytest.mark.parametrize(("up", "down"), [(1.22, 0.82), (1.49, 0.67)])
def test_two_runs_that_lie_on_either_side_do_not_hide_each_other(up, down):
    for seed in range(20):
        rng = np.random.default_rng(60 + seed)
        base, two = curves(rng, 10), curves(rng, 2) * [[up], [down]]
        assert seed_variation(aligned(base, two)).verdict is not Verdict.PASS


def test_one_bad_run_of_three_is_named_and_does_not_pass():
    for seed in range(40):
        rng = np.random.default_rng(80 + seed)
        base, three = curves(rng, 10), curves(rng, 3) * [[1], [1 + 12 * 0.02], [1]]
        finding = seed_variation(aligned(base, three))
        assert finding.verdict is not Verdict.PASS
        assert finding.verdict is Verdict.FAIL or "in candidate run 2 of 3" in finding.reason


def test_one_late_seed_of_ten_does_not_fail_the_others():
    rng = np.random.default_rng(90)
    rows = tailed("", rng, 20)
    rows[13, 15:] = rows[13, :-15]
    rows[13, :15] = 3.5
    finding = seed_variation(aligned(rows[:10], rows[10:]))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "in candidate run 4 of 10" in finding.reason


def test_a_difference_that_only_many_runs_show_is_named_and_is_no_failure():
    """0.3 %, six spreads of seeds: real, and below the 0.5 % that matters."""
    rng = np.random.default_rng(91)
    base, cand = (curves(rng, c, level=0.0005, noise=0.001) for c in (10, 10))
    finding = seed_variation(aligned(base, 1.003 * cand))
    assert finding.verdict is Verdict.PASS
    assert "no seed explains that the " in finding.reason
    assert "a difference below 0.5% is not a failure" in finding.reason
    assert seed_variation(aligned(base, 1.003 * cand[:3])).verdict is Verdict.FAIL
    assert seed_variation(aligned(base, 1.008 * cand)).verdict is Verdict.FAIL


# What differs


def test_noise_that_grows_late_is_noticed():
    rng = np.random.default_rng(6)
    base, cand = curves(rng, 10), curves(rng, 1)
    cand[:, 60:] *= np.exp(0.5 * rng.choice([-1, 1], 60))
    finding = seed_variation(aligned(base, cand))
    assert finding.verdict is Verdict.FAIL
    assert finding.observed["largest_at"] == ("the step-to-step noise of loss in the second half")


@pytest.mark.parametrize("n", [FEW - 9, 120, 20_000])
@pytest.mark.parametrize("name", ["lr", "samples"])
def test_a_schedule_that_differs_in_one_record_fails(n, name):
    rate = 0.1 * (1 - np.arange(n) / n) ** 0.9
    other = rate.copy()
    other[n // 3] *= 1.002
    same = pair(seed=7, n=n, **{name: ([rate] * 10, [rate])})
    differs = pair(seed=7, n=n, **{name: ([rate] * 10, [other])})
    assert seed_variation(same).verdict is not Verdict.FAIL
    finding = seed_variation(differs)
    assert finding.verdict is Verdict.FAIL
    assert finding.p_value == 0
    assert f"{name} at step {n // 3} is 0.2% higher (the same in every seed)" in finding.reason


def test_one_of_several_candidates_with_another_schedule_fails_though_their_mean_agrees():
    rate = np.linspace(0.1, 0.01, 120)
    lower, higher = rate.copy(), rate.copy()
    lower[50], higher[50] = 0.9 * rate[50], 1.1 * rate[50]
    one = pair(seed=8, c=2, lr=([rate] * 10, [lower, higher]))
    assert seed_variation(one).verdict is Verdict.FAIL


def test_rounding_in_a_schedule_is_no_difference():
    """As in float32 or four printed digits, and where a rate has decayed to next to zero."""
    rate = 0.05 * (1 + np.cos(np.pi * np.arange(120) / 119))
    for rounded in (rate.astype(np.float32).astype(float), [float(f"{x:.3e}") for x in rate]):
        rounded[-1] = 3e-18
        one = pair(seed=9, lr=([rate] * 10, [rounded]))
        assert seed_variation(one).verdict is Verdict.PASS


def test_a_schedule_is_no_test_and_costs_no_power():
    rate = np.linspace(0.1, 0.01, 120)
    alone, beside = (
        seed_variation(pair(seed=9)),
        seed_variation(pair(seed=9, lr=([rate] * 10, [rate]))),
    )
    assert beside.p_value == alone.p_value
    assert beside.observed["resolution"] == alone.observed["resolution"]


def test_a_measured_figure_without_spread_leaves_the_question_open():
    """All ten seeds reach 100 %, the candidate 99.9 %: no seed shows how far one may lie."""
    everywhere = seed_variation(pair(seed=9, **{"val.acc": ([[1.0]] * 10, [[1.0]])}))
    assert everywhere.verdict is Verdict.PASS
    finding = seed_variation(pair(seed=9, **{"val.acc": ([[1.0]] * 10, [[0.999]])}))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "the last val.acc is 0.1% lower" in (finding.reason)


def test_a_signal_that_differs_is_named_while_the_loss_agrees():
    rng = np.random.default_rng(10)
    norms = (3 * curves(rng, 10), 6 * curves(rng, 1))
    finding = seed_variation(pair(seed=10, grad_norm=norms))
    assert finding.verdict is Verdict.FAIL
    assert "grad_norm" in str(finding.observed["largest_at"])
    assert "no seed explains that the mean grad_norm " in finding.reason


# Ranks


def of_ranks(rng, drift=0.0, n=120, source="a.log"):
    """A run of two ranks; the second drifts off while the mean of both stays."""
    level = curves(rng, 1, n)[0]
    apart = 0.02 * level * rng.standard_normal(n) + drift * level * np.linspace(0, 1, n)
    steps = np.arange(n)
    both = [
        Series(name="loss", rank=rank, steps=steps, values=level + sign * apart)
        for rank, sign in ((0, 1), (1, -1))
    ]
    return Run(source=source, series=tuple(both))


def test_ranks_that_drift_apart_are_noticed():
    rng = np.random.default_rng(11)
    base = [of_ranks(rng, source=f"{i}.log") for i in range(10)]
    policy = Policy(rules=(parse_rule("seed-variation"),))
    same = compare(base, of_ranks(rng, source="c.log"), policy)
    assert same.verdict is Verdict.PASS
    drifted = compare(base, of_ranks(rng, 0.1, source="c.log"), policy)
    assert drifted.verdict is Verdict.FAIL
    assert "the mean loss between ranks of the last 35 % of steps" in drifted.judgement.reasons[0]


# What never passes


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_never_passes(bad):
    rng = np.random.default_rng(12)
    base, cand = curves(rng, 10), curves(rng, 1)
    sick = cand.copy()
    sick[0, 60] = bad
    assert seed_variation(aligned(base, sick)).verdict is Verdict.FAIL
    # one overflow of a signal is no failure of this rule, and nothing else is hidden by it
    assert seed_variation(aligned(base, cand, grad_norm=(base, sick))).verdict is Verdict.PASS
    assert seed_variation(aligned(base, cand, grad_norm=(base, 2 * sick))).verdict is Verdict.FAIL
    worse = base.copy()
    worse[3, 60] = bad
    assert seed_variation(aligned(worse, cand)).verdict is Verdict.INCONCLUSIVE


def test_a_record_that_is_not_finite_in_a_signal_of_the_baseline_hides_nothing_else():
    rng = np.random.default_rng(13)
    base, cand = curves(rng, 10), curves(rng, 1)
    sick = base.copy()
    sick[3, 60] = math.nan
    assert seed_variation(aligned(base, cand, grad_norm=(sick, cand))).verdict is Verdict.PASS
    assert seed_variation(aligned(base, cand, grad_norm=(sick, 2 * cand))).verdict is Verdict.FAIL
    nothing = np.full_like(base, math.nan)
    alone = seed_variation(aligned(base, cand))
    assert seed_variation(aligned(base, cand, grad_norm=(nothing, cand))).reason == alone.reason


@pytest.mark.parametrize("b", [1, 2, 4])
def test_a_few_seeds_of_the_baseline_are_inconclusive(b):
    finding = seed_variation(pair(seed=14, b=b))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.p_value is None
    assert f"log {5 - b} more of the baseline" in finding.reason


def test_a_signal_that_some_runs_do_not_log_is_judged_by_those_that_do():
    rng = np.random.default_rng(92)
    base, cand = curves(rng, 10), curves(rng, 3)
    norms = [curves(rng, 10), curves(rng, 3)]
    norms[0][[1, 4]] = math.nan
    norms[1][2] = math.nan
    same = seed_variation(aligned(base, cand, grad_norm=norms))
    assert same.verdict is Verdict.PASS
    finding = seed_variation(aligned(base, cand, grad_norm=(norms[0], 2 * norms[1])))
    assert finding.verdict is Verdict.FAIL
    one = signature(aligned(base, cand, grad_norm=norms))
    fewer = signature(
        aligned(base[:8], cand[:2], grad_norm=(norms[0][[0, 2, 3, *range(5, 10)]], norms[1][:2]))
    )
    there = [i for i, name in enumerate(one.names) if name.startswith("grad_norm")]
    assert distances(one).t[there] == pytest.approx(distances(fewer).t[there])


@pytest.mark.parametrize("side", [0, 1])
def test_a_signal_that_too_few_runs_log_is_not_judged(side):
    rng = np.random.default_rng(93)
    base, cand = curves(rng, 10), curves(rng, 1)
    norms = [curves(rng, 10), 9 * curves(rng, 1)]
    norms[side][: 6 if side == 0 else 1] = math.nan
    alone = seed_variation(aligned(base, cand))
    beside = seed_variation(aligned(base, cand, grad_norm=norms))
    assert (beside.verdict, beside.p_value) == (alone.verdict, alone.p_value)


# Resolution


def test_a_pass_needs_that_a_difference_is_ruled_out():
    one = pair(seed=15)
    finding = seed_variation(one)
    assert finding.verdict is Verdict.PASS
    reached = finding.observed["resolution"]
    assert finding.observed["resolution_in"] == "the mean loss of the last 35 % of steps"
    assert (
        f"a difference in the mean loss of the last 35 % of steps of {reached:.1%} or more is "
        "ruled out with 90% confidence (resolution 10%)" in finding.reason
    )
    blunt = seed_variation(one, resolution=0.95 * reached)
    assert blunt.verdict is Verdict.INCONCLUSIVE
    assert "no difference was seen, but only a difference in the mean loss" in blunt.reason
    assert "no feasible number of runs" in blunt.reason or "would decide" in blunt.reason
    assert seed_variation(one, resolution=reached).verdict is Verdict.PASS


@pytest.mark.parametrize(("b", "c"), [(5, 1), (10, 1), (10, 3), (5, 5)])
def test_a_difference_by_the_resolution_passes_one_time_in_ten_at_most(b, c):
    """As a plain fraction, up and down; 400 draws each, 10 % and the binomial's 99.9 %."""
    rng, one, spread = np.random.default_rng(94), pair(b=b, c=c), 0.02
    reach = 0.1 if c == 1 else 0.06
    for factor in (1 + reach, 1 - reach):
        passed = 0
        for _ in range(400):
            base, cand = (curves(rng, runs, level=spread) for runs in (b, c))
            cand[:, 78:] *= factor
            found = seed_variation(
                replace(one, baseline=base, candidate=cand), level=1e-9, resolution=reach
            )
            passed += found.verdict is Verdict.PASS
        assert passed <= stats.binom.ppf(0.999, 400, 0.1)


def test_the_bound_is_students_in_plain_fractions():
    one = pair(seed=95, b=7, c=2)
    base, cand = slow_features(one.baseline)[:, 5], slow_features(one.candidate)[:, 5]
    half = stats.t.ppf(0.9, 6) * base.std(ddof=1) * math.sqrt(1 / 7 + 1 / 2)
    d = cand.mean() - base.mean()
    bound = max(math.exp(d + half) - 1, 1 - math.exp(d - half))
    assert resolution_of(signature(one)).reached == pytest.approx(bound)


def test_the_advised_runs_pass_a_port_without_a_difference_nine_times_in_ten():
    rng, one = np.random.default_rng(96), pair(b=5)
    bound = resolution_of(signature(one))
    bound = replace(bound, spread=0.04, logs=True)
    b, c = bound.runs_needed(0.1)
    assert b >= 5
    assert c > 1
    base, cand = 0.04 * rng.standard_normal((20_000, b)), 0.04 * rng.standard_normal((20_000, c))
    half = stats.t.ppf(0.9, b - 1) * base.std(axis=1, ddof=1) * math.sqrt(1 / b + 1 / c)
    shown = np.abs(cand.mean(axis=1) - base.mean(axis=1)) + half <= math.log(1.1)
    assert shown.mean() >= 0.88
    assert replace(bound, spread=5.0).runs_needed(0.01) == (0, 0)


@pytest.mark.parametrize("b", [5, 10])
@pytest.mark.parametrize("factor", [1.2, 1.15, 0.85])
def test_a_loss_that_lies_beyond_the_resolution_never_passes(b, factor):
    rng = np.random.default_rng(97)
    for _ in range(20):
        base, cand = curves(rng, b, level=0.05), factor * curves(rng, 1, level=0.05)
        finding = seed_variation(aligned(base, cand))
        if finding.verdict is Verdict.PASS:
            assert abs(finding.observed["difference"]) <= 0.1
            assert abs(finding.observed["last_difference"]) <= 0.1


def test_a_validation_figure_carries_no_pass_of_a_loss_that_lies_far_off():
    rng = np.random.default_rng(98)
    scores = ([[x] for x in 0.9 + 0.002 * rng.standard_normal(10)], [[0.9]])
    wide = curves(rng, 10, level=0.15)
    near, far = (wide.mean(axis=0, keepdims=True) * factor for factor in (1.0, 1.18))
    finding = seed_variation(
        aligned(wide, near * np.exp(0.05 * rng.normal(size=(1, 120))), **{"val.mIoU": scores})
    )
    assert finding.verdict is Verdict.PASS
    assert finding.observed["resolution_in"] == "the last val.mIoU"
    finding = seed_variation(
        aligned(wide, far * np.exp(0.05 * rng.normal(size=(1, 120))), **{"val.mIoU": scores})
    )
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "of the judged series differs by +" in finding.reason


def test_a_judged_series_of_two_records_is_judged_by_its_last():
    rng = np.random.default_rng(99)
    scores = [[0.5, x] for x in 0.9 + 0.004 * rng.standard_normal(12)]
    one = replace(aligned(np.array(scores[:10]), np.array(scores[10:11])), metric="val.mIoU")
    assert seed_variation(one).verdict is Verdict.PASS
    lower = replace(one, candidate=np.array([[0.5, 0.8]]))
    assert seed_variation(lower).verdict is Verdict.FAIL


@pytest.mark.parametrize("name", ["level_loss", "late noise", "last loss", "first"])
def test_a_metric_named_like_a_feature_has_its_end_result(name):
    found = signature(replace(pair(seed=23), metric=name))
    assert [found.names[i] for i in found.ends] == [f"{name}: level 5"]


def test_an_empty_level_shows_nothing():
    """A final level of zero mean has no relative shift."""
    rng = np.random.default_rng(16)
    base = rng.standard_normal((10, 120))
    base -= base[:, 78:].mean()
    finding = seed_variation(aligned(base, rng.standard_normal((1, 120))))
    assert finding.verdict is not Verdict.PASS


# Properties


@pytest.mark.parametrize("seed", range(12))
def test_a_wider_limit_never_turns_a_pass_into_a_fail(seed):
    rng = np.random.default_rng(100 + seed)
    one = aligned(curves(rng, 10), (1 + 0.01 * seed) * curves(rng, 1))
    order = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS]
    wider = [
        order.index(seed_variation(one, resolution=size).verdict) for size in (0.01, 0.1, 0.25, 1.0)
    ]
    assert wider == sorted(wider)
    stricter = [seed_variation(one, level=level).verdict for level in (0.5, 0.05, 0.02, 1e-6)]
    failed = [verdict is Verdict.FAIL for verdict in stricter]
    assert failed == sorted(failed, reverse=True)


def test_the_order_of_the_runs_changes_nothing():
    rng = np.random.default_rng(17)
    base, cand = curves(rng, 10), 1.1 * curves(rng, 3)
    one, other = (
        seed_variation(aligned(base, cand)),
        seed_variation(aligned(base[::-1], cand[::-1])),
    )
    assert one.verdict is other.verdict
    assert one.reason == other.reason
    assert other.p_value == pytest.approx(one.p_value)
    assert one.p_value < 1


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1e300])
def test_the_unit_changes_nothing(scale):
    rng = np.random.default_rng(18)
    base, cand = curves(rng, 10), curves(rng, 1)
    one = seed_variation(aligned(base, cand, grad_norm=(base, 1.3 * cand)))
    two = seed_variation(aligned(scale * base, scale * cand, grad_norm=(base, 1.3 * cand)))
    assert one.verdict is two.verdict
    assert two.p_value == pytest.approx(one.p_value, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300, 1e306])
def test_a_series_that_crosses_zero_is_judged_in_any_unit(scale):
    rng = np.random.default_rng(20)
    base, cand = rng.uniform(-1, 1, (11, 120))[:10], rng.uniform(-1, 1, (1, 120))
    loss = curves(rng, 11)
    same = aligned(loss[:10], loss[10:], aux_loss=(scale * base, scale * cand))
    assert seed_variation(same).verdict is Verdict.PASS
    higher = aligned(loss[:10], loss[10:], aux_loss=(scale * base, scale * (cand + 1)))
    finding = seed_variation(higher)
    assert finding.verdict is Verdict.FAIL
    assert "the mean aux_loss " in str(finding.observed["largest_at"])


def test_values_at_the_ends_of_the_range_are_judged():
    rng = np.random.default_rng(20)
    base = curves(rng, 10)
    for cand in (np.full((1, 120), 1e300), np.full((1, 120), 1e-300), np.zeros((1, 120))):
        assert seed_variation(aligned(base, cand)).verdict is Verdict.FAIL
        assert seed_variation(aligned(base, -cand)).verdict is Verdict.FAIL
    assert seed_variation(aligned(1e-300 * base, np.full((3, 120), -1e300))).verdict is Verdict.FAIL
    zero = np.zeros((10, 120))
    assert seed_variation(aligned(zero, np.full((1, 120), 1e300))).verdict is Verdict.FAIL
    assert seed_variation(aligned(zero, np.full((1, 120), 1e-300))).verdict is Verdict.FAIL


@pytest.mark.parametrize("n", [1, 2, 3, FEW - 1, FEW, FEW + 1])
def test_any_number_of_records_is_judged(n):
    one = pair(seed=21, n=n)
    found = signature(one)
    assert found.names == ("loss: last",) if n < FEW else "loss: late noise" in found.names
    assert seed_variation(one).verdict is not Verdict.FAIL
    rng = np.random.default_rng(21)
    far = aligned(curves(rng, 10, n), 2 * curves(rng, 1, n))
    assert seed_variation(far).verdict is Verdict.FAIL


def test_a_tail_of_a_few_records_is_judged_by_its_last_value():
    rng = np.random.default_rng(22)
    base = [run(row, source=f"{i}.log") for i, row in enumerate(curves(rng, 10))]
    cand = run(curves(rng, 1)[0])
    policy = Policy(rules=(parse_rule("seed-variation"),), last=7)
    comparison = compare(base, cand, policy)
    assert comparison.judgement.findings[0].observed["features"] == 1
    assert comparison.verdict is Verdict.INCONCLUSIVE  # by min_steps, whatever the rule found
    long = compare(base, run(curves(rng, 1, 4000)[0]), replace(policy, last=None))
    assert long.verdict is Verdict.PASS  # what only one side logged is left out


def test_a_metric_of_any_name_is_judged():
    one = replace(pair(seed=23), metric="train: lm loss")
    finding = seed_variation(one)
    assert finding.verdict is Verdict.PASS
    assert "train: lm loss" in str(finding.observed["largest_at"])
    assert finding.observed["resolution"] == seed_variation(pair(seed=23)).observed["resolution"]


@pytest.mark.parametrize("level", ["0", "1", "1.5"])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(PolicyError, match="expected a number between 0 and 1"):
        parse_rule(f"seed-variation:level={level}")(pair(seed=24))


def test_repeated_seeds_leave_it_without_a_word():
    rng = np.random.default_rng(25)
    base = [run(row, seed=i % 9, source=f"b{i}.log") for i, row in enumerate(curves(rng, 10))]
    comparison = compare(base, run(3 * curves(rng, 1)[0], seed=100))
    assert comparison.judgement.findings[0].rule == "seed-variation"
    assert comparison.verdict is Verdict.INCONCLUSIVE


# The default


def test_an_infinite_distance_is_json_that_fits_the_schema():
    import jsonschema

    from harness.report.comparison.json import render

    def logged(row, rate, source):
        lr = Series(name="weight_norm", rank=0, steps=np.arange(120), values=rate)
        one = run(row, source=source)
        return replace(one, series=(*one.series, lr))

    rng, rate = np.random.default_rng(28), np.linspace(0.1, 0.01, 120)
    base = [logged(row, rate, f"{i}.log") for i, row in enumerate(curves(rng, 10))]
    made = json.loads(render(compare(base, logged(curves(rng, 1)[0], 1.5 * rate, "c.log"))))
    schema = Path(__file__).parents[1] / "docs" / "comparison.schema.json"
    jsonschema.validate(made, json.loads(schema.read_text(encoding="utf-8")))
    assert made["findings"][0]["rule"] == "seed-variation"
    assert made["findings"][0]["observed"]["largest_t"] == "inf"


@pytest.mark.parametrize(
    ("b", "c", "rule"),
    [
        (1, 1, "moderated"),
        (4, 1, "moderated"),
        (4, 4, "moderated"),
        (5, 1, "seed-variation"),
        (10, 4, "seed-variation"),
        (5, 5, "seed-variation"),
        (10, 10, "seed-variation"),
    ],
)
def test_the_default_is_the_rule_that_fits_the_number_of_runs(b, c, rule):
    one = pair(seed=26, b=b, c=c)
    found, named = default(one), RULES[rule](one)
    assert found.rule == rule
    assert (found.verdict, found.reason) == (named.verdict, named.reason)
    assert ("equivalence" in found.observed) == (min(b, c) >= 5)


@pytest.mark.parametrize("c", [4, 5, 10])
def test_more_candidate_runs_make_no_verdict_weaker(c):
    """Seeds of 0.3 %: a shift of 1.5 % fails, and honest runs pass, against ten seeds and five."""
    rng = np.random.default_rng(29)
    for b in (5, 10):
        passed = 0
        for _ in range(40):
            base, cand = (curves(rng, runs, level=0.003, noise=0.005) for runs in (b, c))
            passed += default(aligned(base, cand)).verdict is Verdict.PASS
            if b == 10:
                assert default(aligned(base, 1.015 * cand)).verdict is Verdict.FAIL
        assert passed >= 36


@pytest.mark.parametrize("c", [1, 10])
def test_a_validation_and_a_schedule_are_looked_at_whatever_the_number_of_runs(c):
    rng, rate = np.random.default_rng(30), np.linspace(0.1, 0.01, 120)
    base, cand = curves(rng, 10), curves(rng, c)
    stuck = aligned(base, cand, lr=([rate] * 10, [np.full(120, 0.1)] * c))
    assert default(stuck).verdict is Verdict.FAIL
    scores = 0.9 + 0.004 * rng.standard_normal((10 + c, 1))
    lower = aligned(base, cand, **{"val.mIoU": (scores[:10], scores[10:] - 0.1)})
    assert default(lower).verdict is Verdict.FAIL


def test_a_difference_beyond_the_margin_fails_where_seeds_would_explain_it():
    rng = np.random.default_rng(31)
    own = np.exp(0.03 * np.linspace(-1.5, 1.5, 10))[:, None]
    base = own * curves(rng, 1, level=0)
    base = base * np.exp(0.002 * rng.standard_normal(base.shape))
    one = aligned(base, 1.07 * base[::-1])
    seeds, found = seed_variation(one, level=1e-6), default(one)
    assert seeds.verdict is not Verdict.FAIL
    assert found.verdict is Verdict.FAIL


def test_a_report_says_which_rule_the_default_chose():
    from harness.comparison.result import judged
    from harness.report.comparison import failure, markdown, tables
    from harness.report.comparison.chart_data import limits
    from harness.report.comparison.json import document
    from harness.report.ports.junit import cases

    rng = np.random.default_rng(27)
    base = [run(row, source=f"{i}.log") for i, row in enumerate(curves(rng, 10))]
    many = compare(base, run(2 * curves(rng, 1)[0]))
    assert tables.policy_lines(many)[0] == "rule default, here seed-variation"
    assert "rule default, here seed\\-variation" in markdown.render(many).replace("-", "\\-")
    assert document(many)["findings"][0]["rule"] == "seed-variation"
    assert document(many)["policy"]["rules"] == [{"name": "default", "parameters": {}}]
    assert "rule: default, here seed-variation" in failure.of_rule(many, 0)
    (case,) = cases(judged("p", many))
    assert case.name == "default"
    assert case.message.startswith("seed-variation: 1 candidate run against 10 seeds")
    single = compare(base[0], run(2 * curves(rng, 1)[0]))
    assert tables.policy_lines(single)[0] == "rule default, here moderated"
    assert [limit.text for limit in limits(single)] == ["moderated ±5 %"]
    named = compare(base, run(curves(rng, 1)[0]), Policy(rules=(parse_rule("seed-variation"),)))
    assert tables.policy_lines(named)[0] == "rule seed-variation with level 0.01, resolution 0.1"
    assert judged("p", named).rules[0].reason.startswith("1 candidate run")

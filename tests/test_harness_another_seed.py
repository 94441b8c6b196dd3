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
from harness.align import align
from harness.curve import Run, Series
from harness.errors import PolicyError
from harness.rules import RULES, parse_rule
from harness.rules.another_seed import distances
from harness.stats.power import detectable, two_sided_t
from harness.stats.signature import FEW, STRETCHES, signature

another_seed, default = RULES["another-seed"], RULES["default"]


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
    return replace(align(side(base), side(cand)), companions=planned, signals=measured)


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
        levels = [sum(logs[max(a, 1) : z]) / (z - max(a, 1)) for a, z in itertools.pairwise(cuts)]
        noise = []
        for half in (logs[: n // 2], logs[n // 2 :]):
            moves = [abs(half[i + 1] - half[i]) for i in range(len(half) - 1)]
            noise.append(math.log(sum(moves) / len(moves)))
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


@pytest.mark.parametrize("c", [1, 3])
def test_a_distance_is_students_prediction_interval(c):
    """Beyond the interval of mean +- t s sqrt(1/B + 1/C) at the divided level, and only there."""
    one = pair(seed=2, b=8, c=c)
    base, cand = slow_features(one.baseline), slow_features(one.candidate)
    finding = another_seed(one)
    tests = base.shape[1]
    half = stats.t.ppf(1 - 0.01 / tests / 2, 7) * base.std(axis=0, ddof=1)
    half *= math.sqrt(1 / 8 + 1 / c)
    outside = np.abs(cand.mean(axis=0) - base.mean(axis=0)) > half
    assert finding.observed["beyond"] == outside.sum()
    ratios = (cand.mean(axis=0) - base.mean(axis=0)) / base.std(axis=0, ddof=1)
    t = ratios / math.sqrt(1 / 8 + 1 / c)
    assert distances(signature(one)).t == pytest.approx(t)
    p = 2 * stats.t.sf(np.abs(t), 7) * tests
    assert finding.p_value == pytest.approx(min(1.0, p.min()))
    critical = finding.observed["critical_t"]
    assert critical == pytest.approx(stats.t.ppf(1 - 0.005 / tests, 7))


def test_the_detectable_shift_is_noticed_as_often_as_it_says():
    rng = np.random.default_rng(3)
    for c in (1, 3):
        critical = two_sided_t(0.002, 9)
        shift = detectable(1.0, 10, c, critical_t=critical, power=0.9, degrees=9)
        base, cand = rng.standard_normal((20_000, 10)), rng.standard_normal((20_000, c)) + shift
        t = (cand.mean(axis=1) - base.mean(axis=1)) / base.std(axis=1, ddof=1)
        noticed = np.abs(t) / math.sqrt(1 / 10 + 1 / c) > critical
        assert noticed.mean() == pytest.approx(0.9, abs=0.01)


# Error rates


@pytest.mark.parametrize(("b", "c"), [(5, 1), (10, 1), (10, 3), (20, 1)])
def test_seeds_alone_fail_no_more_often_than_the_level(b, c):
    """400 comparisons at 5 %, below which Bonferroni keeps: at most 34 by the binomial's 99.9 %."""
    rng, one = np.random.default_rng(4), pair(b=b, c=c)
    failed = sum(
        another_seed(drawn(one, rng), level=0.05).verdict is Verdict.FAIL for _ in range(400)
    )
    assert 2 <= failed <= stats.binom.ppf(0.999, 400, 0.05)


def test_a_planted_shift_is_noticed_and_a_larger_one_more_often():
    rng, one = np.random.default_rng(5), pair()
    found = [
        sum(another_seed(drawn(one, rng, shift)).verdict is Verdict.FAIL for _ in range(60))
        for shift in (1.0, 1.1, 1.2)
    ]
    assert found[0] <= 5
    assert found[0] < found[1] < found[2]
    assert found[2] >= 54


# What differs


def test_noise_that_grows_late_is_noticed():
    rng = np.random.default_rng(6)
    base, cand = curves(rng, 10), curves(rng, 1)
    cand[:, 60:] *= np.exp(0.3 * rng.choice([-1, 1], 60))
    finding = another_seed(aligned(base, cand))
    assert finding.verdict is Verdict.FAIL
    assert finding.observed["largest_at"] == "loss: late noise"


@pytest.mark.parametrize("n", [FEW - 9, 120, 20_000])
@pytest.mark.parametrize("name", ["lr", "samples"])
def test_a_schedule_that_differs_in_one_record_fails(n, name):
    rate = 0.1 * (1 - np.arange(n) / n) ** 0.9
    other = rate.copy()
    other[n // 3] *= 1.002
    same = pair(seed=7, n=n, **{name: ([rate] * 10, [rate])})
    differs = pair(seed=7, n=n, **{name: ([rate] * 10, [other])})
    assert another_seed(same).verdict is not Verdict.FAIL
    finding = another_seed(differs)
    assert finding.verdict is Verdict.FAIL
    assert finding.p_value == 0
    assert f"{name}: schedule at step {n // 3} +0.2% (the same in every seed)" in finding.reason


def test_one_of_several_candidates_with_another_schedule_fails_though_their_mean_agrees():
    rate = np.linspace(0.1, 0.01, 120)
    lower, higher = rate.copy(), rate.copy()
    lower[50], higher[50] = 0.9 * rate[50], 1.1 * rate[50]
    one = pair(seed=8, c=2, lr=([rate] * 10, [lower, higher]))
    assert another_seed(one).verdict is Verdict.FAIL


def test_rounding_in_a_schedule_is_no_difference():
    """As in float32 or four printed digits, and where a rate has decayed to next to zero."""
    rate = 0.05 * (1 + np.cos(np.pi * np.arange(120) / 119))
    for rounded in (rate.astype(np.float32).astype(float), [float(f"{x:.3e}") for x in rate]):
        rounded[-1] = 3e-18
        one = pair(seed=9, lr=([rate] * 10, [rounded]))
        assert another_seed(one).verdict is Verdict.PASS


def test_a_schedule_is_no_test_and_costs_no_power():
    rate = np.linspace(0.1, 0.01, 120)
    alone, beside = another_seed(pair(seed=9)), another_seed(pair(seed=9, lr=([rate] * 10, [rate])))
    assert beside.p_value == alone.p_value
    assert beside.observed["critical_t"] == alone.observed["critical_t"]


def test_a_measured_figure_without_spread_leaves_the_question_open():
    """All ten seeds reach 100 %, the candidate 99.9 %: no seed shows how far one may lie."""
    everywhere = another_seed(pair(seed=9, **{"val.acc": ([[1.0]] * 10, [[1.0]])}))
    assert everywhere.verdict is Verdict.PASS
    finding = another_seed(pair(seed=9, **{"val.acc": ([[1.0]] * 10, [[0.999]])}))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "they show no spread to judge val.acc: last -0.1%" in finding.reason


def test_a_signal_that_differs_is_named_while_the_loss_agrees():
    rng = np.random.default_rng(10)
    norms = (3 * curves(rng, 10), 6 * curves(rng, 1))
    finding = another_seed(pair(seed=10, grad_norm=norms))
    assert finding.verdict is Verdict.FAIL
    assert str(finding.observed["largest_at"]).startswith("grad_norm: ")
    assert "no seed explains grad_norm: " in finding.reason


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
    policy = Policy(rules=(parse_rule("another-seed"),))
    same = compare(base, of_ranks(rng, source="c.log"), policy)
    assert same.verdict is Verdict.PASS
    drifted = compare(base, of_ranks(rng, 0.1, source="c.log"), policy)
    assert drifted.verdict is Verdict.FAIL
    assert "loss between ranks: level 5" in drifted.judgement.reasons[0]


# What never passes


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_never_passes(bad):
    rng = np.random.default_rng(12)
    base, cand = curves(rng, 10), curves(rng, 1)
    sick = cand.copy()
    sick[0, 60] = bad
    assert another_seed(aligned(base, sick)).verdict is Verdict.FAIL
    finding = another_seed(aligned(base, cand, grad_norm=(base, sick)))
    assert finding.verdict is Verdict.FAIL
    assert "grad_norm of the candidate is NaN or infinite on 1 steps" in finding.reason
    worse = base.copy()
    worse[3, 60] = bad
    assert another_seed(aligned(worse, cand)).verdict is Verdict.INCONCLUSIVE


def test_a_record_that_is_not_finite_in_a_signal_of_the_baseline_hides_nothing_else():
    rng = np.random.default_rng(13)
    base, cand = curves(rng, 10), curves(rng, 1)
    sick = base.copy()
    sick[3, 60] = math.nan
    assert another_seed(aligned(base, cand, grad_norm=(sick, cand))).verdict is Verdict.PASS
    assert another_seed(aligned(base, cand, grad_norm=(sick, 2 * cand))).verdict is Verdict.FAIL
    nothing = np.full_like(base, math.nan)
    alone = another_seed(aligned(base, cand))
    assert another_seed(aligned(base, cand, grad_norm=(nothing, cand))).reason == alone.reason


@pytest.mark.parametrize("b", [1, 2, 4])
def test_a_few_seeds_of_the_baseline_are_inconclusive(b):
    finding = another_seed(pair(seed=14, b=b))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.p_value is None
    assert f"log {5 - b} more of the baseline" in finding.reason


def test_a_pass_needs_that_a_difference_would_have_been_seen():
    one = pair(seed=15)
    assert another_seed(one).verdict is Verdict.PASS
    blunt = another_seed(one, detect=0.01)
    assert blunt.verdict is Verdict.INCONCLUSIVE
    assert "no difference was seen, but only a shift of loss: level 5 by" in blunt.reason
    seen = another_seed(one).observed["detectable_shift"]
    assert another_seed(one, detect=seen).verdict is Verdict.PASS


def test_an_empty_level_shows_nothing():
    """A final level of zero mean has no relative shift."""
    rng = np.random.default_rng(16)
    base = rng.standard_normal((10, 120))
    base -= base[:, 78:].mean()
    finding = another_seed(aligned(base, rng.standard_normal((1, 120))))
    assert finding.verdict is not Verdict.PASS


# Properties


@pytest.mark.parametrize("seed", range(12))
def test_a_wider_limit_never_turns_a_pass_into_a_fail(seed):
    rng = np.random.default_rng(100 + seed)
    one = aligned(curves(rng, 10), (1 + 0.01 * seed) * curves(rng, 1))
    order = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS]
    wider = [
        order.index(another_seed(one, detect=detect).verdict) for detect in (0.01, 0.1, 0.25, 1.0)
    ]
    assert wider == sorted(wider)
    stricter = [another_seed(one, level=level).verdict for level in (0.5, 0.05, 0.02, 1e-6)]
    failed = [verdict is Verdict.FAIL for verdict in stricter]
    assert failed == sorted(failed, reverse=True)


def test_the_order_of_the_runs_changes_nothing():
    rng = np.random.default_rng(17)
    base, cand = curves(rng, 10), 1.1 * curves(rng, 3)
    one, other = another_seed(aligned(base, cand)), another_seed(aligned(base[::-1], cand[::-1]))
    assert one.verdict is other.verdict
    assert one.reason == other.reason
    assert other.p_value == pytest.approx(one.p_value)
    assert one.p_value < 1


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1e300])
def test_the_unit_changes_nothing(scale):
    rng = np.random.default_rng(18)
    base, cand = curves(rng, 10), curves(rng, 1)
    one = another_seed(aligned(base, cand, grad_norm=(base, 1.3 * cand)))
    two = another_seed(aligned(scale * base, scale * cand, grad_norm=(base, 1.3 * cand)))
    assert one.verdict is two.verdict
    assert two.p_value == pytest.approx(one.p_value, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300, 1e306])
def test_a_series_that_crosses_zero_is_judged_in_any_unit(scale):
    rng = np.random.default_rng(20)
    base, cand = rng.uniform(-1, 1, (11, 120))[:10], rng.uniform(-1, 1, (1, 120))
    loss = curves(rng, 11)
    same = aligned(loss[:10], loss[10:], aux_loss=(scale * base, scale * cand))
    assert another_seed(same).verdict is Verdict.PASS
    higher = aligned(loss[:10], loss[10:], aux_loss=(scale * base, scale * (cand + 1)))
    finding = another_seed(higher)
    assert finding.verdict is Verdict.FAIL
    assert "aux_loss: level" in str(finding.observed["largest_at"])


def test_values_at_the_ends_of_the_range_are_judged():
    rng = np.random.default_rng(20)
    base = curves(rng, 10)
    for cand in (np.full((1, 120), 1e300), np.full((1, 120), 1e-300), np.zeros((1, 120))):
        assert another_seed(aligned(base, cand)).verdict is Verdict.FAIL
        assert another_seed(aligned(base, -cand)).verdict is Verdict.FAIL
    assert another_seed(aligned(1e-300 * base, np.full((3, 120), -1e300))).verdict is Verdict.FAIL
    zero = np.zeros((10, 120))
    assert another_seed(aligned(zero, np.full((1, 120), 1e300))).verdict is Verdict.FAIL
    assert another_seed(aligned(zero, np.full((1, 120), 1e-300))).verdict is Verdict.FAIL


@pytest.mark.parametrize("n", [1, 2, 3, FEW - 1, FEW, FEW + 1])
def test_any_number_of_records_is_judged(n):
    one = pair(seed=21, n=n)
    found = signature(one)
    assert found.names == ("loss: last",) if n < FEW else "loss: late noise" in found.names
    assert another_seed(one).verdict is not Verdict.FAIL
    rng = np.random.default_rng(21)
    far = aligned(curves(rng, 10, n), 2 * curves(rng, 1, n))
    assert another_seed(far).verdict is Verdict.FAIL


def test_a_tail_of_a_few_records_is_judged_by_its_last_value():
    rng = np.random.default_rng(22)
    base = [run(row, source=f"{i}.log") for i, row in enumerate(curves(rng, 10))]
    cand = run(curves(rng, 1)[0])
    policy = Policy(rules=(parse_rule("another-seed"),), last=7)
    comparison = compare(base, cand, policy)
    assert comparison.judgement.findings[0].observed["features"] == 1
    assert comparison.verdict is Verdict.INCONCLUSIVE  # by min_steps, whatever the rule found
    long = compare(base, run(curves(rng, 1, 4000)[0]), replace(policy, last=None))
    assert long.verdict is Verdict.PASS  # what only one side logged is left out


def test_a_metric_of_any_name_is_judged():
    one = replace(pair(seed=23), metric="train: lm loss")
    finding = another_seed(one)
    assert finding.verdict is Verdict.PASS
    assert str(finding.observed["largest_at"]).startswith("train: lm loss: ")
    assert (
        finding.observed["detectable_shift"]
        == another_seed(pair(seed=23)).observed["detectable_shift"]
    )


@pytest.mark.parametrize("level", ["0", "1", "1.5"])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(PolicyError, match="expected a number between 0 and 1"):
        parse_rule(f"another-seed:level={level}")(pair(seed=24))


def test_repeated_seeds_leave_it_without_a_word():
    rng = np.random.default_rng(25)
    base = [run(row, seed=i % 9, source=f"b{i}.log") for i, row in enumerate(curves(rng, 10))]
    comparison = compare(base, run(3 * curves(rng, 1)[0], seed=100))
    assert comparison.judgement.findings[0].rule == "another-seed"
    assert comparison.verdict is Verdict.INCONCLUSIVE


# The default


def test_an_infinite_distance_is_json_that_fits_the_schema():
    import jsonschema

    from harness.report.json import render

    def logged(row, rate, source):
        lr = Series(name="lr", rank=0, steps=np.arange(120), values=rate)
        one = run(row, source=source)
        return replace(one, series=(*one.series, lr))

    rng, rate = np.random.default_rng(28), np.linspace(0.1, 0.01, 120)
    base = [logged(row, rate, f"{i}.log") for i, row in enumerate(curves(rng, 10))]
    made = json.loads(render(compare(base, logged(curves(rng, 1)[0], 1.5 * rate, "c.log"))))
    schema = Path(__file__).parents[1] / "docs" / "comparison.schema.json"
    jsonschema.validate(made, json.loads(schema.read_text(encoding="utf-8")))
    assert made["findings"][0]["rule"] == "another-seed"
    assert made["findings"][0]["observed"]["largest_t"] == "inf"


@pytest.mark.parametrize(
    ("b", "c", "rule"),
    [
        (1, 1, "equivalence"),
        (4, 1, "equivalence"),
        (4, 4, "equivalence"),
        (5, 1, "another-seed"),
        (10, 4, "another-seed"),
        (5, 5, "equivalence"),
        (10, 10, "equivalence"),
    ],
)
def test_the_default_is_the_rule_that_fits_the_number_of_runs(b, c, rule):
    one = pair(seed=26, b=b, c=c)
    assert default(one) == RULES[rule](one)
    assert default(one).rule == rule


def test_a_report_says_which_rule_the_default_chose():
    from harness.report import failure, markdown, tables
    from harness.report.chart_data import limits
    from harness.report.json import document
    from harness.report.junit import cases
    from harness.results import judged

    rng = np.random.default_rng(27)
    base = [run(row, source=f"{i}.log") for i, row in enumerate(curves(rng, 10))]
    many = compare(base, run(2 * curves(rng, 1)[0]))
    assert tables.policy_lines(many)[0] == "rule default, which is another-seed here"
    assert "rule default, which is another\\-seed" in markdown.render(many).replace("-", "\\-")
    assert document(many)["findings"][0]["rule"] == "another-seed"
    assert document(many)["policy"]["rules"] == [{"name": "default", "limits": {}}]
    assert "asked: default, which is another-seed here" in failure.of_rule(many, 0)
    (case,) = cases(judged("p", many))
    assert case.name == "default"
    assert case.message.startswith("another-seed: 1 candidate run against 10 seeds")
    single = compare(base[0], run(2 * curves(rng, 1)[0]))
    assert tables.policy_lines(single)[0] == "rule default, which is equivalence here"
    assert [limit.text for limit in limits(single)] == ["equivalence ±2 %"]
    named = compare(base, run(curves(rng, 1)[0]), Policy(rules=(parse_rule("another-seed"),)))
    assert tables.policy_lines(named)[0] == "rule another-seed with level 0.01, detect 0.5"
    assert judged("p", named).rules[0].reason.startswith("1 candidate run")

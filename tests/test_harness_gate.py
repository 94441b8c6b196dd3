"""Gates on generated histories whose right answer is known: limits, rates, refusals, drift."""

import math

import numpy as np
import pytest
from gatehistories import normal
from loglines import run
from scipy import stats

from harness.errors import AlignmentError, PolicyError
from harness.gate.checks import check, order_tests, outliers
from harness.gate.figures import History, history_of_differences, history_of_runs
from harness.gate.limits import order, order_runs, student
from harness.gate.propose import fewest, propose
from harness.gate.worse import Worse


def history(values, **given):
    names = tuple(f"run_{i}" for i in range(len(values)))
    return History(metric="val.mIoU", names=names, values=values, last=1, steps=(9, 9), **given)


# Limits


def test_the_interval_of_few_runs_is_students_with_fewer_degrees():
    values = normal(11)
    limits = student(values, rate=0.01, worse=Worse.LOWER)
    t = stats.t.ppf(0.99, 1 / (1 / 10 + 1 / 5))
    expected = values.mean() - t * values.std(ddof=1) * math.sqrt(1 + 1 / 11)
    assert limits.low == pytest.approx(expected, abs=1e-4)
    assert limits.low <= expected, "a limit is rounded away from the values"
    assert limits.high is None
    assert limits.rate_if_normal == pytest.approx(stats.t.sf(t, 10))


def test_both_directions_share_the_rate():
    values = normal(11)
    both = student(values, rate=0.02, worse=Worse.BOTH)
    assert both.low == student(values, rate=0.01, worse=Worse.LOWER).low
    assert both.high == student(values, rate=0.01, worse=Worse.HIGHER).high


def test_the_mean_of_several_runs_has_narrower_limits():
    values = normal(11)
    one, four = (student(values, rate=0.01, worse=Worse.LOWER, runs=k) for k in (1, 4))
    width = [0.7 - limits.low for limits in (one, four)]
    assert width[1] / width[0] == pytest.approx(
        math.sqrt((1 / 4 + 1 / 11) / (1 + 1 / 11)), rel=0.01
    )


@pytest.mark.parametrize(
    "distribution", [stats.norm(), stats.t(5), stats.gamma(4), stats.laplace()]
)
@pytest.mark.parametrize("n", [5, 15])
def test_the_rate_of_few_runs_holds_for_heavy_tails_and_skewness(distribution, n):
    rng = np.random.default_rng(5)
    drawn = distribution.rvs(size=(3000, n), random_state=rng)
    for worse, beyond in ((Worse.LOWER, distribution.cdf), (Worse.HIGHER, distribution.sf)):
        limits = [student(values, rate=0.01, worse=worse) for values in drawn]
        rates = beyond([g.high if g.low is None else g.low for g in limits])
        assert rates.mean() <= 0.01 + 3 * rates.std() / np.sqrt(3000)


def test_a_shift_of_the_stated_size_is_noticed_with_the_stated_probability():
    rng = np.random.default_rng(6)
    limits = [student(rng.standard_t(5, 10), rate=0.01, worse=Worse.LOWER) for _ in range(1500)]
    for i, power in enumerate((0.8, 0.9)):
        noticed = [stats.t.cdf(g.low + g.notices[i][1], 5) for g in limits]
        assert power - 0.005 <= np.mean(noticed) <= power + 0.05


@pytest.mark.parametrize("distribution", [stats.norm(), stats.expon(), stats.t(2), stats.uniform()])
def test_the_rate_of_an_order_statistic_holds_for_any_distribution(distribution):
    rng = np.random.default_rng(7)
    drawn = distribution.rvs(size=(2000, 39), random_state=rng)
    limits = [order(values, rate=0.05, worse=Worse.BOTH) for values in drawn]
    assert {g.rate for g in limits} == {0.05}
    rates = np.array([distribution.cdf(g.low) + distribution.sf(g.high) for g in limits])
    assert rates.mean() == pytest.approx(0.05, abs=0.002)
    kept = np.mean(rates <= limits[0].own_rate)
    assert kept == pytest.approx(0.9, abs=0.03)
    noticed = [distribution.cdf(g.low + g.notices[0][1]) for g in limits]
    assert np.mean(noticed) >= 0.79


def test_the_limit_of_enough_runs_is_the_smallest_of_them():
    values = normal(99)
    limits = propose(history(values), worse=Worse.LOWER).limits
    assert (limits.method, limits.rate) == ("order", 0.01)
    assert limits.low == pytest.approx(values.min(), abs=1e-4)
    assert propose(history(normal(98)), worse=Worse.LOWER).limits.method == "student"


def test_ties_pass_a_gate_that_they_gave():
    values = np.round(normal(120), 2)
    assert order(values, rate=0.01, worse=Worse.LOWER).low <= values.min()
    equal = np.full(120, 0.71)
    limits = propose(history(equal), worse=Worse.LOWER).limits
    assert (limits.low, limits.rate) == (0.71, pytest.approx(1 / 121))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_limits_follow_the_unit(scale):
    limits = student(scale * normal(11), rate=0.01, worse=Worse.BOTH)
    one = student(normal(11), rate=0.01, worse=Worse.BOTH)
    assert limits.low == pytest.approx(scale * one.low, rel=1e-3)
    assert limits.high == pytest.approx(scale * one.high, rel=1e-3)


# Halving


def test_the_runs_that_halve_a_regression_do_so():
    values = normal(12)
    proposal = propose(history(values), worse=Worse.LOWER)
    k = proposal.halving.runs
    again = propose(history(values), worse=Worse.LOWER, runs=k)
    before = propose(history(values), worse=Worse.LOWER, runs=k - 1)
    goal = proposal.limits.notices[0][1] / 2
    assert again.limits.notices[0][1] <= goal < before.limits.notices[0][1]


def test_no_history_halves_what_a_single_run_varies_by():
    assert propose(history(normal(12)), worse=Worse.LOWER).halving.history is None


# Refusals


@pytest.mark.parametrize("n", [1, 3, 4])
def test_few_runs_are_refused_with_the_number_that_is_needed(n):
    proposal = propose(history(normal(11)[:n]))
    assert proposal.limits is None
    (refusal,) = proposal.refusals
    assert f"needs 5 runs or more; log {5 - n} more run" in refusal


def test_a_rate_that_was_not_measured_needs_runs_without_an_assumption():
    proposal = propose(history(normal(12)), rate=0.0005, worse=Worse.LOWER)
    assert proposal.needed == fewest(0.0005, Worse.LOWER) == order_runs(0.0005, Worse.LOWER) == 1999
    assert "needs 1999 runs" in proposal.refusals[0]
    assert "--rate 0.001" in proposal.refusals[0]


def test_values_far_from_normal_are_refused_below_the_runs_that_need_no_distribution():
    rng = np.random.default_rng(1)
    skewed = rng.permutation(stats.lognorm(1.5).ppf((np.arange(30) + 0.5) / 30))
    refused = propose(history(skewed), worse=Worse.HIGHER)
    assert refused.limits is None
    assert "far from normal" in refused.refusals[0]
    assert "needs 99 runs" in refused.refusals[0]
    assert "--rate 0.032" in refused.refusals[0]
    assert propose(history(skewed), rate=0.0323, worse=Worse.HIGHER).limits.method == "order"


def test_equal_values_show_no_spread():
    proposal = propose(history(np.full(20, 8192.0)), worse=Worse.HIGHER)
    assert "all 20 values are equal" in proposal.refusals[0]
    assert propose(history(np.full(20, 8192.0)), rate=0.05, worse=Worse.HIGHER).limits.high == 8192


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_run_that_is_not_finite_is_named(bad):
    values = normal(12)
    values[3] = bad
    (refusal,) = propose(history(values)).refusals
    assert "NaN or infinite in run_3" in refusal


@pytest.mark.parametrize("rate", [0.0, -0.1, 0.3, math.nan])
def test_a_rate_out_of_range_is_an_error(rate):
    with pytest.raises(PolicyError, match="rate is"):
        propose(history(normal(12)), rate=rate)


# Drift and outliers


@pytest.mark.parametrize(("slope", "word"), [(0.05, "rise"), (-0.05, "fall")])
def test_a_trend_is_refused_with_its_direction(slope, word):
    values = normal(12) + slope * np.arange(12) / 12
    (refusal,) = propose(history(values)).refusals
    assert f"the values {word} from run to run" in refusal


def test_a_step_that_came_and_went_is_a_drift_without_a_trend():
    values = normal(24) + 0.05 * np.repeat([0, 1, 0], 8)
    (refusal,) = propose(history(values)).refusals
    assert "neighbouring runs resemble each other" in refusal


@pytest.mark.parametrize("n", [5, 7, 12])
def test_the_tests_for_drift_keep_their_level_also_with_ties_and_outliers(n):
    rng = np.random.default_rng(n)
    errors = np.zeros(2)
    for _ in range(400):
        values = np.round(rng.standard_cauchy(n))
        if np.ptp(values) > 0:
            errors += np.array(order_tests(values, orders=499)[1:]) <= 0.05
    assert (errors / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)).all()


def test_the_p_values_of_a_trend_are_those_of_all_orders():
    correlation, trend, _ = order_tests(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert correlation == pytest.approx(1)
    assert trend == pytest.approx(2 / math.factorial(5))


def test_two_outliers_do_not_hide_each_other():
    values = normal(20)
    values[[4, 11]] = 0.9, 0.905
    assert sorted(outliers(values)) == [4, 11]
    assert outliers(normal(20)) == ()


def test_a_single_outlier_is_that_of_grubbs():
    values = normal(9)
    for size in (2.0, 2.2, 2.25, 2.4, 3.0):
        shifted = values.copy()
        shifted[2] = 0.7 + 0.02 * size
        distance = np.abs(shifted - shifted.mean()) / shifted.std(ddof=1)
        t = stats.t.isf(0.05 / 18, 7)
        critical = 8 / 3 * math.sqrt(t * t / (7 + t * t))
        assert (outliers(shifted) == (2,)) == bool(distance.max() > critical)


def test_an_outlier_is_named_and_still_counted():
    values = normal(12)
    values[5] = 0.655
    proposal = propose(history(values))
    text = " ".join((*proposal.notes, *proposal.refusals))
    assert "run_5" in text
    assert len(proposal.history.values) == 12


def test_a_run_left_out_on_request_is_named():
    values = normal(12)
    values[5] = 0.4
    assert propose(history(values)).limits is None
    proposal = propose(history(values).without(["run_5"]))
    assert proposal.limits is not None
    assert "left out on request: run_5" in proposal.notes[0]
    with pytest.raises(PolicyError, match="no run 'run_77' in the history"):
        history(values).without(["run_77"])


def test_without_enough_runs_nothing_is_tested():
    assert check(normal(11)[:4]).drift is None


# Figures


def runs(count=6, *, steps=40, first=0, **facts):
    curves = [np.linspace(2, 1, steps) + 0.01 * i for i in range(first, first + count)]
    return [run(c, source=f"run_{i}.log", **facts) for i, c in enumerate(curves)]


def test_a_figure_is_the_mean_of_the_last_records():
    found = history_of_runs(runs(), metric="loss", last=4)
    assert found.values.tolist() == pytest.approx(
        [np.linspace(2, 1, 40)[-4:].mean() + 0.01 * i for i in range(6)]
    )
    assert (found.last, found.steps) == (4, (36, 39))
    assert history_of_runs(runs(), metric="loss").last == 14


def test_runs_of_different_lengths_are_reduced_at_the_same_steps():
    short = run(1.5 + np.linspace(2, 1, 40)[:30], source="short.log")
    found = history_of_runs([*runs(), short], metric="loss", last=5)
    assert found.steps == (25, 29)
    assert "short.log ended before the others" in found.notes[0]


def test_a_copy_counts_once():
    from dataclasses import replace

    made = [replace(r, sha256=str(i)) for i, r in enumerate(runs())]
    found = history_of_runs([*made, replace(made[0], source="copy.log")], metric="loss")
    assert len(found.names) == 6
    assert "copies of other logs, not counted: copy.log" in found.notes[0]


def test_a_log_with_the_values_of_another_is_a_copy_unless_they_are_few_or_constant():
    made = [*runs(), run(np.linspace(2, 1, 40), source="header_edited.log")]
    assert "header_edited.log" in history_of_runs(made, metric="loss").notes[0]
    few = [run([0.7, 0.71], source=f"{i}") for i in range(6)]
    constant = [run(np.full(40, 8192.0), source=f"{i}") for i in range(6)]
    for honest in (few, constant):
        assert len(history_of_runs(honest, metric="loss").names) == 6


def test_a_mixture_of_recipes_is_refused_unless_it_is_allowed():
    mixed = [*runs(3, batch_per_device=2), *runs(3, first=3, batch_per_device=4)]
    refusals = propose(history_of_runs(mixed, metric="loss")).refusals
    assert any("batch_per_device is 2 in run_0.log and 4" in refusal for refusal in refusals)
    allowed = propose(history_of_runs(mixed, metric="loss", allow=["batch_per_device"])).refusals
    assert not any("recipe" in refusal for refusal in allowed)


def test_a_run_without_the_series_is_an_error():
    with pytest.raises(AlignmentError, match=r"no series 'val\.mIoU'"):
        history_of_runs(runs(), metric="val.mIoU")


def test_a_check_of_the_same_logs_counts_once():
    found = history_of_differences(list("abcd"), [0.01, -0.02, 0.01, 0.03])
    assert found.names == ("a", "b", "d")
    assert "1 check repeated" in found.notes[0]
    assert found.relative


@pytest.mark.shared
def test_the_promised_rate_holds_on_seeds_that_no_choice_has_seen(shared_data):
    from benchmarks.gate.real import of_families, rates

    found = [
        f for f in of_families(shared_data / "seed_families", last=None) if f.family == "flux1"
    ]
    for row in rates(found, 0.05, seed=1):
        assert row.judged > 140
        assert row.low <= 0.05
        assert row.share <= 0.08

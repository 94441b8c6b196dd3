"""Statistics of a final figure: closed forms, scipy, and simulations with known truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.align.aligned import Aligned
from harness.log.published import Published, Spread
from harness.log.run import Series
from harness.rules import Verdict
from harness.rules.final_metric import final_metric
from harness.stats.final_figure import difference, least_margin, noticed, pooled, runs_to_pass

METRIC, STEP = "val.mIoU", np.array([0])
AUTHORS = ((0.7731, 0.7791, 0.7689), (0.7974, 0.7922, 0.7840), (0.7867, 0.8000, 0.7983))


def side(values):
    return tuple(Series(name=METRIC, rank=0, steps=STEP, values=np.array([v])) for v in values)


def aligned(base, cand, *, spread=None):
    """Final figures of both sides, with a spread (value, degrees) of other runs."""
    base, cand = np.asarray(base, dtype=float), np.asarray(cand, dtype=float)
    known = {METRIC: Spread(value=spread[0], degrees=spread[1], names=("x",))} if spread else {}
    return Aligned(
        metric=METRIC,
        rank=0,
        window=1,
        steps=STEP,
        baseline=base[:, None],
        candidate=cand[:, None],
        baseline_only=STEP[:0],
        candidate_only=STEP[:0],
        missing=STEP[:0],
        baseline_series=side(base),
        candidate_series=side(cand),
        lag=None,
        published=Published(name="published/y", source="us", url="", spreads=known),
    )


def test_the_pooled_spread_is_the_root_of_the_residual_variance_of_an_anova():
    spread, degrees = pooled([np.array(group) for group in AUTHORS])
    within = sum(np.var(group, ddof=1) * (len(group) - 1) for group in AUTHORS)
    assert (spread, degrees) == (pytest.approx(math.sqrt(within / 6)), 6)
    assert spread == pytest.approx(0.006437, abs=1e-6)
    assert pooled([np.array([0.5]), np.array([0.7])])[1] == 0


def test_with_the_spread_of_the_runs_alone_it_is_students_t_test():
    base, cand = [0.7974, 0.7922, 0.7840], [0.7801, 0.7755, 0.7850, 0.7790]
    own, degrees = pooled([np.array(base)])
    finding = final_metric(aligned(base, cand, spread=(own, degrees)))
    test = stats.ttest_ind(cand, base)
    assert finding.p_value == pytest.approx(test.pvalue)
    low, high = test.confidence_interval(0.9)
    assert finding.observed["low"] == pytest.approx(low)
    assert finding.observed["high"] == pytest.approx(high)
    assert finding.observed["degrees"] == test.df


def test_one_run_against_one_is_the_prediction_interval():
    finding = final_metric(aligned([0.7776], [0.7642], spread=(0.0064, 6)))
    t = (0.7642 - 0.7776) / (0.0064 * math.sqrt(2))
    assert finding.p_value == pytest.approx(2 * stats.t(6).sf(abs(t)))
    half = stats.t(6).ppf(0.95) * 0.0064 * math.sqrt(2)
    assert finding.observed["high"] - finding.observed["low"] == pytest.approx(2 * half)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (3, 2), (5, 5)])
def test_a_shift_of_the_size_that_is_noticed_is_noticed_as_often(n, m):
    """The spread is known here (10^6 degrees), so the share is that of the normal distribution."""
    error = 0.0064 * math.sqrt(1 / n + 1 / m)
    for margin in (0.0, 0.025):
        size = noticed(error, 10**6, margin=margin, level=0.05, power=0.8)
        limit = max(stats.norm.ppf(0.975) * error, margin - stats.norm.ppf(0.95) * error)
        assert stats.norm(size, error).sf(limit) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize(("n", "m", "degrees"), [(1, 1, 6), (1, 3, 6), (3, 5, 6), (2, 2, 0)])
def test_the_least_margin_passes_an_equal_port_as_often_as_it_says(n, m, degrees):
    margin = least_margin(n, m, spread=0.01, degrees=degrees, level=0.05, power=0.8)
    error = 0.01 * math.sqrt(1 / n + 1 / m)
    room = margin - stats.t(degrees + m - 1).ppf(0.95) * error
    assert stats.norm.cdf(room / error) - stats.norm.cdf(-room / error) == pytest.approx(0.8)


def test_without_degrees_of_freedom_no_margin_passes():
    assert least_margin(1, 1, spread=0.01, degrees=0, level=0.05, power=0.8) == math.inf


@given(st.integers(1, 6), st.floats(0.005, 0.05))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_number_of_runs_is_the_first_whose_least_margin_is_small_enough(n, margin):
    given = {"spread": 0.0064, "degrees": 6, "level": 0.05, "power": 0.8}
    margins = [least_margin(n, m, **given) for m in range(1, 101)]
    expected = next((m for m, least in enumerate(margins, 1) if least <= margin), 0)
    assert runs_to_pass(n, margin, **given) == expected


@given(st.floats(0.6, 0.9), st.floats(0.001, 0.01), st.floats(0.005, 0.05))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_wider_margin_never_turns_a_pass_into_something_else(value, spread, margin):
    both = aligned([0.7776], [value], spread=(spread, 6))
    if final_metric(both, margin=margin).verdict is Verdict.PASS:
        assert final_metric(both, margin=1.1 * margin).verdict is Verdict.PASS


@pytest.mark.parametrize("margin", [0.005, 0.025])
def test_both_directions_are_judged_alike(margin):
    for shift in np.linspace(0, 0.05, 26):
        down, up = (
            final_metric(aligned([0.5], [0.5 + s], spread=(0.0064, 6)), margin=margin)
            for s in (-shift, shift)
        )
        assert down.verdict is up.verdict
        assert down.p_value == pytest.approx(up.p_value)


def test_the_spread_of_several_candidate_runs_counts():
    calm, wild = [0.777, 0.778, 0.776], [0.727, 0.828, 0.776]
    errors = [
        difference(np.array([0.7776]), np.array(c), spread=0.0064, degrees=6)[0].error
        for c in (calm, wild)
    ]
    assert errors[1] > 3 * errors[0]
    assert final_metric(aligned([0.7776], wild, spread=(0.0064, 6))).verdict is not Verdict.PASS


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_not_finite_never_passes(bad):
    assert final_metric(aligned([0.7], [bad], spread=(0.01, 6))).verdict is Verdict.FAIL
    assert final_metric(aligned([0.7], [0.7, bad], spread=(0.01, 6))).verdict is Verdict.FAIL


def test_equal_figures_without_any_spread_do_not_pass():
    assert final_metric(aligned([0.7], [0.7])).verdict is Verdict.INCONCLUSIVE
    assert final_metric(aligned([0.7], [0.7, 0.7])).verdict is Verdict.INCONCLUSIVE


def verdicts(n, m, shift, *, draws, seed):
    """Verdicts on normal runs: nine show the spread, and the candidate is lower by `shift`."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(draws):
        shown = pooled([rng.normal(0, 0.0064, 3) for _ in range(3)])
        base, cand = rng.normal(0.78, 0.0064, n), rng.normal(0.78 - shift, 0.0064, m)
        made.append(final_metric(aligned(base, cand, spread=shown)).verdict)
    return made


def share(made, verdict):
    """The share of a verdict, with the bounds of Clopper and Pearson's interval at 99.9 %."""
    bounds = stats.binomtest(made.count(verdict), len(made)).proportion_ci(0.999)
    return made.count(verdict) / len(made), bounds.low, bounds.high


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3)])
def test_equal_trainings_fail_at_most_as_often_as_the_level(n, m):
    _, low, _ = share(verdicts(n, m, 0.0, draws=1500, seed=1), Verdict.FAIL)
    assert low <= 0.05


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 3), (3, 3)])
def test_trainings_that_differ_by_the_margin_pass_at_most_as_often_as_the_level(n, m):
    _, low, _ = share(verdicts(n, m, 0.025, draws=1500, seed=2), Verdict.PASS)
    assert low <= 0.05


def test_a_shift_of_the_stated_size_fails_about_as_often_as_stated():
    size = noticed(0.0064 * math.sqrt(2), 6, margin=0.025, level=0.05, power=0.8)
    _, low, high = share(verdicts(1, 1, size, draws=1500, seed=3), Verdict.FAIL)
    assert low <= 0.80 <= high + 0.02


def test_the_simulation_would_notice_a_spread_that_is_too_small():
    rng = np.random.default_rng(4)
    made = [
        final_metric(
            aligned(rng.normal(0.78, 0.0064, 1), rng.normal(0.78, 0.0064, 1), spread=(0.0032, 6))
        ).verdict
        for _ in range(500)
    ]
    assert share(made, Verdict.FAIL)[1] > 0.05

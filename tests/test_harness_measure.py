"""Errors between curves against plain Python sums and the published figures."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loglines import decaying, run

from harness.align.aligned import align
from harness.align.measure import errors, measure, smooth
from harness.align.scale import exponent_of, in_unit
from harness.align.thinning import stretches

curves = st.lists(st.tuples(st.floats(0.01, 100), st.floats(-100, 100)), min_size=1, max_size=40)


@given(curves)
def test_every_error_equals_its_sum_by_hand(pairs):
    base, cand = (np.array(side) for side in zip(*pairs, strict=True))
    e = errors("x", np.arange(len(pairs)) + 5, base, cand)
    diff = [c - b for b, c in pairs]
    rel = [(c - b) / abs(b) for b, c in pairs]
    n = len(pairs)
    assert e.count == n
    assert (e.first_step, e.last_step) == (5, n + 4)
    for found, by_hand in [
        (e.absolute, math.fsum(diff) / n),
        (e.abs_absolute, math.fsum(map(abs, diff)) / n),
        (e.relative, math.fsum(rel) / n),
        (e.abs_relative, math.fsum(map(abs, rel)) / n),
        (e.rmse, math.sqrt(math.fsum(d * d for d in diff) / n)),
        (e.max_absolute, max(map(abs, diff))),
        (e.max_relative, max(map(abs, rel))),
    ]:
        assert found == pytest.approx(by_hand, rel=1e-12, abs=1e-12)
    assert abs(diff[e.max_absolute_step - 5]) == e.max_absolute


def test_errors_are_candidate_minus_baseline():
    aligned = align([run([2.0, 2.0])], [run([1.0, 1.0])])
    assert measure(aligned).overall.absolute == -1
    assert measure(aligned).overall.relative == -0.5


def test_windows_are_thirds_and_the_last_steps():
    measures = measure(align([run(decaying(10))], [run(decaying(10, seed=1))]), last=4)
    spans = [(w.name, w.first_step, w.last_step) for w in measures.windows]
    assert spans == [
        ("first third", 0, 2),
        ("middle third", 3, 5),
        ("last third", 6, 9),
        ("last 4", 6, 9),
    ]


def test_a_value_that_is_not_finite_shows_in_every_mean_and_is_located():
    e = errors("x", np.arange(3), np.ones(3), np.array([1.0, np.nan, 9.0]))
    assert math.isnan(e.abs_relative)
    assert math.isnan(e.rmse)
    assert e.max_absolute_step == 1
    measures = measure(align([run([1.0, 1.0])], [run([1.0, np.inf])]))
    assert (measures.nonfinite_baseline, measures.nonfinite_candidate) == (0, 1)


def test_a_baseline_of_zero_makes_the_relative_error_not_finite():
    e = errors("x", np.arange(2), np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert math.isnan(e.relative)
    assert e.absolute == 0


def test_smoothing_is_a_moving_average_with_fitted_ends():
    values = decaying(30, noise=0.3)
    smoothed = smooth(values)
    middle = [sum(values[i - 2 : i + 3].tolist()) / 5 for i in range(2, 28)]
    assert np.allclose(smoothed[2:28], middle, rtol=1e-12)
    slope, height = np.polyfit(np.arange(5), values[:5], 1)
    assert np.allclose(smoothed[:2], [height, height + slope], rtol=1e-12)
    assert np.array_equal(smooth(values[:4]), values[:4])


@pytest.mark.shared
def test_figures_of_the_published_pair(shared_data):
    from harness.storage.logs import read_run

    sides = [read_run(shared_data / "ccnet" / f"{side}.log") for side in ("cuda", "sdaa")]
    last = measure(align([sides[0]], [sides[1]])).windows[-1]
    assert last.relative == -0.2982997567927939
    assert last.absolute == -0.7589329922199249
    assert round(last.abs_relative, 4) == 0.4149
    assert round(last.abs_absolute, 4) == 0.9089


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (7, 3), (80, 80), (161, 80), (9, 0)])
def test_stretches_are_those_of_numpy(count, most):
    parts = np.array_split(np.arange(count), min(count, most)) if count and most else []
    cut = stretches(count, most)
    assert [np.arange(count)[part].tolist() for part in cut] == [part.tolist() for part in parts]


@pytest.mark.parametrize("values", [[0.0, 0.0], [1e300, -1e308], [3.0], [1e-300, -2e-300], []])
def test_a_unit_of_a_power_of_two_changes_no_bit(values):
    given = np.array(values)
    unit = in_unit(given)
    assert np.array_equal(np.ldexp(unit, exponent_of(given)), given)
    assert (np.abs(unit) <= 1).all()
    assert not given.any() or np.abs(unit).max() >= 0.5

"""Alignment on steps: what is common, what is left out, and why."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loglines import decaying, run

from harness import compare
from harness.align.aligned import align
from harness.align.lag import lag
from harness.align.windows import widen
from harness.errors import AlignmentError
from harness.storage.logs import read_run

ROOT = Path(__file__).parents[1]

step_sets = st.sets(st.integers(0, 60), min_size=1)


@given(step_sets, step_sets)
def test_common_and_left_out_steps_are_those_of_plain_sets(left, right):
    a = run(np.ones(len(left)), steps=sorted(left))
    b = run(np.ones(len(right)), steps=sorted(right))
    if not left & right:
        with pytest.raises(AlignmentError, match="no common step of 'loss'"):
            align([a], [b])
        return
    aligned = align([a], [b])
    assert set(aligned.steps.tolist()) == left & right
    assert set(aligned.baseline_only.tolist()) == left - right
    assert set(aligned.candidate_only.tolist()) == right - left
    assert aligned.coverage == len(left & right) / len(left | right)


@given(step_sets, step_sets)
def test_values_stay_beside_their_steps(left, right):
    if not left & right:
        return
    aligned = align(
        [run([10.0 * s for s in sorted(left)], steps=sorted(left))],
        [run([-1.0 * s for s in sorted(right)], steps=sorted(right))],
    )
    assert np.array_equal(aligned.baseline[0], 10.0 * aligned.steps)
    assert np.array_equal(aligned.candidate[0], -1.0 * aligned.steps)


def test_a_shorter_log_is_no_gap_and_a_hole_is():
    whole = run(decaying(100))
    short = align([whole], [run(decaying(60))])
    assert (short.baseline_only.size, short.missing.size) == (40, 0)
    holed = np.delete(np.arange(100), [30, 31])
    holes = align([whole], [run(decaying(98), steps=holed)])
    assert holes.missing.tolist() == [30, 31]


def test_a_coarser_logging_interval_is_no_gap_unless_it_has_one_itself():
    fine = run(decaying(100))
    tens = np.arange(0, 100, 10)
    assert align([fine], [run(decaying(10), steps=tens)]).missing.size == 0
    broken = np.delete(tens, 4)
    assert align([fine], [run(decaying(9), steps=broken)]).missing.size > 0


def test_a_step_that_one_run_of_an_ensemble_lacks_is_missing():
    runs = [run(decaying(50)), run(decaying(49), steps=np.delete(np.arange(50), 20))]
    aligned = align(runs, [run(decaying(50))])
    assert aligned.baseline.shape == (2, 49)
    assert aligned.missing.tolist() == [20]


def test_the_mean_of_one_run_has_its_very_bits():
    one = run(decaying(50))
    assert align([one], [one]).baseline_mean.tobytes() == one.series[0].values.tobytes()


def test_the_narrower_window_is_averaged_to_the_wider():
    each = decaying(40)
    wide = [float(np.mean(each[s - 9 : s + 1])) for s in (9, 19, 29, 39)]
    aligned = align([run(each)], [run(wide, steps=[9, 19, 29, 39], window=10)])
    assert aligned.window == 10
    assert aligned.steps.tolist() == [9, 19, 29, 39]
    assert np.allclose(aligned.baseline, aligned.candidate, rtol=1e-14)


def test_a_mean_that_lacks_a_step_is_left_out():
    series = run([1.0, 2.0, 3.0, 5.0], steps=[0, 1, 2, 4]).series[0]
    assert widen(series, 2).steps.tolist() == [1, 2]
    assert widen(series, 2).values.tolist() == [1.5, 2.5]
    assert len(widen(series, 9)) == 0


def test_a_mean_cannot_be_turned_into_another():
    with pytest.raises(AlignmentError, match=r"loss@10 .* means of 50 steps\. Log"):
        align([run(decaying(9), window=10)], [run(decaying(9), window=25)])


def means(per_step, window, *, first=0, lost=()):
    """A run that logs the mean since the last record, every `window` steps."""
    ends = [e for e in range(first + window, per_step.size + 1, window) if e not in lost]
    values = [float(per_step[end - window : end].mean()) for end in ends]
    return run(values, steps=[end - 1 for end in ends], window=window)


def test_means_over_80_and_384_steps_are_compared_over_1920():
    count = np.arange(1920 * 60)
    line = 5 - count / 1e5  # the mean of a line over an interval is its value in the middle
    made = compare([means(line, 80)], [means(line + 0.5, 384)])
    aligned = made.aligned
    assert aligned.window == 1920
    assert aligned.steps.tolist() == [1920 * i - 1 for i in range(1, 61)]
    middle = 5 - (aligned.steps - 1919 / 2) / 1e5
    assert np.allclose(aligned.baseline[0], middle, rtol=1e-12)
    assert np.allclose(aligned.candidate[0], middle + 0.5, rtol=1e-12)
    (note,) = [note for note in made.notes if "1920" in note]
    assert note == (
        "loss is compared as means of 1920 steps, the shortest interval that whole means of both "
        "sides fill (logged are means of 80 and 384 steps); no record is split or interpolated"
    )


def test_an_interval_that_lacks_a_mean_is_left_out():
    line = np.arange(1920 * 4) / 10
    aligned = align([means(line, 80, lost={1920 + 160})], [means(line, 384)])
    assert aligned.steps.tolist() == [1919, 3 * 1920 - 1, 4 * 1920 - 1]
    assert np.allclose(aligned.baseline, aligned.candidate, rtol=1e-12)


def test_a_first_record_of_its_own_does_not_hide_the_common_interval():
    line = np.arange(1920 * 4) / 10
    sides = [means(line, window) for window in (80, 384)]
    first = run([line[0]], steps=[0]).series
    aligned = align(*([replace(side, series=(*first, *side.series))] for side in sides))
    assert (aligned.window, aligned.steps.size) == (1920, 4)
    assert aligned.left_out == ((1, 1),)


def test_means_that_overlap_or_end_elsewhere_are_not_joined():
    line = np.arange(1920 * 4) / 10
    overlapping = run(line[9:], steps=range(9, line.size), window=10)
    with pytest.raises(AlignmentError, match=r"loss@10 .* means of 1920 steps\. Log"):
        align([overlapping], [means(line, 384)])
    with pytest.raises(AlignmentError, match="no common step"):
        align([means(line, 80)], [means(line, 384, first=1)])


def test_equal_windows_need_no_joining():
    line = np.arange(800) / 10
    made = compare([means(line, 80)], [means(line, 80)])
    assert made.aligned.window == 80
    assert not any("interval" in note for note in made.notes)


def test_a_missing_series_names_those_that_are_there():
    with pytest.raises(AlignmentError) as caught:
        align([run(decaying(9), source="a.log")], [run(decaying(9))], metric="acc", rank=3)
    assert str(caught.value) == (
        "a.log: no series 'acc' of rank 3; found: loss (rank 0). Choose --metric and --rank."
    )


def test_logs_of_different_parts_of_training_say_which():
    first, second = run(decaying(50), source="a"), run(decaying(50), steps=np.arange(50) + 99)
    with pytest.raises(AlignmentError, match=r"a: steps 0 to 49; a\.log: steps 99 to 148"):
        align([first], [second])


@pytest.mark.parametrize("shift", [-3, -1, 0, 1, 2, 5])
def test_a_late_candidate_is_found_and_not_shifted(shift):
    rng = np.random.default_rng(0)
    curve = decaying(210, noise=0) + 0.2 * rng.standard_normal(210)
    base, cand = curve[5:205], curve[5 - shift : 205 - shift]
    aligned = align([run(base)], [run(cand + 0.02 * rng.standard_normal(200))])
    assert aligned.lag == shift
    assert np.array_equal(aligned.baseline[0], base)


def test_independent_noise_on_a_common_trend_has_no_lag():
    lags = [
        align([run(decaying(200, seed=i))], [run(decaying(200, seed=99 + i))]).lag
        for i in range(20)
    ]
    assert lags == [None] * 20


def test_seeds_of_one_recipe_have_no_lag():
    """Whose common steep fall correlates the changes from step to step at every shift."""
    runs = [read_run(path) for path in sorted((ROOT / "baselines/ccnet_r18-d8_demo").glob("*.xz"))]
    assert len(runs) == 12
    for i, left in enumerate(runs):
        rest = runs[:i] + runs[i + 1 :]
        assert align(rest, [left]).lag is None
        assert [align([one], [left]).lag for one in rest] == [None] * 11


@pytest.mark.parametrize("name", ["seed_0", "doubled_lr_seed_101"])
def test_the_samples_of_the_repository_have_no_lag(name):
    runs = [read_run(path) for path in sorted((ROOT / "baselines/ccnet_r18-d8_demo").glob("*.xz"))]
    sample = read_run(ROOT / f"logs/samples/ccnet_r18-d8_demo_{name}.log")
    assert align(runs, [sample]).lag is None


@pytest.mark.parametrize("count", [45, 60, 200])
@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_noise_that_remembers_its_past_makes_no_lag(count, memory):
    rng = np.random.default_rng(count)

    def curve():
        noise = rng.standard_t(3, count)
        for i in range(1, count):
            noise[i] = memory * noise[i - 1] + np.sqrt(1 - memory**2) * noise[i]
        return (1 + 3 * np.exp(-np.arange(count) / (count / 8))) * np.exp(0.05 * noise)

    found = [lag(curve(), curve()) for _ in range(60)]
    assert found.count(None) >= 59


@pytest.mark.parametrize(("count", "own"), [(60, 0.1), (100, 0.3), (200, 0.5)])
def test_a_shift_is_found_through_noise_that_is_not_shared(count, own):
    rng = np.random.default_rng(1)
    fall = 1 + 3 * np.exp(-np.arange(count + 10) / 30)
    hits = 0
    for _ in range(30):
        curve = fall * np.exp(0.1 * rng.standard_normal(count + 10))
        moved = curve[4 : 4 + count] * np.exp(0.1 * own * rng.standard_normal(count))
        hits += lag(curve[5 : 5 + count], moved) == 1
    assert hits >= 27


@pytest.mark.shared
def test_the_phi3_port_follows_its_baseline_one_step_late(shared_data):
    sides = [read_run(shared_data / "pairs" / "phi3" / f"{side}.log") for side in ("cuda", "sdaa")]
    assert align([sides[0]], [sides[1]]).lag == 1


def test_a_tail_keeps_the_last_steps_and_what_was_left_out_there():
    holed = np.delete(np.arange(100), [10, 95])
    whole = align([run(decaying(100))], [run(decaying(98), steps=holed)])
    tail = whole.tail(20)
    assert tail.steps.tolist() == [s for s in range(100) if s != 95][-20:]
    assert tail.missing.tolist() == [95]
    assert np.array_equal(tail.baseline, whole.baseline[:, -20:])


def test_of_several_windows_that_all_runs_share_the_one_with_most_records_is_judged():
    def logged(seed):
        tens = run(decaying(20, seed=seed), steps=np.arange(10, 210, 10), window=10)
        first = run([4.0, 3.5], steps=[1, 10], window=9)
        return replace(tens, series=(*first.series, *tens.series))

    aligned = align([logged(1)], [logged(2)])
    assert (aligned.window, aligned.steps.size) == (10, 20)
    assert aligned.left_out == ((9, 2),)


@pytest.mark.parametrize("lost", [0, 4, 9])
def test_a_coarser_log_with_one_lost_line_lacks_one_step(lost):
    fine, tens = run(decaying(200)), np.arange(9, 200, 10)
    coarse = run(decaying(19), steps=np.delete(tens, lost))
    expected = [] if lost == 0 else [tens[lost]]  # before its first record it lacks none
    assert align([fine], [coarse]).missing.tolist() == expected
    assert align([coarse], [fine]).missing.tolist() == expected


def test_intervals_of_which_none_divides_the_other_meet_where_both_log():
    aligned = align([run(decaying(50), steps=80 * np.arange(50))],
                    [run(decaying(11), steps=384 * np.arange(11))])  # fmt: skip
    assert aligned.steps.tolist() == [0, 1920, 3840]
    assert aligned.missing.size == 0


def test_a_step_that_one_baseline_run_lacks_belongs_to_neither_side_alone():
    runs = [run(decaying(60)), run(decaying(59), steps=np.delete(np.arange(60), 30))]
    aligned = align(runs, [run(decaying(60))])
    assert (aligned.baseline_only.size, aligned.candidate_only.size) == (0, 0)
    assert aligned.missing.tolist() == [30]
    assert aligned.coverage == 59 / 60


def test_aligned_curves_cannot_be_changed():
    aligned = align([run([3.0, 2.0])], [run([3.0, 2.5]), run([2.0, 1.5])])
    for name in ("steps", "baseline", "candidate", "candidate_mean", "missing"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(aligned, name)[...] = 0
    assert aligned.candidate_mean is aligned.candidate_mean
    assert aligned.candidate_mean.tolist() == [2.5, 2.0]

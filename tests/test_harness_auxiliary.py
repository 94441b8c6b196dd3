"""What is looked at beside the judged series: plans, signals, and how far ranks lie apart."""

import math

import numpy as np
import pytest

from harness.align.aligned import align
from harness.align.auxiliary import is_auxiliary, is_schedule, is_validation, with_auxiliary
from harness.log.run import Run, Series

N = 40


def made(**values):
    """A run of series by name; a name like `loss/1` is of rank 1."""
    series = []
    for key, row in values.items():
        name, _, rank = key.partition("/")
        steps = np.arange(len(row))
        series.append(Series(name=name, rank=int(rank or 0), steps=steps, values=np.array(row)))
    return Run(source="a.log", series=tuple(series))


def beside(base, cand, metric="loss"):
    found = with_auxiliary(align(base, cand, metric=metric), base, cand)
    planned = [one.metric for one in (*found.schedules, *found.validation)]
    return planned, [one.metric for one in found.auxiliary]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lr", "companion"),
        ("base_lr", "companion"),
        ("samples", "companion"),
        ("val.mIoU", "companion"),
        ("val.loss", "companion"),
        ("val.time", "neither"),
        ("val.data_time", "neither"),
        ("val.memory", "neither"),
        ("decode.loss_ce", "signal"),
        ("aux_loss", "signal"),
        ("Grad_Norm", "signal"),
        ("perplexity", "signal"),
        ("decode.acc_seg", "neither"),
        ("loss_scale", "neither"),
        ("loss scale", "neither"),
        ("ips", "neither"),
        ("time", "neither"),
        ("memory", "neither"),
    ],
)
def test_a_series_is_a_companion_a_signal_or_neither(name, kind):
    assert (is_schedule(name) or is_validation(name)) is (kind == "companion")
    assert is_auxiliary(name) is (kind == "signal")


def test_series_that_all_runs_logged_are_aligned_and_the_judged_one_is_not_repeated():
    row = np.linspace(2, 1, N)
    full = made(loss=row, lr=row, grad_norm=row, ips=row)
    less = made(loss=row, lr=row, grad_norm=row, aux_loss=row)
    assert beside([full], [less]) == (["lr"], ["grad_norm"])
    assert beside([full], [less], metric="grad_norm") == (["lr"], ["loss"])


def test_a_series_without_a_common_step_is_left_out():
    row = np.linspace(2, 1, N)
    early = made(loss=row, grad_norm=row)
    late = Series(name="grad_norm", rank=0, steps=np.arange(N, 2 * N), values=row)
    other = Run(source="b.log", series=(early.series[0], late))
    assert beside([early], [other]) == ([], [])


def between(base, cand):
    found = with_auxiliary(align(base, cand), base, cand).auxiliary
    return next((one for one in found if one.metric == "loss between ranks"), None)


def test_ranks_lie_apart_by_their_standard_deviation():
    rng = np.random.default_rng(0)
    rows = rng.uniform(1, 2, (2, 3, N))
    left, right = (made(**{f"loss/{i}": row for i, row in enumerate(side)}) for side in rows)
    found = between([left], [right])
    expected = [
        math.sqrt(sum((v - sum(at) / 3) ** 2 for v in at) / 3) for at in zip(*rows[0], strict=True)
    ]
    assert found.baseline[0] == pytest.approx(expected)
    assert found.candidate[0] == pytest.approx(rows[1].std(axis=0))


def test_ranks_are_compared_only_where_all_runs_have_the_same():
    row = np.linspace(2, 1, N)
    one, two = made(**{"loss/0": row}), made(**{"loss/0": row, "loss/1": row})
    assert between([one], [one]) is None
    assert between([one], [two]) is None
    assert between([two], [made(**{"loss/0": row, "loss/2": row})]) is None
    assert between([two], [two]) is not None


def test_ranks_that_logged_one_reduced_number_lie_apart_by_nothing():
    row = np.linspace(2, 1, N)
    rounded = made(**{"loss/0": row, "loss/1": row * (1 + 1e-8)})
    found = between([made(**{"loss/0": row, "loss/1": row})], [rounded])
    assert not found.baseline.any()
    assert not found.candidate.any()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_rank_that_is_not_finite_is_not_hidden(bad):
    row = np.linspace(2, 1, N)
    sick = row.copy()
    sick[5] = bad
    found = between(
        [made(**{"loss/0": row, "loss/1": row})], [made(**{"loss/0": row, "loss/1": sick})]
    )
    assert np.flatnonzero(~np.isfinite(found.candidate[0])).tolist() == [5]


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_ranks_of_any_size_lie_apart(scale):
    row = np.linspace(2, 1, N)
    run = made(**{"loss/0": scale * row, "loss/1": 3 * scale * row})
    assert between([run], [run]).baseline[0] == pytest.approx(scale * row)


def test_ranks_that_share_no_step_are_left_out():
    row = np.linspace(2, 1, N)
    late = Series(name="loss", rank=1, steps=np.arange(N, 2 * N), values=row)
    run = Run(source="a.log", series=(made(loss=row).series[0], late))
    assert between([run], [run]) is None

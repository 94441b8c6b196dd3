"""Single records: NaN beside the judged series, spikes and zeros that means and levels hide."""

from dataclasses import replace

import numpy as np
import pytest
from loglines import decaying, run
from scipy.ndimage import median_filter, uniform_filter1d

from harness import Policy, Verdict, compare
from harness.log.run import Series
from harness.quality.spikes import SCALE, TO_SIGMA, _distances, _local_scale, spikes
from harness.rules import RULES

N = 400
LOOSE = Policy(rules=("tolerance:rtol=0.5,outside=1",))
AT = np.arange(49, N, 50)


def curves(seed, b, *, noise=0.05, n=N):
    rng = np.random.default_rng(seed)
    mean = 0.2 + 2 * np.exp(-np.arange(n) / 40)
    return mean * np.exp(noise * rng.standard_normal((b, n)) + 0.02 * rng.standard_normal((b, 1)))


def make(values, *, seed=1, ranks=(), norm=None, part=None, val=None):
    found = [*run(values).series]
    found += [
        Series(name="loss", rank=r, steps=np.arange(N), values=v) for r, v in enumerate(ranks, 1)
    ]
    rng = np.random.default_rng(seed)
    others = {
        "grad_norm": 1 + 0.1 * rng.random(N) if norm is None else norm,
        "loss_ce": decaying(N, seed=seed + 9) if part is None else part,
    }
    found += [Series(name=name, rank=0, steps=np.arange(N), values=v) for name, v in others.items()]
    mious = 70 + rng.standard_normal(AT.size) if val is None else val
    found.append(Series(name="val.mIoU", rank=0, steps=AT, values=mious))
    return replace(run(values, source=f"{seed}.log"), series=tuple(found))


def judged(cand, base=None, policy=LOOSE):
    base = base or [make(v, seed=i) for i, v in enumerate(curves(1, 10))]
    made = compare(base, cand, policy)
    return made.verdict, " | ".join((*made.judgement.failures, *made.judgement.doubts))


def honest(seed=99):
    return curves(seed, 1)[0]


def test_an_honest_candidate_passes():
    assert judged(make(honest(), seed=99)) == (Verdict.PASS, "")


@pytest.mark.parametrize("factor", [3.0, 1000.0, 1e6, 1 / 1000])
@pytest.mark.parametrize("step", [0, 1, 200, N - 2, N - 1])
@pytest.mark.parametrize(
    "rule", ["default", "seed-variation", "two-sided", "modelzoo", "tolerance"]
)
def test_one_absurd_record_never_passes_and_is_named(rule, step, factor):
    values = honest()
    values[step] *= factor
    verdict, said = judged(make(values, seed=99), policy=Policy(rules=(rule,)))
    assert verdict is not Verdict.PASS
    assert f" at step {step}" in said


@pytest.mark.parametrize("block", [slice(200, 210), slice(200, 201), slice(N - 1, N), slice(0, 3)])
def test_a_loss_of_exactly_zero_never_passes(block):
    values = honest()
    values[block] = 0.0
    verdict, said = judged(make(values, seed=99))
    assert verdict is Verdict.INCONCLUSIVE
    length = block.stop - block.start
    assert f"is exactly 0 on {length} step{'s' * (length > 1)}, the first is step" in said


@pytest.mark.parametrize("length", [2, 10, 40])
def test_a_block_of_records_that_no_run_shows_never_passes(length):
    values = honest()
    values[200 : 200 + length] *= 5
    assert judged(make(values, seed=99))[0] is not Verdict.PASS


def test_a_spike_that_the_baseline_shows_is_none():
    base = curves(1, 10)
    base[4, 250] *= 100
    values = honest()
    values[120] *= 50
    runs = [make(v, seed=i) for i, v in enumerate(base)]
    assert "step 120" not in judged(make(values, seed=99), runs)[1]
    assert "step 120" in judged(make(values, seed=99))[1]


def test_a_spike_in_another_rank_never_passes():
    base = [make(v, seed=i, ranks=curves(50 + i, 2)) for i, v in enumerate(curves(1, 10))]
    ranks = curves(300, 2)
    assert judged(make(honest(), seed=99, ranks=ranks), base) == (Verdict.PASS, "")
    ranks[1, 300] *= 1000
    verdict, said = judged(make(honest(), seed=99, ranks=ranks), base)
    assert verdict is Verdict.INCONCLUSIVE
    assert "loss of rank 2 of 99.log is" in said
    assert " at step 300, farther out than any record" in said


@pytest.mark.parametrize("b", [5, 10])
@pytest.mark.parametrize("kind", ["normal", "t3"])
def test_healthy_runs_have_spikes_at_a_known_rate(kind, b):
    rng = np.random.default_rng(7)
    mean = np.log(0.2 + 2 * np.exp(-np.arange(N) / 40))
    seen = 0
    for _ in range(200):
        draw = rng.standard_normal if kind == "normal" else lambda size: rng.standard_t(3, size)
        every = np.exp(mean + 0.05 * draw((b + 1, N)))
        seen += spikes(every[:b], every[b]).size > 0
    assert seen / 200 <= (0.005 if kind == "normal" else 2.5 / (1 + 27 * b) + 0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rule", RULES)
def test_a_rank_that_is_not_finite_fails_whatever_the_rule(rule, bad):
    base = [make(v, seed=i, ranks=curves(50 + i, 1)) for i, v in enumerate(curves(1, 10))]
    ranks = curves(300, 1)
    ranks[0, 200:] = bad
    verdict, said = judged(make(honest(), seed=99, ranks=ranks), base, Policy(rules=(rule,)))
    assert verdict is Verdict.FAIL
    assert "loss of rank 1 of 99.log is NaN or infinite on 200 of 400 steps, the first" in said


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["norm", "part", "val"])
def test_another_series_that_is_not_finite_fails_whatever_the_rule(rule, name):
    values = {"norm": np.ones(N), "part": decaying(N, seed=3), "val": np.full(AT.size, 70.0)}[name]
    values[-values.size // 2 :] = np.nan
    verdict, said = judged(make(honest(), seed=99, **{name: values}), policy=Policy(rules=(rule,)))
    assert verdict is Verdict.FAIL
    assert "is NaN or infinite on" in said


def test_a_norm_may_overflow_now_and_then_as_under_a_loss_scaler():
    norm = 1 + 0.1 * np.random.default_rng(5).random(N)
    norm[[0, 1, 217]] = np.inf
    assert judged(make(honest(), seed=99, norm=norm)) == (Verdict.PASS, "")
    norm[300:312] = np.inf
    verdict, said = judged(make(honest(), seed=99, norm=norm))
    assert verdict is Verdict.FAIL
    assert "grad_norm of 99.log is NaN or infinite on 15 of 400 steps" in said


def test_as_many_overflows_as_the_baseline_shows_are_let_pass():
    norms = 1 + 0.1 * np.random.default_rng(5).random((10, N))
    norms[:, 10:22] = np.inf
    base = [make(v, seed=i, norm=norms[i]) for i, v in enumerate(curves(1, 10))]
    norm = 1 + 0.1 * np.random.default_rng(6).random(N)
    norm[50:65] = np.inf
    assert judged(make(honest(), seed=99, norm=norm), base) == (Verdict.PASS, "")


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e300])
def test_values_of_any_size_have_an_answer(scale):
    every = scale * curves(3, 11)
    assert spikes(every[:10], every[10]).size == 0
    every[10, 100] *= 1e6
    assert 100 in spikes(every[:10], every[10])


@pytest.mark.parametrize("start", [20, 200, 370])
@pytest.mark.parametrize("factor", [1.4, 0.6])
def test_a_burst_of_a_twentieth_of_the_records_never_passes(start, factor):
    values = honest()
    values[start : start + 20] *= factor
    assert judged(make(values, seed=99))[0] is not Verdict.PASS


def test_a_loss_that_hangs_never_passes():
    values = honest()
    values[-20:] = values[-20]
    verdict, said = judged(make(values, seed=99))
    assert verdict is Verdict.INCONCLUSIVE
    assert "on 20 records in a row, steps 380 to 399" in said


def test_a_loss_printed_with_few_digits_may_repeat_itself_as_the_baseline_does():
    base = [make(np.round(v, 1), seed=i) for i, v in enumerate(curves(1, 10))]
    assert "in a row" not in judged(make(np.round(honest(), 1), seed=99), base)[1]


@pytest.mark.parametrize("name", ["part", "norm"])
@pytest.mark.parametrize("value", [1e12, 1e6, 60.0])
def test_a_spike_in_a_part_or_a_norm_never_passes(name, value):
    values = {"part": decaying(N, seed=3), "norm": 1 + 0.1 * np.random.default_rng(4).random(N)}
    chosen = values[name].copy()
    chosen[300] = value
    assert judged(make(honest(), seed=99, **{name: values[name]})) == (Verdict.PASS, "")
    verdict, said = judged(make(honest(), seed=99, **{name: chosen}))
    assert verdict is Verdict.INCONCLUSIVE
    assert "step" in said


def test_bursts_are_rare_in_healthy_runs():
    def said(seed):
        *base, row = (make(v, seed=i) for i, v in enumerate(curves(500 + seed, 11)))
        return judged(row, base)[1]

    assert sum("much farther than" in said(seed) for seed in range(100)) <= 1


@pytest.mark.parametrize(("n", "width"), [(30, 5), (200, 51), (40_000, 9)])
def test_the_running_median_is_that_of_scipy(n, width):
    curves = np.random.default_rng(n).normal(size=(3, n))
    expected = curves - median_filter(curves, size=(1, width), mode="mirror")
    assert np.array_equal(_distances(curves, width), expected)


def test_the_local_scale_is_the_running_mean_of_scipy():
    distances = np.random.default_rng(2).normal(size=(4, 300))
    typical = np.median(np.abs(distances), axis=0)
    expected = TO_SIGMA * uniform_filter1d(typical, SCALE, mode="nearest")
    assert _local_scale(distances) == pytest.approx(expected, rel=1e-12)

"""A candidate that follows one baseline run is no independent run, however it was stirred."""

import numpy as np
import pytest
from loglines import run

from harness import Policy, Verdict, compare
from harness.log.run import Series
from harness.quality.copies import follows

N = 400
LOOSE = Policy(rules=("tolerance:rtol=0.5,outside=1",))


def curves(seed, b, n=N):
    rng = np.random.default_rng(seed)
    mean = 0.2 + 2 * np.exp(-np.arange(n) / 40)
    return mean * np.exp(0.05 * rng.standard_normal((b, n)) + 0.02 * rng.standard_normal((b, 1)))


BASE = curves(1, 10)
OTHER = curves(99, 1)[0]
RNG = np.random.default_rng(5)


def every_second(a, b):
    mixed = a.copy()
    mixed[1::2] = b[1::2]
    return mixed


COPIES = {
    "scaled by 1 + 1e-12": BASE[3] * (1 + 1e-12),
    "rounded": np.round(BASE[3], 2),
    "noise of 1e-3": BASE[3] * (1 + 1e-3 * RNG.standard_normal(N)),
    "noise of 1 %": BASE[3] * (1 + 1e-2 * RNG.standard_normal(N)),
    "first half": np.r_[BASE[3][: N // 2], OTHER[N // 2 :]],
    "second half": np.r_[OTHER[: N // 2], BASE[3][N // 2 :]],
    "a quarter": np.r_[OTHER[:200], BASE[3][200:300], OTHER[300:]],
    "even and odd of two": every_second(BASE[3], BASE[6]),
    "even steps alone": every_second(BASE[3], OTHER),
    "mean of two": (BASE[3] + BASE[4]) / 2,
    "affine": 1.02 * BASE[3] + 0.003,
    "a step late": np.r_[OTHER[0], BASE[3][:-1]],
    "a step early": np.r_[BASE[3][1:], OTHER[-1]],
    "a record changed": np.where(np.arange(N) == 77, 1.01, 1.0) * BASE[3],
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_and_named(name):
    found = follows(BASE, COPIES[name])
    assert found is not None
    assert found.run in {3, 4, 6}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("rule", ["default", "seed-variation", "two-sided", "equivalence"])
def test_a_copy_never_passes(rule, name):
    base = [run(v, source=f"{i}.log") for i, v in enumerate(BASE)]
    policy = Policy(rules=(rule,))
    made = compare(base, run(COPIES[name], source="c.log"), policy)
    assert made.verdict is not Verdict.PASS
    assert any("c.log follows" in doubt for doubt in made.judgement.doubts)


@pytest.mark.parametrize("b", [2, 3, 5, 10])
def test_an_independent_run_follows_none(b):
    for seed in range(200):
        every = curves(1000 + seed, b + 1)
        assert follows(every[:b], every[b]) is None


@pytest.mark.parametrize("b", [2, 5, 10])
def test_data_in_one_order_make_runs_alike_and_none_a_copy(b):
    rng = np.random.default_rng(8)
    for _ in range(50):
        shared = 0.1 * rng.standard_normal(N)
        every = curves(int(rng.integers(1 << 30)), b + 1) ** 0.2 * np.exp(shared)
        assert follows(every[:b], every[b]) is None
        assert follows(every[:b], every[0] * (1 + 1e-4 * rng.standard_normal(N))) is not None


def judged(base, cand, policy=LOOSE):
    made = compare(base, cand, policy)
    return made.verdict, " | ".join(made.judgement.doubts)


def test_the_same_seed_is_said_to_be_a_repetition():
    base = [run(v, source=f"{i}.log", seed=i) for i, v in enumerate(BASE)]
    verdict, said = judged(base, run(COPIES["noise of 1e-3"], source="c.log", seed=3))
    assert verdict is Verdict.INCONCLUSIVE
    assert "both state seed 3, so it repeats that run" in said


def test_one_run_a_side_is_asked_only_where_other_seeds_are_stated():
    copy = COPIES["noise of 1e-3"]
    assert judged(run(BASE[3], seed=1), run(copy, seed=1)) == (Verdict.PASS, "")
    assert judged(run(BASE[3]), run(copy)) == (Verdict.PASS, "")
    verdict, said = judged(run(BASE[3], seed=1), run(copy, seed=2))
    assert verdict is Verdict.INCONCLUSIVE
    assert "although they state different seeds" in said


def with_replaced(values, old_steps, old_values):
    from dataclasses import replace

    made = run(values, source="c.log")
    old = Series(name="loss", rank=0, steps=np.asarray(old_steps), values=np.asarray(old_values))
    return replace(made, replaced=(old,))


@pytest.mark.parametrize(
    ("old", "words"),
    [
        ([np.nan] * 20, "20 records of loss that were logged again later were not finite"),
        ([9.0] * 20, "20 records of loss that were logged again later were far from"),
    ],
)
def test_a_repaired_log_never_passes(old, words):
    base = [run(v, source=f"{i}.log") for i, v in enumerate(BASE)]
    verdict, said = judged(base, with_replaced(OTHER, range(200, 220), old))
    assert verdict is Verdict.INCONCLUSIVE
    assert words in said


def test_a_resumed_run_may_repeat_steps_with_other_data():
    base = [run(v, source=f"{i}.log") for i, v in enumerate(BASE)]
    again = curves(123, 1)[0][200:220]
    assert judged(base, with_replaced(OTHER, range(200, 220), again)) == (Verdict.PASS, "")


def test_candidates_that_are_copies_of_each_other_are_no_three_runs():
    base = [run(v, source=f"{i}.log") for i, v in enumerate(BASE)]
    noise = np.random.default_rng(6).standard_normal((2, N))
    copies = [OTHER, *(OTHER * (1 + 1e-3 * row) for row in noise)]
    cand = [run(v, source=f"c{i}.log") for i, v in enumerate(copies)]
    verdict, said = judged(base, cand)
    assert verdict is Verdict.INCONCLUSIVE
    assert "c1.log follows c0.log" in said

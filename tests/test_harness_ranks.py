"""The ranks beside the judged one: a fault may sit on one device of several."""

from dataclasses import replace

import numpy as np
import pytest
from loglines import decaying, run

from harness import Policy, Verdict, compare
from harness.log.run import Series

N, RANKS = 200, 4
LOOSE = Policy(rules=("tolerance:rtol=0.5,outside=1",))
RATE = 0.1 * (1 - np.arange(N) / N)


def make(seed, *, change=lambda name, rank, values: values):
    """A run of four ranks with loss, a part of it, learning rate and norm; None leaves one out."""
    found = []
    for rank in range(RANKS):
        rng = np.random.default_rng([seed, rank])
        values = {
            "loss": decaying(N, seed=1000 * seed + rank),
            "loss_ce": decaying(N, seed=1000 * seed + 500 + rank),
            "lr": RATE,
            "grad_norm": 1 + 0.1 * rng.random(N),
        }
        for name, given in values.items():
            kept = change(name, rank, given)
            if kept is not None:
                found.append(Series(name=name, rank=rank, steps=np.arange(N), values=kept))
    return replace(run([1.0], source=f"{seed}.log", world_size=RANKS), series=tuple(found))


BASE = [make(seed) for seed in range(1, 7)]


def judged(candidate):
    made = compare(BASE, candidate, LOOSE)
    return made.verdict, " | ".join((*made.judgement.failures, *made.judgement.doubts))


def of_rank_1(name, new):
    return lambda series, rank, values: new(values) if (series, rank) == (name, 1) else values


def test_four_honest_ranks_pass():
    assert judged(make(20)) == (Verdict.PASS, "")


@pytest.mark.parametrize(
    ("name", "new", "verdict", "words"),
    [
        ("lr", lambda v: 2 * v, "fail", "rank 1: the logged learning rate of 20.log is 2.00 times"),
        ("grad_norm", lambda v: 3 * v, "inconclusive", "rank 1: grad_norm of 20.log is 3."),
        ("grad_norm", lambda v: v + np.nan, "fail", "rank 1: grad_norm of 20.log is NaN"),
        ("loss_ce", lambda v: None, "inconclusive", "rank 1: 20.log logs no loss_ce, but"),
        ("loss_ce", lambda v: v + 50.0, "inconclusive", "rank 1: loss_ce of 20.log is"),
    ],
)
def test_what_is_wrong_on_one_rank_alone_never_passes(name, new, verdict, words):
    found, said = judged(make(20, change=of_rank_1(name, new)))
    assert found == verdict
    assert words in said


def test_a_rank_that_repeats_another_never_passes():
    first = decaying(N, seed=20_000)
    found, said = judged(make(20, change=of_rank_1("loss", lambda v: first)))
    assert found is Verdict.INCONCLUSIVE
    assert "rank 0 and rank 1 log the same loss, unlike any two ranks of the baseline" in said


def test_ranks_that_log_one_reduced_loss_on_both_sides_are_no_repetition():
    def reduced(seed):
        whole = decaying(N, seed=1000 * seed)
        return make(seed, change=lambda name, rank, v: whole if name == "loss" else v)

    made = compare([reduced(i) for i in range(1, 7)], reduced(20), LOOSE)
    assert made.verdict is Verdict.PASS

"""The ranks beside the judged one: a fault may sit on one device of several."""

from dataclasses import replace

import numpy as np
import pytest
from loglines import decaying, run

from harness import Policy, Verdict, compare
from harness.errors import ParseError
from harness.log.run import Series
from harness.parse import parse_log

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


# --- ranks that nothing tells apart

FORMS = {
    "plain": "step {s} loss {v}\n",
    "plain with epochs": "Epoch: [1][{s}/50] loss: {v} (9.5)\n",
    "json lines": '{{"step": {s}, "loss": {v}}}\n',
    "mmengine": (
        "2026/11/23 15:52:15 - mmengine - INFO - Iter(train) [   {s}/40000]  lr: 9.9891e-03  "
        "eta: 1:59:13  time: 0.1278  data_time: 0.0418  memory: 1200  loss: {v}\n"
    ),
    "mmcv": (
        "2021-08-01 12:00:30,123 - mmseg - INFO - Iter [{s}/40000]\tlr: 9.989e-03, eta: 5:10:11, "
        "time: 0.466, data_time: 0.010, memory: 10000, loss: {v}\n"
    ),
    "megatron": " iteration {s}/ 500 | learning rate: 1.5E-04 | lm loss: {v} | grad norm: 1.5 |\n",
    "mllog": ':::MLLOG {{"key": "train_loss", "value": {v}, "metadata": {{"step": {s}}}}}\n',
    "mmcv .log.json": '{{"mode": "train", "epoch": 1, "iter": {s}, "lr": 0.1, "loss": {v}}}\n',
    "csv": "{s},{v}\n",
}
HEADS = {"csv": "step,loss\n"}


def printed(form, ranks, *, steps=range(10, 60, 10)):
    lines = (FORMS[form].format(s=s, v=4.5 - s / 100 + r) for s in steps for r in range(ranks))
    return HEADS.get(form, "") + "".join(lines)


@pytest.mark.parametrize("ranks", [2, 3, 8])
@pytest.mark.parametrize("form", FORMS)
def test_ranks_at_one_step_that_nothing_tells_apart_are_an_error_in_every_form(form, ranks):
    with pytest.raises(
        ParseError, match=r"one loss a step of each process.*print the rank.*or give"
    ):
        parse_log([printed(form, ranks)], source="x")


@pytest.mark.parametrize("form", FORMS)
def test_one_process_is_no_error_in_any_form(form):
    (series, *_) = parse_log([printed(form, 1)], source="x").find("loss", 0)
    assert len(series) >= 4


def test_a_pattern_without_a_rank_is_such_an_error_and_its_group_cures_it():
    text = "".join(f"{s} of {r} costs {4.5 - s + r}\n" for s in range(5) for r in range(2))
    with pytest.raises(ParseError, match=r"one loss a step.*in a pattern a group `rank`"):
        parse_log([text], source="x", pattern=r"(?P<step>\d+) of \d costs (?P<loss>\S+)")
    cured = r"(?P<step>\d+) of (?P<rank>\d) costs (?P<loss>\S+)"
    assert parse_log([text], source="x", pattern=cured).ranks == (0, 1)


def test_equal_losses_at_one_step_and_steps_that_come_again_are_none():
    reduced = "".join(f'{{"step": {s}, "loss": 2.5}}\n' for s in range(5) for _ in range(4))
    assert len(parse_log([reduced], source="x").find("loss", 0)[0]) == 5
    resumed = [*range(8), *range(5, 12)]
    text = "".join(f'{{"step": {s}, "loss": {i}.5}}\n' for i, s in enumerate(resumed))
    assert len(parse_log([text], source="x").find("loss", 0)[0]) == 12


def test_opposite_infinities_at_one_step_are_two_losses():
    values = "".join(f'{{"step": {s}, "loss": {v}}}\n' for s in range(5) for v in ("-inf", "inf"))
    with pytest.raises(ParseError, match=r"first: loss -inf and inf at step 0"):
        parse_log([values.replace("inf", "Infinity")], source="x")

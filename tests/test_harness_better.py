"""A candidate that is better than the baseline fails, and the report says so with the way out."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from loglines import decaying, run

from harness import Policy, compare
from harness.comparison.better import direction_of
from harness.comparison.result import judged
from harness.log.run import Run
from harness.report.comparison import json as writer
from harness.report.ports import oneline

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "comparison.schema.json").read_text())


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("loss", "lower"),
        ("decode.loss_ce", "lower"),
        ("train/loss", "lower"),
        ("val.perplexity", "lower"),
        ("val.RMSE", "lower"),
        ("val.wer", "lower"),
        ("val.mIoU", "higher"),
        ("val.aAcc", "higher"),
        ("val.accuracy_top1", "higher"),
        ("val.bbox_mAP", "higher"),
        ("val.top_5", "higher"),
        ("grad_norm", ""),
        ("lr", ""),
        ("memory", ""),
        ("mapping", ""),
        ("loss_of_accuracy", ""),
    ],
)
def test_the_better_direction_of_a_metric_is_known_by_its_name(metric, direction):
    assert direction_of(metric) == direction


def runs(factor, *, count=6, offset=0, metric="loss"):
    made = [run(decaying(200, seed=offset + i) * factor, seed=offset + i) for i in range(count)]
    if metric == "loss":
        return made
    return [renamed(one, metric) for one in made]


def renamed(one, metric):
    from dataclasses import replace

    series = tuple(replace(s, name=metric) if s.name == "loss" else s for s in one.series)
    return replace(one, series=series)


def verdict_on(factor, rules=("equivalence",), metric="loss", **fields):
    policy = Policy(rules=rules, metric=metric, **fields)
    return compare(runs(1.0, metric=metric), runs(factor, offset=50, metric=metric), policy)


@pytest.mark.parametrize("rule", ["equivalence", "seed-variation", "two-sided", "ensemble"])
def test_a_loss_that_is_lower_fails_and_is_called_better(rule):
    made = verdict_on(0.8, (rule,))
    assert made.verdict == "fail"
    assert made.better is not None
    assert made.better.direction == "lower"
    assert 0.18 < made.better.low < made.better.by < made.better.high < 0.22
    sentence = made.judgement.reasons[-1]
    assert sentence.startswith("differs: better than the baseline by 19.9")
    assert "a leak of labels" in sentence
    assert "`harness accept`" in sentence


def test_a_metric_that_is_higher_is_better_and_a_loss_that_is_higher_is_not():
    assert verdict_on(1.2, metric="val.mIoU").better.direction == "higher"
    for factor, metric in ((1.2, "loss"), (0.8, "val.mIoU"), (0.8, "grad_norm")):
        made = verdict_on(factor, metric=metric)
        assert (made.verdict, made.better) == ("fail", None), (factor, metric)


def test_a_pass_and_an_open_verdict_are_not_called_better():
    assert verdict_on(0.999).better is None
    one = compare(run(decaying(200)), run(decaying(200, seed=9) * 0.8))
    assert (one.verdict, one.better) == ("inconclusive", None)


def test_a_failed_data_check_excludes_an_improvement():
    curves = [decaying(200, seed=i) * 0.8 for i in range(6)]
    curves[0][150] = np.nan
    made = compare(runs(1.0), [run(c, seed=90 + i) for i, c in enumerate(curves)])
    assert (made.verdict, made.better) == ("fail", None)


def with_validation(one: Run, value: float) -> Run:
    from dataclasses import replace

    from harness.log.run import Series

    steps = np.array([99, 199])
    values = np.array([value * 0.9, value])
    other = Series(name="val.mIoU", unit="", steps=steps, values=values, rank=0)
    return replace(one, series=(*one.series, other))


@pytest.mark.parametrize(("mean_iou", "better"), [(72.0, True), (70.1, True), (60.0, False)])
def test_a_lower_loss_with_a_worse_validation_is_not_better(mean_iou, better):
    rng = np.random.default_rng(0)
    base = [with_validation(one, 70 + 0.1 * rng.standard_normal()) for one in runs(1.0)]
    cand = [with_validation(one, mean_iou + 0.1 * rng.standard_normal()) for one in runs(0.8)]
    made = compare(base, cand, Policy(rules=("two-sided",)))
    assert made.verdict == "fail"
    assert (made.better is not None) == better


def test_a_deviation_from_the_same_start_is_never_better():
    base = decaying(60)
    made = compare(run(base), run(base * 0.8), Policy(rules=("same-start", "two-sided")))
    assert made.better is None


def test_json_and_the_line_of_a_port_say_it():
    for made, known in ((verdict_on(0.8), True), (verdict_on(1.2), False)):
        document = json.loads(writer.render(made))
        jsonschema.validate(document, SCHEMA)
        assert (document["better"] is not None) == known
    assert document["better"] is None
    result = judged("p", verdict_on(0.8))
    assert result.better.startswith("better than the baseline by 19.9")
    assert oneline.one_line(result).endswith(result.better)
    assert "(1 better than the baseline)" in oneline.counts([result])

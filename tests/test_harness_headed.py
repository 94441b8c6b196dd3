"""Formats whose lines have heads: a layout states words and positions, one reader the rules."""

import re

import pytest

from harness.parse import parse_log
from harness.parse.grammar.fields import Barred, Parted
from harness.parse.grammar.headed import Headed
from harness.parse.grammar.layout import Layout

HEAD = re.compile(
    r"<(?P<phase>train|dev)(?: (?P<epoch>\d+))? (?P<done>\d+) of (?P<total>\d+)> ", re.ASCII
)
LAYOUT = {
    "needle": "kiln",
    "head": HEAD,
    "left_out": re.compile("clock"),
    "renamed": {"heat loss": "loss", "heat": "loss"},
    "first": 1,
    "means": "interval",
    "instant": frozenset({"rate"}),
    "needs": "loss",
    "without": "no heat",
}


class Kiln(Headed):
    """Reads the lines of a program that no format of the harness knows."""

    name = "kiln"
    example = "kiln <train 10 of 80> heat: 2.5 rate: 0.1"
    layout = Layout(fields=Parted(), **LAYOUT)


class BarredKiln(Kiln):
    """The same, with its fields between bars."""

    layout = Layout(fields=Barred(), facts={"pots": "effective_batch"}, **LAYOUT)


def read(text, kind=Kiln):
    return parse_log([text], source="log", formats=[kind])


def points(run):
    return {
        f"{s.name}@{s.window}": dict(zip(s.steps.tolist(), s.values.tolist(), strict=True))
        for s in run.series
    }


def reasons(run):
    return [skipped.reason for skipped in run.skipped]


def test_a_layout_alone_makes_a_format():
    run = read(
        "kiln <train 10 of 80> heat: 2.5 rate: 0.1 clock: 1:20\n"
        "kiln <train 20 of 80> heat: 2.25 rate: 0.2 clock: 1:10\n"
        "kiln <dev 1 of 1> heat: 2.375 time: 7\n"
    )
    assert points(run) == {
        "loss@10": {9: 2.5, 19: 2.25},
        "rate@1": {9: 0.1, 19: 0.2},
        "dev.loss@1": {19: 2.375},
    }
    assert run.facts["planned_steps"] == 80
    assert run.formats == ("kiln",)
    assert run.skipped == ()


def test_a_head_with_an_epoch_counts_within_it():
    run = read(
        "".join(f"kiln <train {e} {n} of 20> heat: {e}.{n}\n" for e in (1, 2) for n in (10, 20))
    )
    assert points(run) == {"loss@10": {9: 1.1, 19: 1.2, 29: 2.1, 39: 2.2}}
    assert "planned_steps" not in run.facts


def test_several_heads_of_one_line_have_their_own_fields():
    run = read(
        "kiln <train 10 of 80> heat: 2.5 <train 20 of 80> heat: 2.25 <dev 1 of 1> heat: 2.0\n"
    )
    assert points(run) == {"loss@10": {9: 2.5, 19: 2.25}, "dev.loss@1": {19: 2.0}}


def test_fields_between_bars_have_names_of_several_words_and_state_facts():
    run = read(
        "kiln <train 10 of 80> heat loss: 2.5 | pots: 16 |\n"
        "kiln <train 20 of 80> heat loss: 2.25 | pots: 16 | rate: 0.\n",
        BarredKiln,
    )
    assert points(run) == {"loss@10": {9: 2.5, 19: 2.25}}
    assert run.facts["effective_batch"] == 16
    assert reasons(run) == ["a field without its closing bar: the line was cut"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("rate: 0.1", "no heat"),
        ("heat: 2.5x", "heat '2.5x' is not a number"),
        ("rate: 0.1 or so heat: 2.25", "'or so' stands behind rate"),
    ],
)
def test_a_line_without_what_it_needs_is_skipped_for_one_reason(fields, reason):
    good = "kiln <train 10 of 80> heat: 2.5\n"
    run = read(f"{good}kiln <train 20 of 80> {fields}\n")
    assert points(run) == {"loss@1": {9: 2.5}}
    assert reasons(run) == [reason]


@pytest.mark.parametrize("text", ["a" * 62 + ": 1.5", "heat loss: " + "low " * 20, "12", "7: 1.5"])
def test_other_text_between_bars_is_no_field(text):
    run = read(f"kiln <train 10 of 80> heat loss: 2.5 | {text} | rate: 0.1 |\n", BarredKiln)
    assert points(run) == {"loss@1": {9: 2.5}, "rate@1": {9: 0.1}}
    assert [reason.partition(", not")[0] for reason in reasons(run)] == [
        "expected 'name: number' between bars"
    ]


def test_a_layout_needs_the_counters_of_its_head():
    with pytest.raises(ValueError, match="has no group done or total"):
        Layout(fields=Parted(), **{**LAYOUT, "head": re.compile(r"step (?P<step>\d+)")})


def test_counters_beyond_any_training_are_damage():
    huge = "9" * 30
    run = read(f"kiln <train 10 of 80> heat: 2.5\nkiln <train {huge} of 80> heat: 2.25\n")
    assert points(run) == {"loss@1": {9: 2.5}}
    assert reasons(run) == ["counters that are no whole numbers of a sane size"]


MMCV = "2026-11-23 12:00:00,123 - mmseg - INFO - Iter{}\t{}\n"


def test_a_word_is_a_value_on_the_second_line_already():
    run = parse_log(
        [
            MMCV.format(" [50/200]", "lr: 0.01, grad_norm: 1.5, loss: 3.125")
            + MMCV.format(" [100/200]", "lr: 0.01, grad_norm: None, loss: 2.875")
        ],
        source="log",
    )
    norms = next(s for s in run.series if s.name == "grad_norm")
    assert norms.steps.tolist() == [49, 99]
    assert norms.values[0] == 1.5
    assert norms.values[1] != norms.values[1]


def test_results_behind_the_only_line_of_training_are_at_its_step():
    run = parse_log(
        [MMCV.format(" [50/200]", "loss: 3.125") + MMCV.format("(val) [20]", "mIoU: 0.25")],
        source="log",
    )
    assert points(run) == {"loss@1": {49: 3.125}, "val.mIoU@1": {49: 0.25}}


def test_a_validation_of_megatron_that_is_no_number_is_nan():
    run = parse_log(
        [
            " iteration 10/ 50 | lm loss: 2.5E+00 |\n"
            " validation loss at iteration 10 | lm loss value: None | lm loss PPL: inf |\n"
        ],
        source="log",
    )
    result = next(s for s in run.series if s.name == "val.loss")
    assert result.steps.tolist() == [10]
    assert result.values[0] != result.values[0]


def test_fields_of_a_line_that_broke_into_a_validation_of_megatron_are_no_results():
    run = parse_log(
        [
            " iteration 10/ 50 | lm loss: 2.5E+00 |\n"
            " validation loss at iteration 10 | lm loss val | grad norm: 1.5 | lm loss: 9.5 | "
            "lm loss PPL: 12.25 |\n"
        ],
        source="log",
    )
    assert points(run) == {"loss@1": {10: 2.5}, "val.loss PPL@1": {10: 12.25}}

"""Rows that name their phase in a column, a key or a figure: those of an evaluation are `val.`."""

import json

import pytest

from harness.parse import parse_log

ROWS = (("train", 10, 4.5), ("valid", 10, 6.5), ("train", 20, 4.25), ("train", 30, 4.0))
ROWS += (("valid", 30, 6.25), ("train", 40, 3.75))
TRUTH = {"loss": {10: 4.5, 20: 4.25, 30: 4.0, 40: 3.75}, "val.loss": {10: 6.5, 30: 6.25}}
WORDS = ("valid", "val", "eval", "test", "dev", "Validation", "eval_step", "eval-end")
KEYS = ("split", "mode", "phase", "stage", "subset", "event")


def series(text, **more):
    run = parse_log([text], source="x.log", **more)
    assert run.skipped == ()
    return {s.key: dict(zip(s.steps.tolist(), s.values.tolist(), strict=True)) for s in run.series}


def rows(form, word="valid"):
    """The rows as lines of a form, with another word for the evaluation."""
    return "".join(form(word if phase == "valid" else phase, s, v) for phase, s, v in ROWS)


def as_json(key):
    return lambda phase, step, loss: json.dumps({key: phase, "step": step, "loss": loss}) + "\n"


@pytest.mark.parametrize("key", KEYS)
def test_json_lines_part_the_rows_by_the_key_of_the_phase(key):
    assert series(rows(as_json(key))) == TRUTH


@pytest.mark.parametrize("word", WORDS)
def test_each_word_of_an_evaluation_parts_the_rows(word):
    assert series(rows(as_json("event"), word)) == TRUTH
    assert series("mode,step,loss\n" + rows("{},{},{}\n".format, word)) == TRUTH
    assert series(rows("mode={} step={} loss={}\n".format, word)) == TRUTH


def test_a_table_parts_the_rows_by_its_column_of_the_phase():
    assert series("split,step,loss\n" + rows("{},{},{}\n".format)) == TRUTH
    tidy = rows(lambda phase, step, loss: f"{step},loss,{loss},{phase}\n")
    assert series("step,name,value,subset\n" + tidy) == TRUTH


def test_a_phase_behind_the_loss_of_a_plain_line_parts_the_lines():
    assert series(rows(lambda p, s, v: f"step={s} loss={v} split={p}\n")) == TRUTH


def test_a_row_of_evaluation_alone_at_its_step_is_no_training():
    text = rows(as_json("split")) + json.dumps({"split": "test", "step": 50, "loss": 9.5}) + "\n"
    assert series(text) == TRUTH | {"val.loss": {10: 6.5, 30: 6.25}, "val.test_loss": {50: 9.5}}


def test_a_name_with_the_phase_in_it_keeps_its_one_prefix():
    text = rows(lambda p, s, v: f'{{"phase": "{p}", "step": {s}, "{p}_loss": {v}}}\n')
    assert series(text) == TRUTH


def test_a_mode_beside_an_epoch_alone_is_numbered_by_the_epoch():
    text = "".join(
        f'{{"mode": "{mode}", "epoch": {epoch}, "loss": {loss}}}\n'
        for epoch in (1, 2, 3)
        for mode, loss in (("train", 4.5 / epoch), ("eval", 6.5 / epoch))
    )
    assert series(text) == {
        "loss": {1: 4.5, 2: 2.25, 3: 1.5},
        "val.loss": {1: 6.5, 2: 3.25, 3: 6.5 / 3},
    }


@pytest.mark.parametrize("form", ["json", "csv", "plain"])
def test_a_large_log_parts_its_rows_as_a_small_one_does(form):
    forms = {
        "json": ("", '{{"split": "{}", "step": {}, "loss": {}}}\n'),
        "csv": ("split,step,loss\n", "{},{},{}\n"),
        "plain": ("", "split={} step={} loss={}\n"),
    }
    head, line = forms[form]
    text = head + "".join(
        line.format(phase, step, loss + step / 64)
        for step in range(300)
        for phase, loss in (("train", 4.5), ("valid", 6.5))[: 1 + (step % 5 == 0)]
    )
    truth = {
        "loss": {step: 4.5 + step / 64 for step in range(300)},
        "val.loss": {step: 6.5 + step / 64 for step in range(0, 300, 5)},
    }
    assert series(text) == truth
    assert series(text, bulk_after=1) == truth

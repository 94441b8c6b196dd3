"""What is no number is NaN at its step, in every format and spelling, and is said."""

import json
import math

import numpy as np
import pytest
from loglines import decaying, record
from logwriters import FORMATS, JSON_FORMATS, LEAVES_OUT, LEFT_OUT, NUMBERED_FROM_1, render

from harness.errors import ParseError
from harness.parse import parse_log, parse_logs

PLANTED = (150, 151, 300)
NAN, INF = math.nan, math.inf
TOKENS = {
    "nan": NAN,
    "NaN": NAN,
    "NAN": NAN,
    "-nan": NAN,
    "nan(ind)": NAN,
    "-nan(ind)": NAN,
    "1.#QNAN": NAN,
    "-1.#IND": NAN,
    "1.#INF": INF,
    "-1.#INF": -INF,
    "inf": INF,
    "-inf": -INF,
    "Infinity": INF,
    "-Infinity": -INF,
    "tensor(nan, device='cuda:0')": NAN,
    "tensor(nan)": NAN,
    "tensor(inf, device='cuda:0', grad_fn=<NllLossBackward0>)": INF,
    "np.float32(nan)": NAN,
    "numpy.float64(inf)": INF,
    "float('nan')": NAN,
    "tf.Tensor(nan, shape=(), dtype=float32)": NAN,
    "bf16(nan)": NAN,
    "[nan]": NAN,
    "******": NAN,
    "N/A": NAN,
    "--": NAN,
    "None": NAN,
    "null": NAN,
    "": NAN,
    "true": NAN,
    "diverged": NAN,
}
QUOTED = ('"NaN"', '"nan"', '"Infinity"', '"-Infinity"', '"None"', '"N/A"', '""', '"1.#QNAN"')
ENDS_IN_VALUE = ("plain, loss last", "columns")
"""Formats whose loss is the last thing on a line: a word there may begin a sentence."""


def planted(form, token):
    first = 1 if form in NUMBERED_FROM_1 else 0
    steps = range(first, first + 400)
    losses = decaying(400).tolist()
    val = {100: 1.5, 200: 1.25}
    return (
        steps,
        losses,
        render(form, steps, losses, val=val, token_at=dict.fromkeys(PLANTED, token)),
    )


def check(form, token, value):
    steps, losses, text = planted(form, token)
    run = parse_log([text], source="x")
    (series,) = run.find("loss", 0)
    assert series.steps.tolist() == list(steps)
    expected = [value if s in PLANTED else x for s, x in zip(steps, losses, strict=True)]
    assert np.array_equal(series.values, expected, equal_nan=True), series.values[145:155]
    return run


def quoted(form, token):
    """The token as a cell: what holds a comma is quoted in a table, `'` ends a text of a dict."""
    return f'"{token}"' if form.startswith("csv") and "," in token else token


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("form", FORMATS)
def test_what_is_no_number_is_nan_at_its_step(form, token):
    if token in ("", "diverged") and form in ENDS_IN_VALUE and (form, token) != ("columns", ""):
        pytest.skip("a loss without anything behind it, or before a word, is no record")
    if "'" in token and form == "tcappdll json":
        pytest.skip("its figures stand in such quotes")
    run = check(form, quoted(form, token), TOKENS[token])
    told = [s for s in run.skipped if "taken as" in s.reason]
    is_number = token.lower().lstrip("+-") in {"nan", "inf", "infinity"}
    assert len(told) == len(PLANTED) or (is_number and not told), run.skipped[:3]
    assert len(told) == len(run.skipped)
    if told:
        assert any("not a number; the first" in note for note in run.notes)
        assert all("NaN" in s.reason or "inf" in s.reason for s in told)


@pytest.mark.parametrize("token", QUOTED)
@pytest.mark.parametrize("form", [*sorted(JSON_FORMATS), "csv"])
def test_so_it_is_in_quotes(form, token):
    check(form, token, INF if token == '"Infinity"' else -INF if "-I" in token else NAN)


@pytest.mark.parametrize("form", sorted(LEAVES_OUT | {"mllog"}))
def test_a_record_of_training_that_lacks_its_loss_alone_is_nan(form):
    run = check(form, LEFT_OUT, NAN)
    assert any("left out" in s.reason or "null" in s.reason for s in run.skipped)


@pytest.mark.parametrize("token", ["2.5", "tensor(2.5, device='cuda:0')"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_number_in_a_tensor_is_that_number(form, token):
    if "'" in token and form == "tcappdll json":
        pytest.skip("its figures stand in such quotes")
    assert check(form, quoted(form, token), 2.5).skipped == ()


@pytest.mark.parametrize("form", sorted(JSON_FORMATS))
def test_a_number_in_quotes_is_a_number(form):
    assert check(form, '"2.5"', 2.5).skipped == ()


@pytest.mark.parametrize("form", FORMATS)
def test_a_part_of_a_number_is_no_value_and_no_nan(form):
    if form in NUMBERED_FROM_1 - {"hf-trainer state on a line", "hf-trainer state"}:
        pytest.skip("its records name no step")
    text = planted(form, "2.5abc")[2]
    (series,) = parse_log([text], source="x").find("loss", 0)
    assert np.isfinite(series.values).all()
    assert not set(PLANTED) & set(series.steps.tolist())


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_that_is_nan_to_its_end_keeps_all_its_steps(form):
    first = 1 if form in NUMBERED_FROM_1 else 0
    steps = range(first, first + 400)
    tokens = dict.fromkeys(range(200, first + 400), "null")
    run = parse_log([render(form, steps, decaying(400), token_at=tokens)], source="x")
    (series,) = run.find("loss", 0)
    assert len(series) == 400
    assert np.flatnonzero(np.isnan(series.values)).tolist() == list(range(200 - first, 400))
    assert len(run.skipped) == 10
    assert any(f"{len(tokens)} values are not a number" in note for note in run.notes)


def read(text, **options):
    return parse_log([text], source="x", **options)


def points(run, name="loss"):
    return {
        step: value
        for s in run.find(name, 0)
        for step, value in zip(s.steps.tolist(), s.values.tolist(), strict=True)
    }


def test_an_unclosed_line_of_json_is_nan_where_its_step_can_be_read():
    lines = [f'{{"step": {i}, "loss": 2.5}}\n' for i in range(4)]
    run = read("".join([*lines[:2], '{"step": 2, "loss": nan\n', lines[3]]))
    assert np.isnan(points(run)[2])
    run = read("".join([*lines[:2], '{"step": 2, "loss": nan']))
    assert set(points(run)) == {0, 1}
    run = read("".join([*lines[:2], '{"step": 2, "loss": 2.1\n', lines[3]]))
    assert set(points(run)) == {0, 1, 3}


def test_a_first_record_without_its_loss_excuses_none_of_those_behind():
    lost = {0, 20, 21}
    rows = [{"step": i, "loss": None if i in lost else 2.5, "lr": 0.1} for i in range(40)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    table = "step,loss,lr\n" + "".join(f"{r['step']},{r['loss'] or ''},0.1\n" for r in rows)
    for text in (lines, table):
        values = points(read(text))
        assert np.isnan(values[20])
        assert np.isnan(values[21])


def test_a_loss_that_only_some_rows_hold_is_missing_in_none():
    table = "step,loss,lr\n" + "".join(f"{i},{'' if i % 10 else 2.5},0.1\n" for i in range(100))
    late = "step,loss,lr\n" + "".join(f"{i},{2.5 if i % 10 == 9 else ''},0.1\n" for i in range(99))
    for text in (table, late):
        run = read(text)
        assert np.isfinite(list(points(run).values())).all()
        assert not run.skipped


def test_an_object_or_a_list_in_the_place_of_a_loss_is_nan():
    for token in ("[1, 2]", "[]", "{}"):
        assert np.isnan(points(check("json lines", token, NAN))[150])


def test_rows_of_training_and_of_validation_leave_each_other_blank():
    text = "epoch,step,train_loss,lr,val_loss,val_acc\n" + "".join(
        f"0,{i},{4 - i / 100},0.1,,\n" + (f"0,{i},,,{3 - i / 100},0.5\n" if i % 10 == 9 else "")
        for i in range(100)
    )
    run = read(text)
    assert all(np.isfinite(s.values).all() for s in run.series)
    assert not run.skipped
    lost = read(text.replace(f"0,59,,,{3 - 59 / 100},0.5", "0,59,,,,0.5"))
    assert np.isnan(points(lost, "val.loss")[59])


@pytest.mark.parametrize(
    "extra", [lambda i: i % 10 == 0, lambda i: i % 10 == 5, lambda i: i > 50, lambda i: i == 0]
)
def test_a_column_that_some_rows_have_is_not_missing_in_others(extra):
    rows = [
        {"step": i, "loss": 4 - i / 100} | ({"val_loss": 2.5, "norm": 1.5} if extra(i) else {})
        for i in range(100)
    ]
    lines = "".join(str(row).replace("'", '"') + "\n" for row in rows)
    table = "step,loss,val_loss,norm\n" + "".join(
        f"{r['step']},{r['loss']},{r.get('val_loss', '')},{r.get('norm', '')}\n" for r in rows
    )
    for text in (lines, table):
        run = read(text)
        assert not run.skipped
        assert all(np.isfinite(s.values).all() for s in run.series)


@pytest.mark.parametrize(
    "other",
    [
        "loss: see below",
        "Loss function: CrossEntropy",
        "loss_decode=dict(type='CrossEntropyLoss'), loss: {type: ce}",
        "Loss: --",
        "using loss none of the heads",
        "epoch 2 step 7: train loss is nowhere near",
        "Step 20: saving the loss plot",
    ],
)
def test_prose_about_a_loss_is_no_record(other):
    lines = [f"Iteration {i}/20 - Loss: {4 - i / 10}\n" for i in range(20)]
    run = read("".join([*lines[:10], other + "\n", *lines[10:]]))
    assert len(points(run)) == 20
    assert np.isfinite(list(points(run).values())).all()


def test_a_text_of_a_record_is_no_series():
    lines = [
        f'{{"step": {i}, "phase": "train", "note": null, "ok": true, "loss": {4 - i / 10}}}\n'
        for i in range(20)
    ]
    run = read("".join(lines))
    assert {s.name for s in run.series} == {"loss"}
    assert not run.skipped


def test_losses_without_a_step_keep_their_count_over_one_that_is_no_number():
    lines = [f"|Loss: {4 - i / 10}\n" for i in range(20)]
    run = read("".join([*lines[:10], "|Loss: None\n", *lines[11:]]))
    assert list(points(run)) == list(range(20))
    assert np.isnan(points(run)[10])
    assert run.by_order == ("loss",)


def test_a_loss_of_trainer_that_is_no_number_keeps_its_place():
    text = planted("hf-trainer", "2.5abc")[2]
    assert 400 in points(read(text))
    assert 150 not in points(read(text))


def test_a_word_that_another_program_wrote_into_a_record_is_no_value():
    lines = [record(i, 4 - i / 10) + "\n" for i in range(20)]
    torn = lines[10].replace("train.loss : ", "train.loss : slow\n ")
    run = read("".join([*lines[:10], torn, *lines[11:]]))
    assert 10 not in points(run)
    assert len(points(run)) == 19


def test_a_users_pattern_that_finds_a_word_gives_nan():
    lines = [f"at {i} cost={4 - i / 10}\n" for i in range(20)]
    text = "".join([*lines[:10], "at 10 cost=tensor(nan, device='cuda:0')\n", *lines[11:]])
    run = read(text, pattern=r"at (?P<step>\d+) cost=(?P<loss>\S+)")
    assert np.isnan(points(run)[10])
    assert "tensor(nan" in run.skipped[0].reason
    assert run.by_order == ()
    assert read(text, pattern=r"cost=(?P<loss>\S+)").by_order == ("loss",)


def test_trainer_states_epochs_beside_steps_that_it_counts():
    run = read(planted("hf-trainer", "2.5")[2])
    assert run.by_order == ("grad_norm", "loss", "lr")
    assert run.epochs is not None
    assert run.epochs.steps.tolist() == list(range(1, 401))
    assert run.epochs.values[:2].tolist() == [0.01, 0.02]
    assert "epoch" not in {s.name for s in run.series}
    assert read(planted("json lines", "2.5")[2]).epochs is None


@pytest.mark.parametrize("earlier", ["nan", "7.5"])
@pytest.mark.parametrize("form", sorted(FORMATS.keys() - {"hf-trainer"}))
def test_a_step_logged_again_keeps_its_earlier_record(form, earlier):
    steps = [*range(1, 161), *range(140, 401)]
    first = len(range(1, 161))
    losses = decaying(len(steps))
    losses[first - 10 : first] = float(earlier)
    form_nan = [float(x) for x in losses]
    text = render(form, steps, form_nan)
    run = read(text)
    (now,) = run.find("loss", 0)
    (old,) = [s for s in run.replaced if s.name == "loss"]
    assert now.steps.tolist() == list(range(1, 401))
    assert np.isfinite(now.values).all()
    assert old.steps.tolist() == list(range(140, 161))
    bad = np.isnan(old.values)
    assert bad.sum() == (10 if earlier == "nan" else 0)
    (note,) = [n for n in run.notes if n.startswith("loss of rank 0: 21 steps are logged twice")]
    assert "(140 to 160)" in note
    assert ("not finite on 10 steps (151 to 160)" in note) == (earlier == "nan")
    assert "differs from the earlier one by up to" in note


def test_a_first_attempt_that_was_not_finite_is_kept_and_told_of():
    text = "".join(record(i, v) + "\n" for i, v in enumerate(["4.0", "nan", "nan"]))
    text += "".join(record(i, 4 - i) + "\n" for i in (0, 1, 1, 2, 3))
    run = read(text)
    (old,) = [s for s in run.replaced if s.name == "loss"]
    assert old.steps.tolist() == [0, 1, 2]
    assert np.isnan(old.values).tolist() == [False, True, True]
    assert any("2 of which are not finite" in note for note in run.notes)


def test_a_torn_first_record_of_an_attempt_does_not_lose_the_one_before():
    text = "".join(record(i, 4 - i / 100) + "\n" for i in range(100))
    text += "TCAPPDLL 2025-07-26 08:17:23.9 - Epoch: 0 Iteration: 0  rank : 0  train.loss : 3.01\n"
    text += "9 train.ips : 12.5 imgs/s\n"
    run = read(text)
    assert len(points(run)) == 100
    assert not any("started again" in note for note in run.notes)


def test_two_columns_of_one_quantity_are_two_series():
    text = "step,train_loss,lr-SGD/pg1,lr-SGD/pg2\n" + "".join(
        f"{i},{4 - i / 100},0.1,0.01\n" for i in range(60)
    )
    run = read(text)
    assert {s.name: s.values[0] for s in run.series if s.name != "loss"} == {
        "lr": 0.1,
        "lr-SGD/pg2": 0.01,
    }
    assert not any("twice" in note for note in run.notes)
    lines = "".join(
        f'{{"step": {i}, "loss": 2.5, "learning_rate": 0.2, "lr": 0.1, "recall@5": 0.5}}\n'
        for i in range(60)
    )
    values = {s.name: s.values[0] for s in read(lines).series}
    assert values == {"loss": 2.5, "learning_rate": 0.2, "lr": 0.1, "recall@5": 0.5}


def tidy(runs, extra=""):
    return "run,rank,step,name,value\n" + "".join(
        f"{run},0,{s},loss,{3 - 0.02 * s + i / 1000!r}\n"
        for i, run in enumerate(runs)
        for s in range(60)
    )


def test_a_table_of_several_runs_is_several_runs():
    runs = parse_logs([tidy(["0", "1", "b"])], source="series.csv")
    assert [run.source for run in runs] == [f"series.csv [run {label}]" for label in "01b"]
    assert [len(run.find("loss", 0)[0]) for run in runs] == [60, 60, 60]
    assert [run.find("loss", 0)[0].values[0] for run in runs] == [3.0, 3.001, 3.002]
    assert not any(run.replaced or run.notes for run in runs)
    with pytest.raises(ParseError, match="holds 3 runs"):
        parse_log([tidy("012")], source="series.csv")


def test_so_is_a_wide_one_in_whatever_order_and_a_table_of_one_run_is_one():
    text = "run,step,loss,lr\n" + "".join(
        f"{run},{s},{3 - s / 100 + run},0.1\n" for s in range(60) for run in (7, 8)
    )
    first, second = parse_logs([text], source="x.csv")
    assert (points(first)[0], points(second)[0]) == (10.0, 11.0)
    (only,) = parse_logs([tidy("0")], source="x.csv")
    assert only.source == "x.csv"


STEPS_OF_TRAINER = [1, *range(10, 201, 10)]


def test_a_first_step_logged_alone_is_a_window_of_one():
    history = [{"epoch": s / 100, "loss": 4 - s / 100, "step": s} for s in STEPS_OF_TRAINER]
    text = str({"log_history": history}).replace("'", '"') + "\n"
    series = {s.key: s.steps.tolist() for s in read(text).series}
    assert series == {"loss": [1], "loss@10": STEPS_OF_TRAINER[1:]}
    lines = "".join(
        f" iteration {s}/ 200 | learning rate: 1.5E-04 | lm loss: {4 - s / 100} |\n"
        for s in STEPS_OF_TRAINER
    )
    series = {s.key: s.steps.tolist() for s in read(lines).series if s.name == "loss"}
    assert series == {"loss": [1], "loss@10": STEPS_OF_TRAINER[1:]}


@pytest.mark.parametrize("last", [(), (120,)])
def test_an_interval_that_does_not_divide_the_epoch_is_one_window(last):
    lines = "".join(
        f"2021-08-01 12:00:00,123 - mmdet - INFO - Epoch [{e}][{d}/120]\tlr: 1.978e-03, "
        f"loss: {3 - 0.1 * e}\n"
        for e in range(1, 11)
        for d in (50, 100, *last)
    )
    series = [s for s in read(lines).series if s.name == "loss"]
    assert [(s.window, len(s)) for s in series] == [(50, 20 + 10 * len(last))]
    objects = "".join(
        f'{{"mode": "train", "epoch": {e}, "iter": {d}, "loss": {3 - 0.1 * e}}}\n'
        for e in range(1, 11)
        for d in (50, 100, *last)
    )
    assert [s.window for s in read(objects).series if s.name == "loss"] == [50]


def test_a_lost_first_line_does_not_widen_the_window():
    lines = "".join(
        f" iteration {s}/ 200 | learning rate: 1.5E-04 | lm loss: {4 - s / 100} |\n"
        for s in (10, 30, 40, 50)
    )
    assert {s.window for s in read(lines).series if s.name == "loss"} == {10}


@pytest.mark.parametrize(
    "word",
    ["overflow", "skipped", "<0.01", ">1e38", "#DIV/0!", "...", "not a number", "nan0", "0x7f"],
)
@pytest.mark.parametrize("line", ["step {} loss {} | lr 0.1\n", "Iteration {}/400 - Loss: {}\n"])
def test_a_plain_loss_of_any_word_at_the_end_is_nan_or_said(line, word):
    losses = decaying(400).tolist()
    text = "".join(line.format(i, v if i < 390 else word) for i, v in enumerate(losses))
    run = parse_log([text], source="x")
    (series,) = run.find("loss", 0)
    unread = run.unread_end is not None and "loss" in run.unread_end.text.lower()
    assert np.isnan(series.values[390:]).all() if len(series) == 400 else unread

"""A log without records: the error names the nearest lines and a pattern that reads them."""

import re

import pytest

from harness.errors import ParseError
from harness.parse import parse_log
from harness.parse.nearly import Nearly

LOSSES = (4.5, 4.25, 4.375, 3.875, 3.125)


def rows(line, steps=range(10, 60, 10), *, head=""):
    """A log of five lines of one form, and the losses that it states at their steps."""
    pairs = list(zip(steps, LOSSES, strict=True))
    lines = [line.format(s=s, v=v, lr=0.1 / s, t=1.5 * s) for s, v in pairs]
    return head + "\n".join(lines) + "\n", dict(pairs)


FORMS = {
    "an objective": rows("[{s:05d}] obj={v} dt=0.5s"),
    "an error behind an arrow": rows("iter={s} ; err -> {v}"),
    "a criterion of a count": rows("fit {s}/100 :: crit {v:.4f}, acc 0.5"),
    "an energy": rows("it {s} E = {v} dE = {lr:.3e}"),
    "German": rows("Durchgang {s}: Verlust {v}"),
    "Chinese": rows("第 {s} 步 损失 {v}"),
    "columns without a heading": rows("train  {s}  {v}  {lr:.3e}"),
    "semicolons": rows("{s};{v};{lr:.6f};0.5"),
    "a time before": rows("2025-03-04 10:00:00,123 | tick {s} | {v} | {lr:.2e}"),
    "XML": rows('<log n="{s}" objective="{v}" t="{t}"/>'),
    "the value first": rows("{v} nats after {s} updates"),
    "quotes": rows("'tick': {s}, 'elbo': {v}, 'beta': 1.0"),
    "brackets": rows("({s}) [{v}] <{lr:.3e}>"),
    "a unit behind the loss": rows("round {s} perplexity={v}nats"),
    "a head with numbers": rows(
        "tick {s}: residual {v}", head="version 2.1.0\nusing 8 cores\nseed 3\nwidth 1.5\n"
    ),
    "no step": (
        "".join(f"residual {v} t={t}.5\n" for t, v in enumerate(LOSSES)),
        dict(enumerate(LOSSES)),
    ),
    "an epoch and a counter": (
        "".join(f"ep {i // 3} n {i % 3} cost:= {v}\n" for i, v in enumerate(LOSSES)),
        dict(enumerate(LOSSES)),
    ),
}


def refused(text):
    with pytest.raises(ParseError) as error:
        parse_log([text], source="x.log")
    return str(error.value)


@pytest.mark.parametrize("form", FORMS)
def test_the_pattern_of_the_error_reads_the_log(form):
    text, truth = FORMS[form]
    pattern = re.search(r"--pattern '([^']+)'", refused(text))
    run = parse_log([text], source="x.log", pattern=pattern[1])
    found = {}
    for series in run.find("loss", 0):
        found |= dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))
    assert found == truth
    assert run.skipped == ()


def test_there_are_forms_enough():
    assert len(FORMS) >= 15


def test_the_error_names_three_lines_and_what_each_lacks():
    text = (
        "objective 4.5 at 10\nobjective 4.25 at 20\nepoch 1 err 0.5\n"
        "epoch 1 err 0.25\nstep 30 loss: see below 5\nhello\n"
    )
    said = refused(text)
    assert said.startswith("x.log: no training record in 6 lines. Nearest: line ")
    for line in (
        "line 1 'objective 4.5 at 10' lacks a number named loss and a step",
        "line 3 'epoch 1 err 0.5' lacks a number named loss",
        "line 5 'step 30 loss: see below 5' lacks a number behind 'loss'",
    ):
        assert line in said
    assert "`harness formats`" in said


def test_lines_without_numbers_are_not_near():
    assert "Nearest" not in refused("hello\nworld\n")
    assert Nearly().nearest() == ([], "")


def test_a_line_that_is_alone_gives_no_pattern():
    said = refused("objective 4.5 at 10\n")
    assert "line 1 'objective 4.5 at 10' lacks" in said
    assert "--pattern '" not in said


def test_numbers_that_do_not_change_give_no_pattern():
    assert "--pattern '" not in refused("width 1.5\nwidth 1.5\nwidth 1.5\n")


def test_the_message_stays_on_one_line_and_short():
    text = "".join(f"objective={i}.5 {'x' * 300} 'quoted' \x1b[31m\n" for i in range(5000))
    said = refused(text)
    assert "\n" not in said
    assert len(said) < 1500


def test_lines_of_a_log_that_was_read_are_not_kept():
    text = "objective 4.5 at 10\n" + "".join(f'{{"step": {i}, "loss": 2.5}}\n' for i in range(3))
    assert len(parse_log([text], source="x").find("loss", 0)[0]) == 3


def epochs(line, result, *, steps=(10, 20, 30)):
    """Two epochs of lines of training, an evaluation behind each, and the losses by their order."""
    losses = iter((4.5, 4.25, 4.375, 3.875, 3.125, 3.5))
    text, truth = "", []
    for epoch in (1, 2):
        for step in steps:
            truth.append(next(losses))
            bar = "#" * (step // 10) + " " * (3 - step // 10)
            shown = {"e": epoch, "s": step, "v": truth[-1], "p": step * 3, "bar": bar}
            text += line.format(**shown) + "\n"
        text += result.format(e=epoch, v=9.5 + epoch / 4) + "\n"
    return text, truth


BESIDE_RESULTS = {
    "Chinese words": epochs(
        "第{e}轮 第{s}/30批 损失: {v} 学习率: 0.01", "验证集损失: {v} 准确率: 0.5"
    ),
    "Chinese words in brackets": epochs(
        "轮次 [{e}/2]，步数 [{s}/30]，损失：{v}", "轮次 [{e}/2]，验证损失：{v}"
    ),
    "no counter": epochs("t {s}s 损失: {v}", "验证集损失: {v}"),
    "one form for both": epochs("ep {e} n {s} cost:= {v}", "test: ep {e} n 30 cost:= {v}"),
    "a percentage and a bar": epochs(
        "Epoch {e}/2: {p:3d}%|{bar}| {s}/30 [00:01<00:02, 9.5img/s, loss (batch)={v}]",
        "Validation Dice score: {v}",
    ),
}


@pytest.mark.parametrize("form", BESIDE_RESULTS)
def test_the_pattern_reads_no_result_of_an_evaluation_and_sets_nothing_aside(form):
    text, truth = BESIDE_RESULTS[form]
    pattern = re.search(r"--pattern '([^']+)'", refused(text))
    run = parse_log([text], source="x.log", pattern=pattern[1])
    (found,) = run.find("loss", 0)
    assert found.values.tolist() == truth
    assert not run.replaced
    assert not any("twice" in note for note in run.notes)


def test_a_percentage_is_no_step_of_a_pattern():
    text, _ = rows("{s}% of a pass: obj={v}")
    assert "--pattern '" in refused(text)
    assert "?P<step>" not in refused(text)


def test_a_counter_that_other_lines_state_again_is_no_step_of_a_pattern():
    first = "".join(f"at 9s obj={v} n {s}\n" for s, v in zip((1, 2, 3), LOSSES, strict=False))
    second = "".join(
        f"once more at 9s obj={v} n {s}\n" for s, v in zip((1, 2), LOSSES, strict=False)
    )
    pattern = re.search(r"--pattern '([^']+)'", refused(first + second))
    run = parse_log([first + second], source="x.log", pattern=pattern[1])
    assert not run.replaced
    assert not any("twice" in note for note in run.notes)


def test_no_pattern_is_made_of_evaluations():
    text = "".join(f"validation pass {i}: objective {5 - i / 8}\n" for i in range(9))
    assert "Read it with --pattern" not in refused(text)

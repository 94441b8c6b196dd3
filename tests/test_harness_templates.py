"""Lines that are cut by templates give what reading line by line gives, in every form of line."""

import random
import re

import pytest
from grammarlogs import HEADS, JOINS, PAIRS, PLACES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logforms import LOGS, SPELLINGS
from test_harness_bulk import NOISE, check_alike
from test_harness_evaluations import SETS
from test_harness_grammar import FORMS

from harness.parse import parse_log, text
from harness.parse.fast import templated
from harness.parse.fast.learning import learn
from harness.parse.fast.linecut import LineCutter
from harness.parse.fast.rows import TextCutter
from harness.parse.fast.segments import borders_of
from harness.parse.fast.states import advance, state_of, steps_between
from harness.parse.fast.template import Form, Part, tokens_of
from harness.parse.reading import _Reading

EVERY = {**LOGS, **SPELLINGS, **{name: form[0] for name, form in (FORMS | SETS).items()}}
WITHOUT = {
    *("tcappdll", "tcappdll json", "mllog", "columns", "hf-trainer state", "plain, bars alone"),
    *("hf-trainer state on a line", "plain, a bar of tqdm", "csv, tidy", "columns with a heading"),
    *("columns with commas", "hf-trainer in a bar", "Keras 3", "Keras, one line an epoch", "Caffe"),
    *("Lightning's bar with slashes", "epochs alone", "JSON behind a time", "epoch table"),
    *(
        "lines of one epoch are numbered in order",
        "blocks of losses",
        "boxed table",
        "a bar with results of both",
    ),
    *("objects of JSON with a test alone", "parts of a line with a phase each"),
}
"""Forms whose lines are read one by one: nothing counts on them, or bars overwrite each other."""
BLOCK = 60
"""Lines of one form that follow each other."""


@pytest.fixture(params=["text", "compiled"])
def cutter(request, monkeypatch):
    """Has templates cut lines by regular expressions, or by compiled code."""
    after = 0 if request.param == "compiled" else 1 << 60
    monkeypatch.setattr(templated, "COMPILE_AFTER", after)
    monkeypatch.setattr(templated, "is_loaded", lambda: False)
    return request.param


def templates_of(log):
    """The lines of a log with the template of each; None for those without one."""
    reading, found = _Reading(None, ()), []
    for line in log.split("\n")[:-1]:
        reading._feed(line.encode(), reading.number)
        found.append((line, learn(reading._readers, reading.into, line)))
        reading.number += 1
    return found


def line_of(template, line, rng, step, spelled=None):
    """A line of a template whose counter is `step` more than that of the given line."""
    out, at = [], 0
    for token, slot in zip(tokens_of(line), template.slots, strict=True):
        out.append(line[at : token.start - slot.blanks])
        was = line[token.start : token.end]
        new = was
        if slot.part is Part.ITERATION:
            new = str(int(was) + step)
        elif slot.part is Part.VALUE and slot.form is Form.DECIMAL:
            new = spelled or f"{rng.gauss(2, 1):.{3 if slot.width else 5}f}"
        elif slot.part is Part.IGNORED and slot.form is not Form.DECIMAL:
            new = re.sub("[1-9]", lambda _: str(rng.randrange(1, 10)), was)
        elif slot.part is Part.NOTED_EPOCH:
            new = f"{float(was) + step / 1000:.3f}"
        pad = max(slot.least, token.width - len(new)) if slot.width else slot.blanks
        out.append(" " * pad + new)
        at = token.end
    return "".join(out) + line[at:]


ODD = ("nan", "NaN", "-inf", "1e400", "5", "5.", ".5", "-0.0", "1e-7", "0." + "1" * 40, "007.5", "")


def grown(log, rng, *, damaged):
    """A long log of the same form: blocks of lines alike, with other lines between."""
    lines = []
    for cycle in range(4):
        for line, template in templates_of(log):
            if template is None:
                lines.append(line)
                continue
            begin = rng.choice([cycle * BLOCK, cycle * BLOCK, 0, max(0, cycle * BLOCK - 25)])
            for i in range(BLOCK):
                spelled = rng.choice(ODD) if damaged and rng.random() < 0.02 else None
                lines.append(line_of(template, line, rng, begin + i, spelled))
                if damaged and rng.random() < 0.02:
                    cut = rng.randrange(len(lines[-1]))
                    lines[-1:] = rng.choice(
                        [
                            [lines[-1], rng.choice(NOISE)],
                            [lines[-1][:cut], lines[-1][cut:]],
                            [lines[-1], lines[-1]],
                            [lines[-1][:cut] + "\r" + lines[-1][cut:]],
                            [lines[-1][:cut] + rng.choice("7,. -é\t") + lines[-1][cut:]],
                        ]
                    )
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "damaged"])
@pytest.mark.parametrize("name", EVERY)
def test_every_form_reads_by_templates_as_it_does_line_by_line(name, damaged, cutter):
    rng = random.Random(f"{name} {damaged} {cutter}")
    data = grown(EVERY[name], rng, damaged=damaged)
    check_alike([data])
    size = len(data) // 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "CHUNK_BYTES", size)
        check_alike([data[i : i + size] for i in range(0, len(data), size)])


@pytest.mark.parametrize("name", EVERY.keys() - WITHOUT)
def test_most_lines_of_a_form_are_cut_and_not_read_one_by_one(name, cutter, monkeypatch):
    data = grown(EVERY[name], random.Random(name), damaged=False)
    fed = []
    feed = _Reading._feed

    def counted(self, raw, number):
        fed.append(number)
        return feed(self, raw, number)

    monkeypatch.setattr(_Reading, "_feed", counted)
    parse_log([data], source="x", bulk_after=0)
    assert len(fed) < 0.6 * data.count(b"\n")


def test_the_forms_without_a_template_are_those_that_count_nothing_on_a_line():
    assert {name for name, log in EVERY.items() if not any(t for _, t in templates_of(log))} == (
        WITHOUT
    )


@st.composite
def logs(draw):
    """A log of the grammar with several ranks, epochs that end, and events."""
    head, place = draw(st.sampled_from(HEADS)), draw(st.sampled_from(sorted(PLACES)))
    pair, join = draw(st.sampled_from(PAIRS)), draw(st.sampled_from(JOINS))
    names = ["loss", *draw(st.sets(st.sampled_from(["kl_loss", "lr", "grad_norm", "acc1"])))]
    ranks = draw(st.integers(1, 3)) if "{rank}" in head else 1
    length, every = draw(st.integers(30, 90)), draw(st.integers(1, 3))
    rng = random.Random(draw(st.integers(0, 1 << 30)))
    lines, step = [], 0
    for _ in range(140):
        if rng.random() < 0.01:
            step = max(0, step - rng.choice([1, 20, step]))
        epoch, counter = divmod(step, length)
        for rank in rng.sample(range(ranks), ranks) if rng.random() < 0.1 else range(ranks):
            where = {"step": step, "epoch": epoch, "counter": counter, "length": length}
            where |= {"percent": 100 * counter // length, "rank": rank}
            figures = join.join(pair.format(name=n, value=rng.gauss(1, 2)) for n in names)
            lines.append(head.format(**where) + place.format(**where) + figures)
        if rng.random() < 0.02:
            lines.append(rng.choice([*NOISE, lines[-1], f"val loss: {rng.random()}", "Epoch 7"]))
        step += every
    return ("\n".join(lines) + draw(st.sampled_from(["\n", "", "\r\n"]))).encode()


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(logs(), st.sampled_from([3000, 9000, 1 << 20]))
def test_a_line_of_the_grammar_reads_by_templates_as_it_does_alone(cutter, data, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "CHUNK_BYTES", chunk)
        check_alike([data[i : i + chunk] for i in range(0, len(data), chunk)])


def template_of(log):
    return next(t for _, t in reversed(templates_of(log)) if t is not None)


def test_a_number_of_a_line_is_known_by_what_the_format_does_with_it():
    template = template_of(LOGS["mmengine"].split("2026/11/23 15:52:25")[0])
    parts = [(slot.part.name, slot.series) for slot in template.slots if slot.kept]
    assert parts == [
        ("ITERATION", ""),
        ("CONSTANT", ""),
        *(("VALUE", n) for n in ("lr", "time", "data_time", "memory", "loss", "decode.acc_seg")),
    ]
    assert template_of(SPELLINGS["plain, ranks"]).columns(Part.RANK) == [0]
    assert template_of(LOGS["csv"]).columns(Part.EPOCH) == [0]
    assert template_of(LOGS["hf-trainer"].split("{'eval")[0]).columns(Part.NOTED_EPOCH) == [3]


NUMBERS = (
    *("2.5", "-2.5", "2", "2.", ".5", "02.5", "nan", "1e5", "1.5e-05", "-1.5E+05", "1e", "1.5e"),
    *("1,234.5", "+2.5", "", " 2.5", "2 .5", "9" * 18 + ".5", "9" * 25 + ".5", "2.5.5", "2.5e400"),
)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("padded", [False, True])
def test_both_cutters_cut_the_same_lines_into_the_same_numbers(number, padded):
    log = "".join(f"step: {i:5d} loss: {i / 8:8.3f} lr: 0.5\n" for i in range(1, 9))
    template = template_of(log if padded else re.sub(" +", " ", log))
    line = (
        f"step: {12:5d} loss: {number:>8} lr: 0.5" if padded else f"step: 12 loss: {number} lr: 0.5"
    )
    block = (line + "\n" + "x" * 80 + "\n").encode()
    rows = [kind([template]).cut(block, 0, len(block)) for kind in (TextCutter, LineCutter)]
    found = [[n for at in row.firsts for n in row.numbers[at : at + 3].tolist()] for row in rows]
    if len(number) > 20:  # compiled code leaves what has more than 19 digits to the format
        assert not found[1]
    else:
        assert found[0] == found[1]
        assert not found[0] or found[0] == [12.0, float(number), 0.5]


def test_rows_are_parted_where_a_counter_falls_or_a_constant_changes():
    template = template_of("epoch: 1 step: 10/60 loss: 2.5\nepoch: 1 step: 20/60 loss: 2.25\n")
    numbers = [[1, 10, 60, 2.5], [1, 20, 60, 2.5], [1, 15, 60, 2.5], [1, 60, 60, 2.5]]
    rows = TextCutter([template]).cut(
        "".join(
            f"epoch: {int(e)} step: {int(s)}/{int(n)} loss: {v}\n"
            for e, s, n, v in [*numbers, [2, 61, 60, 2.5], [2, 62, 60, 2.5]]
        ).encode(),
        0,
        1 << 20,
    )
    columns = len(template.kept)
    assert borders_of(template, rows.numbers.reshape(-1, columns)) == [0, 2, 3, 4, 6]


def test_the_state_of_a_format_is_compared_and_its_counters_advanced():
    class Kept:
        def __init__(self):
            self.lines, self.names, self.last = 3, {"a": 1}, (1, 2.0)

    before, after = Kept(), Kept()
    after.lines, after.names["a"], after.last = 4, 3, (2, 1.0)
    rises = steps_between(state_of(before), state_of(after))
    assert sorted(rises.values()) == [1, 2]
    advance(after, {path: 10 * by for path, by in rises.items()})
    assert (after.lines, after.names["a"], after.last) == (14, 23, (2, 1.0))
    after.names["b"] = 1
    assert steps_between(state_of(before), state_of(after)) is None


def test_a_padded_number_keeps_the_blank_that_its_format_needs():
    log = LOGS["megatron"].split("\n")[1] + "\n"
    template = template_of(LOGS["megatron"] + log.replace(" 20/", " 30/"))
    counter = template.slots[[slot.part for slot in template.slots].index(Part.ITERATION)]
    assert (counter.width, counter.least) == (9, 1)

    def is_cut(shown):
        block = (log.replace("       20/", shown) + "x" * 200 + "\n").encode()
        rows = [kind([template]).cut(block, 0, len(block)) for kind in (TextCutter, LineCutter)]
        assert rows[0].starts.size == rows[1].starts.size
        return bool(rows[0].starts.size)

    assert [is_cut(shown) for shown in ("       20/", " 12345678/", "      200/")] == [True] * 3
    assert not any(is_cut(shown) for shown in ("123456789/", "      20/", "1234567890/"))

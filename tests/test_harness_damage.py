"""Damaged logs: what is read was written, at the step where it was written, or is not read."""

from dataclasses import replace

import pytest
from logforms import LOGS, SPELLINGS
from loglines import header, record, records

from harness.errors import HarnessError
from harness.parse import parse_log
from harness.parse.grammar.fields import Parted

EVERY = {**LOGS, **SPELLINGS, "tcappdll with a header": header() + records([11.25, 10.5])}
PATTERN = r"at (?P<step>\d+)(?: of rank (?P<rank>\d+))? cost=(?P<loss>\S+)"


def read(text, **options):
    """What was read, records and stated facts; nothing where the log is refused."""
    try:
        run = parse_log([text], source="x.log", **options)
    except HarnessError:
        return set(), {}
    points = {
        (s.name, s.rank, step, value)
        for s in (*run.series, *run.replaced)
        for step, value in zip(s.steps.tolist(), s.values.tolist(), strict=True)
    }
    return points, {name: run.facts[name] for name in run.facts.lines}


def check_prefixes(text, **options):
    written, stated = read(text, **options)
    assert len(written) > 1
    most = 0
    for end in range(len(text)):
        points, facts = read(text[:end], **options)
        assert points <= written, f"cut at {end}, after {text[max(0, end - 40) : end]!r}"
        wrong = {name: value for name, value in facts.items() if stated.get(name) != value}
        assert not wrong, f"cut at {end}, after {text[max(0, end - 40) : end]!r}"
        most = max(most, len(points))
    assert 2 * most >= len(written), "a cut costs a line at most, and each log here has two"


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", EVERY)
def test_a_log_cut_at_any_byte_gives_only_what_was_written(name, end):
    if end == "\r\n" and name not in LOGS:
        pytest.skip("the spellings differ in their fields, not in their ends")
    check_prefixes(EVERY[name].replace("\n", end))


def test_a_pattern_of_ones_own_reads_no_line_that_was_cut():
    text = "at 10 of rank 12 cost=11.25\nat 11 of rank 12 cost=10.75\nat 12 of rank 12 cost=9.5\n"
    check_prefixes(text, pattern=PATTERN)


def test_the_prefix_check_can_fail(monkeypatch):
    from harness.parse.formats.mmengine_text import MmengineText

    layout = MmengineText.layout

    class Trusting(Parted):
        def split(self, text):
            return super().split(text + "\n")

    monkeypatch.setattr(MmengineText, "layout", replace(layout, fields=Trusting()))
    with pytest.raises(AssertionError, match="cut at"):
        check_prefixes(LOGS["mmengine"])


RANKS = "".join(
    record(step, f"{10 + step}.{125 + rank}", rank=rank, time=0.0625 + step) + "\n"
    for step in (10, 11)
    for rank in (0, 11)
)
OTHER = record(10, "77.625", rank=2, time=0.125)
HALVES = {"half of another rank's record"}
INTRUDERS = {
    "a line of another program": "WARNING: low memory on device 3\n",
    "a line of numbers": "12 34.5\n",
    "a word after a blank": " slow\n",
    "a line end": "\n",
    "a blank": " ",
    "a progress bar": "\r 12%|##  | 3/25\r",
    "another rank's record": OTHER + "\n",
    "another rank's record without its end": OTHER,
    "half of another rank's record": OTHER[: OTHER.index("77.6") + 3],
    "two records": OTHER + "\n" + OTHER.replace("rank : 2", "rank : 3") + "\n",
    "a line of mmengine": LOGS["mmengine"].splitlines(keepends=True)[0],
}


def per_step(points):
    """The records of TCAPPDLL alone."""
    return {p for p in points if p[0] in {"loss", "ips", "total_time"}}


@pytest.mark.parametrize(("bulk_after", "every"), [(0, 7), (1 << 30, 1)], ids=["bulk", "lines"])
@pytest.mark.parametrize("name", INTRUDERS)
def test_what_breaks_into_a_tcappdll_line_anywhere_changes_no_value(name, bulk_after, every):
    intruder = INTRUDERS[name]
    written = read(RANKS + OTHER + "\n" + OTHER.replace("rank : 2", "rank : 3") + "\n")[0]
    written |= read(LOGS["mmengine"])[0]
    for at in range(0, len(RANKS), every):
        if name in HALVES and RANKS[at] in " \n.0123456789":
            continue  # the half and the rest of the line are one whole record that no one wrote
        points, _ = read(RANKS[:at] + intruder + RANKS[at:], bulk_after=bulk_after)
        wrong = points - written
        assert not wrong, f"{name} after {RANKS[max(0, at - 40) : at]!r}: {wrong}"


TEXTS = ("mmengine", "mmengine, by epoch", "mmcv", "mmcv, by epoch", "megatron", "mllog")
OF_WORDS = ("hf-trainer", "hf-trainer in a bar", "plain", "plain, step and loss", "json lines")
"""Formats of lines. A line end, or words after a blank, inside a number of theirs show in nothing:
`Loss: 1` and `1.25` are two whole lines."""


@pytest.mark.parametrize("intruder", ["a line of another program", "a progress bar"])
@pytest.mark.parametrize("name", [*TEXTS, *OF_WORDS])
def test_what_breaks_into_a_line_of_text_anywhere_changes_no_value_of_training(name, intruder):
    text, intruder = EVERY[name], INTRUDERS[intruder]
    written = read(text)[0]
    for at in range(0, len(text), 3 if len(text) > 400 else 1):
        points = read(text[:at] + intruder + text[at:])[0]
        wrong = {p for p in points - written if not p[0].startswith("val.")}
        assert not wrong, f"after {text[max(0, at - 40) : at]!r}: {wrong}"


JOINABLE = sorted(
    EVERY.keys() - {"hf-trainer state", "plain, bars alone", "hf-trainer", "blocks of losses"}
)
"""Not a document of many lines, and no lines without a step: those are numbered in order."""


@pytest.mark.parametrize("name", JOINABLE)
def test_two_lines_joined_by_a_lost_line_end_give_no_value_to_the_wrong_step(name):
    text = EVERY[name]
    written = read(text)[0]
    for at in [i for i, c in enumerate(text[:-1]) if c == "\n"]:
        joined = read(text[:at] + text[at + 1 :])[0]
        wrong = {p for p in joined - written if not p[0].startswith("val.")}
        assert not wrong, text[max(0, at - 40) : at + 40]  # a validation line names no step

"""Whole logs, damaged at random: only HarnessError comes out, and soon. `tox -e fuzz` does more."""

import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logforms import BLOCKS, LOGS, SPELLINGS

from harness.errors import HarnessError
from harness.parse import parse_log

WHOLE = [text.encode() for text in (*LOGS.values(), *SPELLINGS.values(), *BLOCKS.values())]
LINES = [line for text in WHOLE for line in text.splitlines(keepends=True)]
NUMBERS = (
    *(b"0", b"-1", b"1e308", b"1e999", b"nan", b"-inf", b"1,234.5", b"1_0", b"9" * 310, b"0x1p3"),
    *(b"1.", b".5", b"1e", b"--1", b"999999999999", b"1000000000001", b"NaN", b"Infinity", b"true"),
)
MARKS = (
    *(b"TCAPPDLL", b":::MLLOG", b"Config:\n", b"mmengine", b"Iter(train) [", b"{'", b'{"', b"\r"),
    *(
        b"\x1b[31m",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        "损失".encode("gbk"),
        b'"log_history": [',
    ),
    *(
        b"Namespace(",
        b"step,loss\n",
        b"iteration 1/ 2 |",
        b"Loss: ",
        b"Epoch: ",
        b"[" * 300,
        b"\\ud800",
    ),
)
LONGEST_S = 2.0
"""Of the processor, for logs of some kilobytes."""
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")


@st.composite
def damaged(draw):
    """A log or two, then a few things done to its bytes."""
    data = b"".join(draw(st.lists(st.sampled_from(WHOLE), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(0, 6))):
        data = hurt(draw, data)
    return data


def hurt(draw, data):
    at = draw(st.integers(0, len(data)))
    head, tail = data[:at], data[at:]
    kind = draw(
        st.sampled_from(["cut", "splice", "flip", "repeat", "number", "mark", "line", "lose"])
    )
    if kind == "cut":
        tail = b""
    elif kind == "splice":
        other = draw(st.sampled_from(WHOLE))
        tail = other[draw(st.integers(0, len(other))) :]
    elif kind == "flip" and tail:
        tail = bytes([tail[0] ^ draw(st.integers(1, 255))]) + tail[1:]
    elif kind == "repeat":
        tail = b"".join(tail.splitlines(keepends=True)[:3]) + tail
    elif kind == "number" and (match := _NUMBER.search(tail)):
        tail = tail[: match.start()] + draw(st.sampled_from(NUMBERS)) + tail[match.end() :]
    elif kind == "lose":
        tail = tail[draw(st.integers(0, 40)) :]
    else:
        head += draw(st.sampled_from(MARKS if kind == "mark" else LINES))
    return head + tail


def survive(data, **options):
    """A run that is sound comes out, or an error that says where."""
    began = time.process_time()
    try:
        run = parse_log([data], source="x.log", **options)
    except HarnessError as error:
        return str(error).startswith("x.log") or pytest.fail(f"no source in {error}")
    assert time.process_time() - began < LONGEST_S
    assert run.series
    for series in (*run.series, *run.replaced):
        steps = series.steps.tolist()
        assert steps == sorted(set(steps))
        assert steps[0] >= 0
    assert all(1 <= skipped.line <= run.lines for skipped in run.skipped)
    return True


common = settings(
    max_examples=1500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@common
@given(damaged())
def test_a_damaged_log_is_read_or_refused_and_nothing_else(data):
    survive(data)


@pytest.fixture(scope="module")
def compiled():
    """What reads in bulk is compiled, so that no log is charged with the compiler's time."""
    parse_log([WHOLE[0]], source="x.log", bulk_after=0)


@pytest.mark.usefixtures("compiled")
@settings(common, max_examples=300)
@given(damaged())
def test_so_is_one_that_is_read_in_bulk_or_with_a_pattern(data):
    survive(data, bulk_after=0)
    survive(data, pattern=r"(?P<step>\d+).*?(?P<loss>\S+)$")


@settings(common, max_examples=300)
@given(damaged(), st.sampled_from(["utf-16", "utf-16-le", "utf-16-be", "gb18030", "latin-1"]))
def test_so_is_one_in_another_encoding(data, code):
    survive(data.decode("latin-1").encode(code))


@settings(common, max_examples=300)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
def test_so_is_any_other_file(data):
    survive(data)


def test_the_check_can_fail(monkeypatch):
    from harness.parse.formats import tcappdll

    monkeypatch.setattr(tcappdll, "count", lambda text: None if text else 1 // 0)
    monkeypatch.setattr(tcappdll, "number", lambda text: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        survive(WHOLE[0])

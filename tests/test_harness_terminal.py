"""The terminal: sparklines, tables that fit the screen, one line with --quiet."""

import io
import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loglines import decaying, header, records
from portresults import broken, result
from rich.console import Console

from harness.report.comparison.text import Curves
from harness.report.ports import check_table, oneline
from harness.report.sparkline import ASCII, BLOCKS, levels, sparklines

VALUES = st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=60)
ALL = [
    result("good"),
    result("bad", "fail", relative_difference=0.2),
    result("short", "inconclusive"),
    result("wide", "incomparable"),
    broken(),
]


def test_both_curves_are_on_one_scale():
    low, high = sparklines([0.0, 1.0], [6.0, 7.0], width=10)
    assert low == BLOCKS[0] + BLOCKS[1]
    assert high == BLOCKS[6] + BLOCKS[7]


def test_a_value_that_is_not_finite_is_a_gap():
    (line,) = sparklines([0.0, math.nan, None, math.inf, 1.0], width=10)
    assert line == "▁   █"


def test_a_longer_curve_is_thinned_to_means():
    (line,) = sparklines([0, 2, 7, 9, 14, 16], width=3)
    assert line == "▁▅█"


@given(VALUES, VALUES, st.integers(0, 30))
def test_a_line_is_as_wide_as_asked_at_most_and_of_known_characters(one, two, width):
    for curve, line in zip((one, two), sparklines(one, two, width=width), strict=True):
        assert len(line) == min(len(curve), width)
        assert set(line) <= set(BLOCKS + " ")


@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=20))
def test_higher_values_are_never_drawn_lower(values):
    (line,) = sparklines(values, width=20)
    marks = [BLOCKS.index(c) for _, c in sorted(zip(values, line, strict=True))]
    assert marks == sorted(marks)


def test_an_output_without_blocks_gets_ascii():
    assert levels("utf-8") == BLOCKS
    assert levels("ascii") == levels("no such encoding") == ASCII
    assert len(ASCII) == len(BLOCKS) == 8


def shown(width, results=ALL, **options):
    console = Console(file=io.StringIO(), width=width, highlight=False, **options)
    check_table.write(results, console)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (40, ["port", "verdict"]),
        (80, ["port", "verdict", "difference", "rules"]),
        (
            200,
            [
                "port",
                "verdict",
                "difference",
                "rules",
                "coverage",
                "steps",
                "baseline",
                "over",
                "candidate",
            ],
        ),
    ],
)
def test_the_table_of_a_check_fits_the_screen(width, columns):
    lines = shown(width).splitlines()
    assert max(map(len, lines)) <= width
    head = next(line for line in lines if "verdict" in line)
    assert head.split() == columns
    rows = [line for line in lines if line.strip().startswith(("good ", "bad ", "gone "))]
    assert len(rows) == 3


def test_a_piped_table_is_plain_and_a_terminal_has_colours_unless_told_not_to(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in shown(120)
    assert "\x1b[1;31mfail" in shown(120, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "[1;31m" not in shown(120, force_terminal=True, color_system="standard")


def test_a_port_that_did_not_pass_has_its_reasons_below_the_table():
    text = shown(200)
    for line in (
        "bad: the candidate does not reproduce the baseline",
        "bad: reason of bad",
        "gone: no.log: no such file",
        "5 ports: 1 pass, 1 fail, 1 inconclusive, 1 incomparable, 1 error",
    ):
        assert line in text
    assert "good: " not in text


def test_a_table_shows_markup_of_a_log_as_words():
    assert "[red]x[/red]" in shown(200, [result("p", "fail", reasons=("[red]x[/red]",))])


@pytest.mark.parametrize("width", [12, 40, 80, 200])
def test_both_curves_of_a_comparison_fit_the_screen(width):
    console = Console(file=io.StringIO(), width=width)
    console.print(Curves(baseline=tuple(range(500)), candidate=tuple(range(500))))
    lines = console.file.getvalue().splitlines()
    assert [line[:9] for line in lines] == ["baseline ", "candidate"]
    assert all(len(line) == min(width, 110) for line in lines)


def test_one_line_says_verdict_effect_and_reason():
    assert oneline.one_line(
        result("", "fail", relative_difference=-0.298, reasons=("so\nit is",))
    ) == ("fail -29.80%, so it is")
    assert oneline.summary_line(ALL) == (
        "5 ports: 1 pass, 1 fail, 1 inconclusive, 1 incomparable, 1 error; "
        "gone: error, no.log: no such file"
    )


MANIFEST = """
[[port]]
name = "bad"
baseline = "gpu.log"
candidate = "worse.log"
rules = ["two-sided"]
"""


@pytest.fixture
def project(tmp_path):
    base = decaying(80)
    (tmp_path / "gpu.log").write_text(header(seed=1) + records(base))
    (tmp_path / "worse.log").write_text(header(seed=2) + records(base * 1.2))
    (tmp_path / "ports.toml").write_text(MANIFEST)

    def call(*args, **environ):
        return subprocess.run(
            [sys.executable, "-m", "harness", *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
            env=os.environ | environ,
        )

    return call


@pytest.mark.parametrize(
    "command", [("compare", "gpu.log", "worse.log", "--rule=two-sided"), ("check",)]
)
def test_quiet_prints_one_line_and_keeps_the_exit_status(project, command):
    done = project(*command, "--quiet", "--report", "out")
    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert "fail +20.00%, two-sided: " in done.stdout


def test_compare_draws_both_curves_in_what_the_output_can_write(project):
    for encoding, marks in (("utf-8", BLOCKS), ("ascii", ASCII)):
        done = project("compare", "gpu.log", "worse.log", "--rule=exact", PYTHONIOENCODING=encoding)
        lines = [x for x in done.stdout.splitlines() if x.startswith(("baseline ", "candidate "))]
        assert len(lines) == 2
        assert all(set(line[10:]) <= set(marks) for line in lines)
        assert len(lines[0]) == 90
        assert "\x1b" not in done.stdout

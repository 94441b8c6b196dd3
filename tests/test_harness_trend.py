"""The change point: found where planted, not cried where nothing changed; drawn with its words."""

import re
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from portresults import HOSTILE, entries

from harness.comparison.trend import MIN_RUNS, find_changes
from harness.errors import HistoryError
from harness.report.ports import history_table
from harness.report.ports.trend import describe, short, trend_svg
from harness.report.sparkline import BLOCKS


def found(differences):
    return [(c.at, c.before, c.after) for c in find_changes(entries(differences))]


@pytest.mark.extra("history")
def test_flat_histories_rarely_have_a_change():
    rng = np.random.default_rng(11)
    noises = (
        lambda n: rng.normal(size=n),
        lambda n: rng.standard_t(3, size=n),
        lambda n: rng.normal(size=n) + 8 * (rng.random(n) < 0.05),
    )
    for noise in noises:
        alarms = [bool(found(0.01 * noise(n))) for n in (7, 12, 20, 50) for _ in range(100)]
        assert np.mean(alarms) <= 0.02


@pytest.mark.extra("history")
def test_planted_steps_are_named_to_within_one_run():
    rng = np.random.default_rng(12)
    for sign in (-1, 1):
        hits = 0
        for _ in range(100):
            differences = 0.01 * rng.normal(size=25)
            differences[20:] += sign * 0.05
            changes = find_changes(entries(differences))
            hits += len(changes) == 1 and abs(changes[0].at - 20) <= 1
        assert hits >= 80


@pytest.mark.extra("history")
def test_a_change_without_noise_is_named_by_the_third_run():
    before = [0.01] * 10
    assert found(before + [0.05] * (MIN_RUNS - 1)) == []
    assert found(before + [0.05] * MIN_RUNS) == [(10, 0.01, 0.05)]


@pytest.mark.extra("history")
def test_one_wild_run_is_no_change():
    for at in (3, 30, 59):
        differences = [0.01] * 60
        differences[at] = 0.9
        assert found(differences) == []


@pytest.mark.extra("history")
def test_a_regression_and_its_repair_are_two_changes():
    assert found([0.01] * 8 + [0.06] * 8 + [0.01] * 8) == [(8, 0.01, 0.06), (16, 0.06, 0.01)]


def test_a_move_too_small_to_matter_is_none():
    assert found([0.01] * 10 + [0.0105] * 10) == []


@pytest.mark.extra("history")
def test_runs_without_an_effect_are_skipped_and_counted():
    differences = [0.01, None, 0.01, 0.01, None, 0.01, None, 0.05, 0.05, 0.05, None]
    assert found(differences) == [(7, 0.01, 0.05)]


@pytest.mark.parametrize("differences", [[], [None] * 9, [0.01], [0.0] * 50])
def test_a_history_with_nothing_to_find_has_no_change(differences):
    assert found(differences) == []


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(HistoryError, match=r"needs ruptures; install it: .*\[history\]'"):
        found([0.01] * 5 + [0.09] * 5)


@pytest.mark.extra("history")
def test_the_drawing_marks_the_change_and_says_it_in_words():
    history = entries([0.01] * 10 + [0.08] * 4)
    changes = find_changes(history)
    svg = trend_svg(history, changes)
    root = ET.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    words = (
        "14 checks, the last pass, difference +8.00%; "
        "the relative difference changed from +1.00% to +8.00% "
        "at the check of 2026-01-11 06:00 (0000000000)"
    )
    assert root.get("aria-label") == words == "; ".join(describe(history, changes))
    assert root.find(f"{space}title").text == f"p: {words}"
    dots = root.findall(f"{space}circle")
    (mark,) = (line for line in root.findall(f"{space}line") if line.get("class") == "change")
    assert len(dots) == 14
    assert mark.get("x1") == dots[10].get("cx")
    assert float(dots[10].get("cy")) < float(dots[9].get("cy"))
    assert dots[10].find(f"{space}title").text.endswith("pass, difference +8.00%")


def test_the_drawing_of_gaps_and_hostile_text_is_well_formed():
    history = entries([0.01, None, float("-1e308"), 1e308], port=HOSTILE.replace("\x00", ""))
    svg = trend_svg(history, ())
    assert "<b>" not in svg
    numbers = [float(n) for n in re.findall(r'c[xy]="([^"]*)"', svg)]
    assert all(0 <= n <= 320 for n in numbers)
    assert svg.count("<circle") == 3
    assert svg.count("<path") == 1
    assert trend_svg((), ()) == ""


def test_a_commit_is_short_and_says_where_files_were_changed():
    assert short("0123456789abcdef-dirty") == "0123456789+"
    assert short("0123456789abcdef") == "0123456789"


@pytest.mark.extra("history")
@pytest.mark.parametrize("width", [40, 80, 200])
def test_tables_of_the_history_fit_the_screen(width):
    history = entries([0.01] * 10 + [0.08] * 4)
    changes = find_changes(history)
    one = history_table.of_port(history, changes)
    many = history_table.overview({"p": history}, {"p": changes}, last=20, marks=BLOCKS)
    for table in (one, many):
        fitted = history_table.fitted(table, width)
        assert history_table.natural_width(fitted) <= width
        assert {"verdict", "difference"} <= set(fitted.head)
    assert history_table.fitted(one, 200) == one

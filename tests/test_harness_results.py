"""The result of a port: plain, and the same after JSON."""

import json

import numpy as np
import pytest

from harness.comparison.pipeline import compare
from harness.comparison.result import PortResult, judged, relative_difference
from harness.comparison.trend import Entry
from harness.errors import HarnessError
from harness.log.run import Run, Series
from harness.report.ports import history_table
from harness.report.ports.oneline import summary_line


def run(values, source):
    values = np.asarray(values, dtype=np.float64)
    series = Series(name="loss", rank=0, steps=np.arange(values.size), values=values)
    return Run(source=source, series=(series,))


def test_a_result_is_the_same_after_json():
    rng = np.random.default_rng(3)
    base = 2 + rng.normal(size=500) / 10
    result = judged("p", compare(run(base, "b"), run(base * 9.0, "c")), line=7, started="now")
    assert PortResult.from_json(result.to_json()) == result
    assert result.verdict == "fail"
    assert result.relative_difference == pytest.approx(8.0)
    assert result.line == 7
    assert (
        len(result.curve_steps) == len(result.baseline_curve) == len(result.candidate_curve) == 80
    )


def test_small_curves_are_means_over_equal_stretches():
    base = np.arange(160.0) + 1
    result = judged("p", compare(run(base, "b"), run(base, "c")))
    assert result.baseline_curve[:3] == (1.5, 3.5, 5.5)
    assert result.curve_steps[:3] == (1, 3, 5)


def test_what_is_not_finite_is_none_and_never_a_number():
    base = np.linspace(3, 1, 100)
    cand = base.copy()
    cand[50:] = np.nan
    result = judged("p", compare(run(base, "b"), run(cand, "c")))
    assert result.relative_difference is None
    assert None in result.candidate_curve
    assert PortResult.from_json(result.to_json()) == result


def test_the_difference_of_a_negative_loss_keeps_its_sign():
    assert relative_difference(np.array([-2.0, -2.0]), np.array([-1.0, -1.0])) == pytest.approx(0.5)
    assert relative_difference(np.array([0.0]), np.array([1.0])) is None


def test_a_result_that_an_earlier_version_stored_is_read():
    result = PortResult(port="p", verdict="fail", relative_difference=0.2)
    old = json.loads(result.to_json())
    old["effect"] = old.pop("relative_difference")
    assert PortResult.from_json(json.dumps(old)) == result
    assert "effect" not in json.loads(result.to_json())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rules": 3}', '{"rules": [], "port": "x"}'])
def test_foreign_text_is_refused(text):
    with pytest.raises(HarnessError, match="not the result of a port"):
        PortResult.from_json(text)


def test_a_qualified_pass_is_marked_in_tables_and_named_in_the_summary():
    plain = PortResult(port="a", verdict="pass")
    part = PortResult(port="b", verdict="pass", qualifier="judged on steps 0 to 9 of 60 (17 %)")
    assert (plain.marked, part.marked) == ("pass", "pass *")
    line = summary_line([plain, part])
    assert line.startswith("2 ports: 2 pass; b: pass")
    assert "judged on steps 0 to 9" in line
    entry = Entry(result=part, commit="", when="2026-01-01T00:00:00+00:00")
    assert "pass *" in history_table.of_port([entry], [], first=0).rows[0]

"""The result of a replay: what is concluded of its rows, and of what was not compared."""

import math

import pytest

from harness.locate.replayed import RANDOM, conclude
from harness.locate.result import Row

FINE = Row(operator="aten::mm", error=1e-8, limit=1e-6)
WRONG = Row(operator="aten::relu", module="act", error=1e-3, limit=1e-6, state="wrong")


def result(*rows, left_out=None, zeros=()):
    return conclude(rows, left_out=left_out or {}, varying={}, makers={}, zeros=zeros, facts={})


@pytest.mark.parametrize(("rows", "left_out", "outcome"), [
    ([FINE], {}, "pass"),
    ([FINE], {("aten::bernoulli_", RANDOM): 2}, "pass"),
    ([FINE], {("aten::mm", "the budget of seconds was spent"): 9}, "pass"),
    ([FINE], {("aten::sum", "the budget of seconds was spent"): 1}, "inconclusive"),
    ([FINE], {("aten::rnn", "the CPU cannot repeat them (no kernel)"): 1}, "inconclusive"),
    ([FINE, WRONG], {("aten::sum", "the budget of seconds was spent"): 1}, "fail"),
    ([], {}, "inconclusive"),
])  # fmt: skip
def test_a_pass_needs_a_comparison_of_every_operator(rows, left_out, outcome):
    assert result(*rows, left_out=left_out).outcome == outcome


def test_the_headline_names_what_was_never_compared():
    left_out = {(f"aten::op{n}", "the budget of seconds was spent"): 1 for n in range(7)}
    line = result(FINE, left_out=left_out).headline
    assert "no call of 7 operators was compared: aten::op0, " in line
    assert line.endswith("aten::op4 and more")


def test_the_worst_row_of_each_operator_is_a_culprit_the_most_wrong_first():
    worse = Row(operator="aten::relu", module="b", error=1.0, limit=1e-6, state="wrong", order=9)
    gone = Row(operator="aten::mm", error=math.inf, state="wrong", order=20)
    found = result(WRONG, worse, gone)
    names = [(row.operator, row.module) for row in found.culprits]
    assert names == [("aten::mm", ""), ("aten::relu", "b")]


def test_zeros_that_hide_faults_are_named():
    (note,) = result(FINE, zeros=("head.gamma",)).notes
    assert "head.gamma" in note
    assert "--unhide" in note

"""Tampered and broken candidates, of every format and under every rule: none passes.

Honest candidates do, so that the rest means something. `tampering.py` says what is done to the
runs, `truthlogs.py` how they are written.
"""

import gzip
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tampering import (
    CASES,
    CONTROLS,
    DAMAGES,
    ERROR,
    NEVER,
    QUESTIONS,
    Damage,
    asked,
    damaged,
    setting,
    sides,
    verdict,
)
from truthlogs import FORMS, MIOU, as_run, honest, read_honest

from harness import compare, read_run

SLOW = {"tensorboard": 7, "csv, tidy": 3, "json lines": 3, "tcappdll json": 3, "tcappdll": 2}
"""Formats that are slow to read: of them one case in so many is tried, if others can show it."""


def written(cases):
    """Every case in every format that can be written so."""
    found = []
    for i, case in enumerate(cases):
        able = [form for form in FORMS.values() if case.applies(form)]
        enough = len(able) > 4 and not case.lean
        found += [
            pytest.param(case, form, id=f"{case.kind}-{case.name}-{form.name}")
            for form in able
            if not (enough and i % SLOW.get(form.name, 1))
        ]
    return found


@pytest.mark.parametrize(("case", "form"), written(CASES))
def test_a_tampered_candidate_does_not_pass(case, form):
    assert verdict(case.setting(form)) in case.right(form)


@pytest.mark.parametrize(("case", "form"), written(CONTROLS))
def test_an_honest_candidate_does_not_fail(case, form):
    assert verdict(case.setting(form)) in case.right(form)


RULE_FORMS = ("tcappdll", "mmengine")
"""Every line of these has a time, so that two runs of one seed are two logs."""


@pytest.mark.parametrize("form", RULE_FORMS)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.rule)
def test_every_rule_passes_an_honest_candidate(question, form):
    assert verdict(question.setting(FORMS[form]), question.rule) == "pass"


QUESTIONED = [
    pytest.param(case, question, form, id=f"{question.rule}-{case.kind}-{case.name}-{form.name}")
    for question in QUESTIONS
    for case in asked(question)
    for form in [FORMS["tcappdll" if "ranks" in case.needs else "mmengine"]]
    if case.applies(form) and (question.runs[1] == 1 or form.interval > 1)
]
"""Every rule about every case of a candidate that shows less than the baseline."""


@pytest.mark.parametrize(("case", "question", "form"), QUESTIONED)
def test_no_rule_passes_what_is_incomplete(case, question, form):
    assert verdict(case.change(question.setting(form)), question.rule) in NEVER


def test_every_case_changes_what_is_written():
    for case in CASES:
        form = next(form for form in FORMS.values() if case.applies(form) and not form.binary)
        before = replace(case, change=lambda found: found).setting(form)
        after = case.setting(form)
        there = after.written or form
        texts = [
            (there.text(new) if after.edit is None else after.edit(there.text(new)))
            for new in after.candidate
        ]
        assert texts != [form.text(truth) for truth in before.candidate], case.name


def test_99_percent_of_honest_candidates_pass():
    verdicts = Counter()
    for group in range(20):
        runs = [
            as_run(honest(FORMS["csv, tidy"], 1000 * (group + 1) + i), source=f"{group}_{i}.log")
            for i in range(20)
        ]
        verdicts.update(str(compare(runs[:10], run).verdict) for run in runs[10:])
    assert verdicts["pass"] >= 0.99 * verdicts.total(), verdicts


@pytest.mark.parametrize("form", ["tcappdll", "mmengine", "json lines", "csv"])
def test_a_packed_log_passes_too(form, tmp_path):
    found = setting(FORMS[form])
    base, _ = sides(found)
    path = tmp_path / "candidate.log.gz"
    path.write_bytes(gzip.compress(FORMS[form].text(found.candidate[0]).encode()))
    assert compare(base, read_run(path)).verdict == "pass"


@pytest.mark.parametrize("form", ["tcappdll", "mmengine", "json lines", "csv", "mllog"])
def test_a_failed_attempt_is_said(form):
    case = next(case for case in CONTROLS if case.name == "failed, then started again")
    base, (cand,) = sides(case.setting(FORMS[form]))
    said = "\n".join((*compare(base, cand).notes, *compare(base, cand).judgement.doubts))
    assert "again" in said + "\n".join(cand.notes)
    assert cand.replaced


def test_a_log_is_read_as_it_was_meant():
    for form in FORMS.values():
        truth = honest(form, 1)
        run = read_honest(form, 1)
        assert not run.skipped, form.name
        for (name, rank), curve in truth.curves.items():
            read_as = "val.eval_accuracy" if (form.name, name) == ("mllog", MIOU) else name
            series = run.find(read_as, rank)[0]
            assert len(series) == len(curve), (form.name, name)
            scale = 100 if name.startswith("val") and series.values.max() <= 1 else 1
            expected = pytest.approx(list(curve.values()), rel=1e-3, abs=1e-4)
            assert (scale * series.values).tolist() == expected, (form.name, name)
        for name, value in truth.facts.items():
            assert run.facts.get(name) == value, (form.name, name)


# Damage at random


def check(damage):
    assert verdict(damage.setting) in NEVER, f"passes: {damage}"


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(st.integers(0, 2**32))
def test_no_candidate_that_is_damaged_at_random_passes(seed):
    check(damaged(random.Random(seed)))


@pytest.mark.parametrize("kind", DAMAGES)
def test_no_candidate_that_is_damaged_in_this_way_passes(kind):
    passed = []
    for seed in range(10):
        damage = damaged(random.Random(f"{kind} {seed}"), kinds=[kind])
        if verdict(damage.setting) not in NEVER:
            passed.append(str(damage))
    assert not passed


def test_the_check_of_random_damage_can_fail():
    for form in ("mmengine", "columns"):
        with pytest.raises(AssertionError, match="passes: nothing was done"):
            check(Damage(what="nothing was done", setting=setting(FORMS[form])))


def test_the_same_draw_does_the_same_damage():
    one, two = (damaged(random.Random(7)) for _ in range(2))
    assert str(one) == str(two)
    assert ERROR in NEVER
    assert "pass" not in NEVER

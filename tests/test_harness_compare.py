"""From runs to verdict; the published pair; what can and cannot carry a pass."""

import numpy as np
import pytest
from loglines import decaying, run

from harness import HarnessError, Policy, Verdict, compare, read_run
from harness.errors import PolicyError
from harness.rules import parse_rule

SAME = {"world_size": 1, "effective_batch": 4, "seed": 1}


def policy(*rules, **fields):
    return Policy(rules=tuple(parse_rule(r) for r in rules or ["two-sided"]), **fields)


@pytest.fixture(scope="session")
def pair(shared_data):
    return [read_run(shared_data / "ccnet" / f"{side}.log") for side in ("cuda", "sdaa")]


@pytest.mark.shared
def test_the_published_pair_is_not_the_same_experiment(pair):
    comparison = compare(*pair)
    assert comparison.verdict is Verdict.INCOMPARABLE
    assert comparison.judgement.reasons == (
        "world_size is 1 in the baseline and 4 in the candidate "
        "(one SDAA card has 4 devices, with one process each)",
        "effective_batch is 2 in the baseline and 8 in the candidate",
    )
    assert comparison.judgement.findings == ()
    may = {r.fact for r in comparison.comparability if r.kind == "may_differ"}
    assert {"seed", "data_root", "device_kind", "backend", "torch", "python"} <= may
    notes = "\n".join(comparison.notes)
    assert "seeds differ (1671516877 and 899077318)" in notes
    assert "step-by-step agreement is not expected" in notes
    assert "stops at step 232 of 40000 planned (0.6%" in notes
    assert "stops at step 104 of 40000 planned (0.3%" in notes
    assert (comparison.whole.steps.size, comparison.whole.baseline_only.size) == (104, 128)


@pytest.mark.shared
def test_waived_the_published_rule_passes_it_and_the_two_sided_rule_does_not(pair):
    waived = ("world_size", "effective_batch")
    comparison = compare(*pair, policy("modelzoo", "two-sided", allow=waived))
    assert comparison.verdict is Verdict.FAIL
    found = {f.rule: f for f in comparison.judgement.findings}
    assert found["modelzoo"].verdict is Verdict.PASS
    assert found["modelzoo"].observed["mean_relative_error"] == -0.2982997567927939
    assert found["modelzoo"].observed["mean_absolute_error"] == -0.7589329922199249
    assert found["modelzoo"].observed["mean_abs_relative_error"] == pytest.approx(0.4149, abs=5e-5)
    assert found["modelzoo"].observed["mean_abs_absolute_error"] == pytest.approx(0.9089, abs=5e-5)
    assert "proves nothing" in found["modelzoo"].caveat
    assert found["two-sided"].verdict is Verdict.FAIL
    assert any("world_size, effective_batch" in note for note in comparison.notes)


@pytest.mark.shared
def test_one_waived_fact_of_two_is_not_enough(pair):
    comparison = compare(*pair, policy(allow=("world_size",)))
    assert comparison.verdict is Verdict.INCOMPARABLE


def test_a_run_reproduces_itself():
    one = run(decaying(100), **SAME)
    assert compare(one, one).verdict is Verdict.PASS


@pytest.mark.parametrize("rules", [("two-sided", "exact"), ("exact", "two-sided")])
def test_every_rule_must_pass(rules):
    a, b = run(decaying(100), **SAME), run(decaying(100) * 1.001, **SAME)
    comparison = compare(a, b, policy(*rules))
    assert comparison.verdict is Verdict.FAIL
    assert [f.verdict for f in comparison.judgement.findings].count(Verdict.PASS) == 1


def test_too_few_steps_carry_no_pass_and_excuse_no_failure():
    a = run(decaying(30), **SAME)
    comparison = compare(a, a)
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert comparison.judgement.reasons[0] == (
        "30 common records, the policy requires 50: train for 20 more steps, or require fewer "
        "with --min-steps (min_steps in a manifest)"
    )
    assert compare(a, run(decaying(30) * 2, **SAME), policy()).verdict is Verdict.FAIL
    assert compare(a, a, policy(min_steps=30)).verdict is Verdict.PASS


def test_a_hole_carries_no_pass_unless_the_policy_allows_it():
    a = run(decaying(100), **SAME)
    b = run(np.delete(decaying(100), 40), steps=np.delete(np.arange(100), 40), **SAME)
    assert compare(a, b).verdict is Verdict.INCONCLUSIVE
    assert "the first is step 40" in compare(a, b).judgement.reasons[0]
    assert compare(a, b, policy(max_missing=0.02)).verdict is Verdict.PASS


def test_the_last_steps_alone_can_be_judged():
    base = decaying(200)
    cand = base.copy()
    cand[6:100] *= 2
    a, b = run(base, **SAME), run(cand, **SAME)
    assert compare(a, b).verdict is Verdict.FAIL
    comparison = compare(a, b, policy(last=100))
    assert comparison.judgement.reasons[0].startswith("judged on steps 100 to 199 of 200 (50 %): ")
    assert comparison.verdict is Verdict.PASS
    assert comparison.aligned.steps[0] == 100
    assert comparison.whole.steps.size == 200


def test_a_lag_is_reported_and_not_corrected():
    rng = np.random.default_rng(0)
    curve = decaying(201) + rng.standard_normal(201)
    comparison = compare(run(curve[1:], **SAME), run(curve[:-1], **SAME), policy())
    assert any("1 step late (lag +1)" in note for note in comparison.notes)
    assert comparison.verdict is Verdict.FAIL


def test_facts_that_nobody_states_are_named():
    comparison = compare(run(decaying(60)), run(decaying(60)))
    assert any(note.startswith("not compared") for note in comparison.notes)


def test_a_side_without_runs_is_refused():
    with pytest.raises(PolicyError, match="at least one baseline run"):
        compare([], [run(decaying(60))])


def test_every_error_of_the_tree_is_one():
    with pytest.raises(HarnessError):
        compare(run(decaying(60)), run(decaying(60)), policy(allow=("nonsense",)))

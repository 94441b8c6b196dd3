"""Are two sides the same experiment? Fact by fact."""

import pytest

from harness.align.comparable import blocking, compare_facts, weighty_unknowns
from harness.errors import PolicyError
from harness.log.facts import (
    FINGERPRINTS,
    MAY_DIFFER,
    MUST_MATCH,
    OF_A_RESULT,
    OF_A_START,
    RunFacts,
)


def facts(**values):
    return RunFacts(values_by_name=values)


def row(baseline, candidate, name, **options):
    rows = compare_facts([baseline], [candidate], **options)
    return next(r for r in rows if r.fact == name)


@pytest.mark.parametrize("name", MUST_MATCH)
def test_a_deciding_fact_that_differs_blocks(name):
    rows = compare_facts([facts(**{name: 1})], [facts(**{name: 4})])
    assert [(r.fact, r.baseline, r.candidate) for r in blocking(rows)] == [(name, 1, 4)]


@pytest.mark.parametrize("name", MAY_DIFFER)
def test_a_fact_that_ports_change_never_blocks(name):
    rows = compare_facts([facts(**{name: "a"})], [facts(**{name: "b"})])
    assert not blocking(rows)
    assert row(facts(**{name: "a"}), facts(**{name: "b"}), name).kind == "may_differ"


@pytest.mark.parametrize("sides", [({}, {"seed": 1}), ({"seed": 1}, {}), ({}, {})])
def test_unknown_is_not_taken_for_equal(sides):
    assert row(facts(**sides[0]), facts(**sides[1]), "seed").kind == "unknown"


def test_unknown_deciding_facts_are_listed():
    rows = compare_facts([facts(world_size=1)], [facts()])
    assert {r.fact for r in weighty_unknowns(rows)} == set(MUST_MATCH) - OF_A_START - OF_A_RESULT


def test_every_fact_that_is_compared_has_a_row():
    assert {r.fact for r in compare_facts([facts()], [facts()])} == {
        *MUST_MATCH,
        *MAY_DIFFER,
    } - OF_A_START - OF_A_RESULT


@pytest.mark.parametrize("name", sorted(OF_A_RESULT))
def test_what_only_a_published_result_states_has_a_row_if_the_baseline_states_it(name):
    stating, silent = facts(**{name: "val"}), facts()
    for baseline, candidate, kind in (
        (stating, facts(**{name: "test"}), "differs"),
        (stating, stating, "same"),
        (stating, silent, "unknown"),
    ):
        assert row(baseline, candidate, name).kind == kind
    assert name not in {r.fact for r in compare_facts([silent], [stating])}


@pytest.mark.parametrize("name", sorted(OF_A_START))
def test_what_only_a_start_states_has_a_row_if_both_sides_state_it(name):
    for both in (False, True):
        other = facts(**{name: "0.1 0.3"}) if both else facts()
        rows = compare_facts([facts(**{name: "0.1 0.3"})], [other])
        assert (name in {r.fact for r in rows}) == both


@pytest.mark.parametrize("name", sorted(FINGERPRINTS))
def test_fingerprints_are_compared_as_numbers(name):
    for other, kind in (("0.1 0.3001", "same"), ("0.1 0.31", "differs"), ("0.1", "differs")):
        assert row(facts(**{name: "0.1 0.3"}), facts(**{name: other}), name).kind == kind


def test_a_waiver_unblocks_its_fact_and_no_other():
    a, b = facts(world_size=1, learning_rate=0.1), facts(world_size=4, learning_rate=0.2)
    rows = compare_facts([a], [b], allow=["world_size"])
    assert [r.fact for r in blocking(rows)] == ["learning_rate"]
    assert row(a, b, "world_size", allow=["world_size"]).waived
    assert not blocking(compare_facts([a], [b], allow=["all"]))


def test_settings_of_the_config_that_decide_are_compared_and_others_are_not():
    a = facts(**{"config.model.aux": 0.4, "config.work_dir": "x", "config.model.same": 1})
    b = facts(**{"config.model.aux": 1.0, "config.work_dir": "y", "config.model.same": 1})
    rows = [r for r in compare_facts([a], [b]) if r.fact.startswith("config.")]
    assert [(r.fact, r.kind) for r in rows] == [("config.model.aux", "differs")]
    assert not blocking(compare_facts([a], [b], allow=["config.model"]))


def test_a_setting_that_one_config_lacks_differs():
    a, b = facts(**{"config.model.x": 1, "config.model.y": 2}), facts(**{"config.model.x": 1})
    assert row(a, b, "config.model.y").kind == "differs"


def test_settings_are_not_compared_with_a_side_that_prints_no_config():
    rows = compare_facts([facts(**{"config.model.x": 1})], [facts(seed=1)])
    assert not blocking(rows)


def test_runs_of_one_side_that_are_two_experiments_block():
    rows = compare_facts([facts(learning_rate=1), facts(learning_rate=2)], [facts(learning_rate=1)])
    assert [(r.fact, r.baseline) for r in blocking(rows)] == [("learning_rate", (1, 2))]


def test_seeds_of_an_ensemble_are_listed():
    sides = [facts(seed=1), facts(seed=2)], [facts(seed=3)]
    seeds = next(r for r in compare_facts(*sides) if r.fact == "seed")
    assert (seeds.baseline, seeds.candidate, seeds.kind) == ((1, 2), 3, "may_differ")


def test_allowing_what_is_no_fact_names_the_facts():
    with pytest.raises(PolicyError, match=r"cannot allow worldsize: no such fact; expected all or"):
        compare_facts([facts()], [facts()], allow=["worldsize"])


def test_a_fact_outside_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match="not facts"):
        facts(wrold_size=1)

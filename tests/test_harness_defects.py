"""The corpus of injected faults, as stored: what it holds, and what the rules make of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from harness.comparison.diagnosis import diagnose, from_json
from harness.comparison.judge import DEFAULT_RULES
from harness.rules import Verdict

pd = pytest.importorskip("pandas", reason="the corpus needs the extra [frames]")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def corpora():
    from benchmarks.defects.corpus import load

    return {device: load(device) for device in ("cpu", "cuda")}


@pytest.fixture(scope="module")
def settled():
    from benchmarks.defects.score import by_setting

    return {device: by_setting(device) for device in ("cpu", "cuda")}


@pytest.fixture(scope="module")
def catalogue():
    return from_json(json.loads((ROOT / "harness" / "comparison" / "signatures.json").read_text()))


def test_each_corpus_has_seeds_enough_of_everything(corpora):
    for runs in corpora.values():
        counts = {
            kind: Counter(t.setting for t in runs if t.kind == kind)
            for kind in ("baseline", "benign", "fault")
        }
        assert counts["baseline"]["baseline"] >= 10
        assert sum(n >= 3 for n in counts["fault"].values()) >= 40
    assert sum(n >= 3 for n in counts["benign"].values()) >= 7
    benign = Counter(t.setting for t in corpora["cpu"] if t.kind == "benign")
    assert sum(n >= 3 for n in benign.values()) >= 10


def test_no_two_runs_share_a_seed_and_every_run_has_its_score(corpora):
    for runs in corpora.values():
        assert len({t.seed for t in runs}) == len(runs)
        for t in runs:
            assert t.run.facts["seed"] == t.seed
            assert len(t.run.find("loss", 0)[0]) > 200
            assert np.isfinite(t.miou) or t.kind == "fault"


def test_attention_is_worth_something_in_the_scenes(corpora):
    for runs in corpora.values():
        median = {
            name: np.median([t.miou for t in runs if t.setting == name])
            for name in ("baseline", "attention_once", "gamma_stuck")
        }
        assert median["baseline"] - median["attention_once"] > 1
        assert median["attention_once"] - median["gamma_stuck"] > 1


def test_no_comparison_uses_a_run_twice(settled):
    from benchmarks.defects.score import SIZES, plans

    for device, runs in settled.items():
        for size in SIZES:
            for plan in plans(runs, runs, device, size=size):
                ours = {runs[plan.reference][i].seed for i in plan.baseline}
                theirs = {runs[plan.setting][i].seed for i in plan.candidate}
                assert (len(ours), len(theirs)) == size
                assert not ours & theirs


def test_cost_is_what_the_median_run_loses(corpora):
    from benchmarks.defects.corpus import Trained
    from benchmarks.defects.score import cost_of

    some = corpora["cuda"][0].run

    def ended(*scores):
        return [
            Trained(setting="", kind="fault", seed=i, ranks=1, miou=score, run=some)
            for i, score in enumerate(scores)
        ]

    assert cost_of(ended(88, 91, 80), ended(92, 93, 94, 50)) == 4.5
    assert cost_of(ended(float("nan"), float("nan"), 91), ended(92, 92)) == 92


def test_a_share_counts_settings_alike_however_many_runs_they_have():
    from benchmarks.defects.table import summary

    rows = [("a", "fail")] * 4 + [("b", "pass")] + [("b", "fail")]
    found = pd.DataFrame(
        [
            {
                "size": "1 v 1",
                "judge": "j",
                "group": "benign",
                "setting": s,
                "verdict": v,
                "part": 1.0,
            }
            for s, v in rows
        ]
    )
    row = summary(found).loc[("1 v 1", "j")]
    assert row["benign failed"] == 0.75
    assert row["benign accepted"] == 0.25
    assert np.isnan(row["costly noticed"])


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_default_policy_notices_costly_faults_and_accepts_benign_runs(settled, device):
    """One more run is given where it is asked for."""
    from benchmarks.defects.score import made, plans, with_next

    (rule,) = DEFAULT_RULES
    runs, shares = settled[device], {}
    for plan in plans(runs, runs, device, size=(10, 1)):
        if plan.group == "harmless":
            continue
        verdict = rule(made(plan, runs, runs).aligned).verdict
        if verdict is Verdict.INCONCLUSIVE and len(runs[plan.setting]) > 1:
            verdict = rule(made(with_next(plan, runs), runs, runs).aligned).verdict
        wanted = Verdict.PASS if plan.group == "benign" else Verdict.FAIL
        shares.setdefault((plan.group, plan.setting), []).append(verdict is wanted)
    share = {
        group: np.mean([np.mean(hits) for (g, _), hits in shares.items() if g == group])
        for group in ("benign", "costly")
    }
    assert share["costly"] >= 0.9
    assert share["benign"] >= 0.95


def test_the_published_rule_passes_a_schedule_that_is_stuck_and_the_default_policy_does_not(
    settled,
):
    from benchmarks.defects.judges import judges
    from benchmarks.defects.score import made, plans

    runs, asked = settled["cuda"], judges()
    stuck = [
        made(plan, runs, runs)
        for plan in plans(runs, runs, "cuda", size=(10, 1))
        if plan.setting == "schedule_stuck"
    ]
    assert len(stuck) == 6
    for one in stuck:
        assert asked["one-sided 5 % of the last 50 (published)"](one) is Verdict.PASS
        assert asked["default policy"](one) is Verdict.FAIL


def _aligned(runs, name, count):
    from benchmarks.defects.judges import case

    base = [t.run for t in runs if t.setting == "baseline"][:count]
    return case(base, [next(t.run for t in runs if t.setting == name)]).aligned


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("name", ["frozen_stem", "auxiliary_weight=0", "flip_without_labels"])
def test_a_fault_of_the_other_corpus_is_among_the_hints(corpora, catalogue, name, count):
    found = diagnose(_aligned(corpora["cpu"], name, count), catalogue)
    kinds = [hint.fault.name.partition("=")[0] for hint in found.similar]
    assert name.partition("=")[0] in kinds[:3]
    assert found.spread_of == ("baseline" if count == 10 else "corpus")


def test_likeness_is_the_cosine_over_the_features_that_both_have(corpora, catalogue):
    from dataclasses import replace

    from harness.rules.seed_variation import distances
    from harness.stats.signature import signature

    aligned = replace(
        _aligned(corpora["cpu"], "frozen_head", 10), schedules=(), validation=(), auxiliary=()
    )
    best = diagnose(aligned, catalogue).similar[0]
    mine = signature(aligned)
    t = dict(zip(mine.names, distances(mine).t, strict=True))
    theirs = dict(zip(catalogue.features, best.fault.signature, strict=True))
    a = np.array([min(max(t[name], -10), 10) for name in t])
    b = np.array([theirs[name] for name in t])
    assert best.similarity == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_a_catalogue_names_a_kind_of_fault_once_and_states_its_rates(corpora, catalogue):
    found = diagnose(_aligned(corpora["cpu"], "hidden_update=2", 10), catalogue)
    kinds = [hint.fault.name.partition("=")[0] for hint in found.similar]
    assert len(kinds) == len(set(kinds)) == 5
    for first, three in catalogue.rates.values():
        assert 0 < first <= three <= 1


def test_curves_that_do_not_differ_give_no_hint(settled, catalogue):
    from benchmarks.defects.judges import case

    run = settled["cpu"]["baseline"][0].run
    found = diagnose(case([run], [run]).aligned, catalogue)
    assert found.similar == ()
    assert found.why_empty == "the curves do not differ"


@pytest.mark.parametrize(
    ("candidate", "words", "status"),
    [
        ("ccnet_r18-d8_demo_doubled_lr_seed_101.log", "These are hints, not a verdict", 1),
        ("ccnet_r18-d8_demo_seed_0.log", "no diagnosis: the candidate passes", 0),
    ],
)
def test_the_command_explains_a_failure_and_no_pass(candidate, words, status):
    from typer.testing import CliRunner

    from harness.cli.main import app

    arguments = ["explain", "ccnet_r18-d8_demo", str(ROOT / "logs" / "samples" / candidate)]
    more = ["--allow", "learning_rate", "--baselines", str(ROOT / "baselines")]
    done = CliRunner().invoke(app, [*arguments, *more])
    assert done.exit_code == status
    assert words in done.output


def test_one_more_run_is_the_settings_next_and_never_the_same(settled):
    from benchmarks.defects.score import plans, with_next

    runs = settled["cuda"]
    for plan in plans(runs, runs, "cuda", size=(10, 1)):
        first, second = with_next(plan, runs).candidate
        assert (first,) == plan.candidate
        assert first != second


def test_simulated_levels_are_counted_with_their_interval():
    from benchmarks.levels import SCENARIOS, Group, Rates, half_of, rates, simulated

    found = rates([Verdict.FAIL, *[Verdict.PASS] * 98, Verdict.INCONCLUSIVE])
    assert found == Rates(fail=1, open=1, passed=98)
    assert str(found) == "1.0 (0.0-5.4) / 1 / 98"
    for scenario in SCENARIOS:
        one = simulated(scenario, (5, 2), 3, 0, "seed-variation")
        assert one.comparisons == 3
        assert one == simulated(scenario, (5, 2), 3, 0, "seed-variation")
    groups = [Group(name=f, family=f, curves=np.zeros((1, 1))) for f in "bca"]
    assert [g.family for g in half_of(groups, "reported")] == ["c", "a"]
    assert [g.family for g in half_of(groups, "tuning")] == ["b"]

"""Agreement that says nothing: copies, placeholders, plateaus and lost ranks never pass."""

from dataclasses import replace

import numpy as np
import pytest
from loglines import decaying, record, run
from startlogs import perturbed_runs, start_run

from harness import Policy, Verdict, compare, read_run
from harness.log.run import Series
from harness.parse import parse_log
from harness.quality.caveats import moved
from harness.rules import RULES

POLICY = Policy(rules=("two-sided",), min_steps=20)


def verdict(base, cand, policy=POLICY):
    made = compare(base, cand, policy)
    return made.verdict, " | ".join(made.judgement.doubts)


def test_near_curves_pass_where_nothing_speaks_against_it():
    base = decaying(100)
    other = decaying(100, seed=1)
    assert verdict(run(base, seed=1), run(other, seed=2)) == (Verdict.PASS, "")
    assert verdict(run(base, seed=1), run(base * 1.001, seed=1)) == (Verdict.PASS, "")


def test_a_candidate_that_is_the_baselines_log_byte_for_byte_never_passes(tmp_path):
    text = "".join(record(i, v) + "\n" for i, v in enumerate(decaying(100)))
    for name in ("gpu.log", "port.log"):
        (tmp_path / name).write_text(text)
    found, doubts = verdict(read_run(tmp_path / "gpu.log"), read_run(tmp_path / "port.log"))
    assert found is Verdict.INCONCLUSIVE
    assert "port.log is " in doubts
    assert "byte for byte" in doubts


@pytest.mark.parametrize(
    ("fact", "ours", "theirs"),
    [("device_kind", "cuda", "sdaa"), ("device_name", "A", "B"), ("seed", 1, 2)],
)
def test_equal_bits_on_different_devices_or_seeds_never_pass(fact, ours, theirs):
    base = decaying(100)
    found, doubts = verdict(run(base, **{fact: ours}), run(base, **{fact: theirs}))
    assert found is Verdict.INCONCLUSIVE
    assert f"state {fact} {ours} and {theirs}" in doubts
    assert verdict(run(base, **{fact: ours}), run(base, **{fact: ours}))[0] is Verdict.PASS
    assert verdict(run(base, **{fact: ours}), run(base))[0] is Verdict.PASS


@pytest.mark.parametrize(
    ("fact", "theirs", "expected"),
    [("device_name", "B", Verdict.PASS), ("device_kind", "sdaa", Verdict.INCONCLUSIVE)],
)
def test_equal_bits_of_the_same_start_are_expected_of_devices_of_one_kind(fact, theirs, expected):
    """A CPU of another make, with the same instructions, computes the same bits."""
    start = {"device_kind": "cpu", "device_name": "A"}
    rng = np.random.default_rng(3)
    baseline = [start_run(facts=start), *perturbed_runs(rng, facts=start)]
    candidate = start_run(source="port.log", facts={**start, fact: theirs})
    made = compare(baseline, [candidate])
    assert [finding.rule for finding in made.judgement.findings] == ["same-start"]
    assert made.verdict is expected
    assert bool(made.judgement.doubts) is (expected is Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("rule", RULES)
def test_a_first_loss_of_zero_never_passes(side, rule):
    curves = [decaying(100), decaying(100) * 1.0001]
    curves[side][0] = 0.0
    policy = Policy(rules=(rule,))
    found, doubts = verdict(*(run(c) for c in curves), policy)
    assert found is not Verdict.PASS
    assert f"of the {('baseline', 'candidate')[side]} is exactly 0 (step 0)" in doubts


def test_zero_on_both_sides_is_no_agreement():
    base = decaying(100)
    base[0] = 0.0
    assert verdict(run(base), run(base.copy()))[0] is not Verdict.PASS


@pytest.mark.parametrize("rule", RULES)
def test_a_loss_that_never_left_its_plateau_is_inconclusive(rule):
    rng = np.random.default_rng(5)
    base = 6.908 + 0.02 * rng.standard_normal(101)
    found, doubts = verdict(run(base), run(base + 1e-6), Policy(rules=(rule,)))
    assert found is not Verdict.PASS
    assert "has not left its starting plateau" in doubts


def test_the_flat_tail_of_a_run_that_has_fallen_is_no_plateau():
    base = decaying(400)
    assert verdict(run(base), run(base * 1.001), replace(POLICY, last=100))[0] is Verdict.PASS


def test_a_log_that_begins_later_may_be_flat():
    rng = np.random.default_rng(5)
    flat, steps = 1 + 0.001 * rng.standard_normal(100), np.arange(5000, 5100)
    assert verdict(run(flat, steps=steps), run(flat * 1.001, steps=steps))[0] is Verdict.PASS


def test_a_plateau_is_told_from_training_at_known_rates():
    rng = np.random.default_rng(11)
    flat = sum(moved(3 + 0.3 * rng.standard_normal(100)) for _ in range(1000))
    falling = sum(
        moved(3 - np.linspace(0, 0.5, 100) + 0.3 * rng.standard_normal(100)) for _ in range(1000)
    )
    assert flat <= 40  # ten stretches at three standard errors, and a trend at three
    assert falling >= 900
    assert moved(np.ones(19)) is None
    assert moved(np.full(100, np.nan)) is None
    assert moved(np.ones(100)) is False


@pytest.mark.shared
def test_the_published_pair_on_a_plateau_is_inconclusive(shared_data):
    pair = shared_data / "pairs" / "edgenext"
    found, doubts = verdict(read_run(pair / "cuda.log"), read_run(pair / "sdaa.log"), Policy())
    assert found is Verdict.INCONCLUSIVE
    assert "starting plateau" in doubts


@pytest.mark.shared
def test_the_pair_that_lags_is_reported_and_not_shifted(shared_data):
    pair = shared_data / "pairs" / "phi3"
    made = compare(read_run(pair / "cuda.log"), read_run(pair / "sdaa.log"))
    assert made.whole.lag == 1
    assert any("1 step late (lag +1)" in note for note in made.notes)
    assert made.aligned.candidate[0, 0] == 0.0
    assert made.verdict is not Verdict.PASS


def several(ranks, *, until=None, world=4):
    base = decaying(100)
    series = [
        Series(
            name="loss", rank=r, steps=np.arange(n := (until or {}).get(r, 100)), values=base[:n]
        )
        for r in ranks
    ]
    return replace(run(base, world_size=world), series=tuple(series))


def test_a_missing_rank_never_passes():
    whole = several(range(4))
    found, doubts = verdict(several(range(4)), several([0, 1, 3]))
    assert (found, doubts) == (
        Verdict.INCONCLUSIVE,
        "a.log: rank 2 of 4 logged no loss",
    )
    assert verdict(whole, several([0]))[0] is Verdict.INCONCLUSIVE
    assert verdict(whole, whole)[0] is Verdict.PASS


def test_a_rank_that_died_never_passes():
    found, doubts = verdict(several(range(4)), several(range(4), until={2: 60}))
    assert found is Verdict.INCONCLUSIVE
    assert "a.log: rank 2 stops at step 59, before the last common step 99" in doubts


@pytest.mark.parametrize("metric", ["ips", "lr"])
def test_what_is_no_loss_may_be_equal_flat_and_zero(metric):
    values = np.zeros(100)
    values[50:] = 0.1
    sides = []
    for seed in (1, 2):
        made = run(values, seed=seed)
        sides.append(replace(made, series=(replace(made.series[0], name=metric),)))
    made = compare(*sides, replace(POLICY, metric=metric))
    assert made.judgement.doubts == ()


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_log_cut_inside_a_number_gives_no_shortened_number(cut):
    text = "".join(record(i, 1.23456789) + "\n" for i in range(3))
    found = parse_log([text[: text.rfind("1.23456789") + cut]], source="x")
    assert set(found.find("loss", 0)[0].values) == {1.23456789}


@pytest.mark.parametrize("decimals", [1, 2])
def test_a_plateau_printed_with_few_digits_is_one(decimals):
    rng = np.random.default_rng(3)
    noise = [np.round(rng.uniform(0.6, 0.7, 200), decimals) for _ in range(200)]
    assert sum(moved(curve) is True for curve in noise) <= 12  # of 200; ranks by position: 194
    sides = (run(noise[0]), run(noise[1]))
    found, doubts = verdict(*sides, Policy(rules=("tolerance:rtol=0.5,outside=1",)))
    assert found is Verdict.INCONCLUSIVE
    assert "has not left its starting plateau" in doubts

"""Runs of the same start as people hand them in: what is left out, what is missing, what to do."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from harness import Policy, compare
from harness.align.benign import showing_rounding
from harness.cli.main import app
from harness.errors import PolicyError
from harness.log.facts import FINGERPRINTS
from harness.rules.same_start import noticeable
from tests.startlogs import CURVES, PRINTS, STEPS, deviations, log_of, perturbed_runs, start_run

NAMED = Policy(rules=("same-start",))


def rng(seed=1):
    return np.random.default_rng(seed)


def text(comparison):
    return " ".join(comparison.judgement.reasons)


def healthy(**facts):
    return start_run(deviations(rng(5)), source="port.log", facts=facts)


def good(count=7):
    return perturbed_runs(rng(1), count)


def moved(run, by):
    return replace(run, series=tuple(replace(s, steps=s.steps + by) for s in run.series))


def without_first(run):
    series = tuple(replace(s, steps=s.steps[1:], values=s.values[1:]) for s in run.series)
    return replace(run, series=series)


def with_loss(run, values):
    return replace(run, series=(replace(run.series[0], values=values), *run.series[1:]))


# perturbed runs that show no rounding


def odd_run(kind):
    apart, facts = deviations(rng(9)), {"perturbed": "draw 9"}
    options = {"source": "odd.log", "facts": facts}
    run = start_run(apart, **options)
    short = {name: size[:7] for name, size in apart.items()}
    kept = tuple(name for name in CURVES if name != "update_norm")
    return {
        "nan": with_loss(run, np.where(np.arange(STEPS) == 5, np.nan, run.series[0].values)),
        "start": start_run(apart, source="odd.log", facts={**facts, "start_weights": "9 9 9"}),
        "recipe": start_run({**apart, "lr": np.full(STEPS, 0.1)}, **options),
        "count": moved(run, 1),
        "short": start_run(short, steps=7, **options),
        "copy": start_run(**options),
        "series": start_run(apart, series=kept, **options),
    }[kind]


ODD = {
    "nan": "is NaN or infinite at step 5",
    "start": "states another start (start_weights)",
    "recipe": "has another lr",
    "count": "begins at step 1, and the run at step 0",
    "short": "ends at step 6, and the run goes on",
    "copy": "equals the run in every digit",
    "series": "does not log update_norm",
}


@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_perturbed_run_that_shows_no_rounding_is_left_out_and_named(kind):
    found = compare([start_run(), *good(), odd_run(kind)], healthy())
    expected = compare([start_run(), *good()], healthy())
    assert found.verdict == expected.verdict == "pass"
    assert f"envelope of 7 perturbed runs; left out: odd.log {ODD[kind]}" in text(found)
    ours, theirs = (noticeable(c.aligned.start) for c in (found, expected))
    assert [one.name for one in ours] == [one.name for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(one.limit, other.limit)


def test_copies_alone_are_no_envelope():
    half = {"precision": "amp-bfloat16"}
    copies = [
        start_run(source=f"{k}.log", facts={"perturbed": f"draw {k}", **half}) for k in (1, 2, 3)
    ]
    port = start_run(deviations(rng(5), size=1e4), source="port.log", facts=half)
    found = compare([start_run(facts=half), *copies], port)
    assert found.verdict == "inconclusive"
    assert "no perturbed run shows the rounding; left out: 1.log equals" in text(found)
    assert "and 2 more" in text(found)


def test_few_perturbed_runs_ask_for_more():
    assert "of 3 perturbed runs; 8 make it narrower" in text(
        compare([start_run(), *good(3)], healthy())
    )
    assert "narrower" not in text(compare([start_run(), *good(4)], healthy()))


@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_recording_refuses_a_perturbed_run_that_shows_no_rounding(kind, tmp_path):
    (tmp_path / "run.log").write_text(log_of(start_run()))
    (tmp_path / "odd.log").write_text(log_of(odd_run(kind)))
    logs = [str(tmp_path / name) for name in ("run.log", "odd.log")]
    shelf = ["--origin", "test", "--baselines", str(tmp_path / "shelf")]
    found = CliRunner().invoke(app, ["baseline", "add", "b", "--same-start", *logs, *shelf])
    assert found.exit_code != 0
    assert ODD[kind] in str(found.exception)


def test_a_recording_holds_perturbed_runs_of_a_lower_precision(tmp_path):
    half = {"precision": "amp-bfloat16"}
    runs = [start_run(source="run.log"), *good(4)]
    low = perturbed_runs(rng(2), 8, size=20, facts=half)
    runs += [replace(run, source=f"half_{run.source}") for run in low]
    port = start_run(deviations(rng(3), size=20), source="port.log", facts=half)
    for run in (*runs, port):
        (tmp_path / run.source).write_text(log_of(run))
    logs = [str(tmp_path / run.source) for run in runs]
    shelf = ["--baselines", str(tmp_path / "shelf")]
    added = CliRunner().invoke(
        app, ["baseline", "add", "b", "--same-start", *logs, "--origin", "test", *shelf]
    )
    assert added.exit_code == 0
    for options, status, words in (
        ([], 4, "record perturbed runs of the baseline in amp-bfloat16 and allow the difference"),
        (["--allow", "precision"], 0, "envelope of 8 perturbed runs"),
    ):
        call = ["compare", "b", str(tmp_path / "port.log"), "--quiet", *options, *shelf]
        found = CliRunner().invoke(app, call)
        assert (found.exit_code, words in " ".join(found.output.split())) == (status, True)


# the first step


def test_a_log_that_lacks_the_first_step_passes_nothing():
    found = compare([start_run(), *good()], without_first(healthy()))
    assert found.verdict == "inconclusive"
    assert "the baseline's log begins at step 0 and the candidate's at step 1" in text(found)


def test_steps_that_are_counted_from_another_number_are_no_fault():
    kept = tuple(name for name in CURVES if name != "lr")
    base = [start_run(series=kept), *good()]
    port = start_run(deviations(rng(5)), source="port.log", series=kept)
    found = compare(base, moved(port, 1), NAMED)
    assert found.verdict == "inconclusive"
    assert "counts its steps from 0 and the candidate from 1" in text(found)
    bad = start_run({"loss": np.full(STEPS, 0.1)}, source="port.log", series=kept)
    assert compare(base, moved(bad, 1), NAMED).verdict == "fail"


def test_another_count_explains_a_learning_rate_that_differs():
    found = compare([start_run(), *good()], moved(healthy(), 1))
    assert found.verdict == "fail"
    assert "logged learning rate" in found.judgement.reasons[0]
    assert "counts its steps from 0 and the candidate from 1" in found.judgement.reasons[1]


def test_a_part_of_the_run_is_judged_up_to_its_last_step():
    late = start_run({"loss": np.where(np.arange(STEPS) < 15, 0.0, 0.3)}, source="port.log")
    base = [start_run(), *good()]
    assert compare(base, late).verdict == "fail"
    part = compare(base, late, Policy(steps=(0, 14)))
    assert part.verdict == "pass"
    assert "on all 15 steps" in text(part)
    early = start_run({"loss": np.full(STEPS, 0.3)}, source="port.log")
    assert compare(base, early, Policy(steps=(0, 14))).verdict == "fail"


def test_the_last_steps_are_not_judged_from_the_start():
    found = compare([start_run(), *good()], healthy(), replace(NAMED, last=5))
    assert found.verdict == "inconclusive"
    assert "the judged part begins at step 15, and the runs at step 0" in text(found)
    found = compare([start_run(), *good()], healthy(), Policy(last=5))
    assert found.judgement.findings[0].rule != "same-start"


def test_more_steps_than_are_judged_cannot_be_asked_for():
    with pytest.raises(PolicyError, match="judges the first 30 steps at most, and steps is 31"):
        compare([start_run(), *good()], healthy(), Policy(rules=("same-start:steps=31",)))


# what the logs state


def test_a_fingerprint_of_the_weights_states_the_start():
    found = compare([start_run(), *good()], healthy(same_start=None))
    assert (found.verdict, found.judgement.findings[0].rule) == ("pass", "same-start")
    assert "assumed" not in text(found)


def test_a_start_that_no_fingerprint_shows_is_called_assumed():
    found = compare([start_run(), *good()], healthy(start_weights=None))
    assert "An equal start is assumed: port.log does not state start_weights" in text(found)
    nothing = dict.fromkeys(FINGERPRINTS)
    base = start_run(facts=nothing)
    found = compare(base, healthy(**nothing))
    assert "An equal start is assumed: no log states a fingerprint of its start" in text(found)
    bad = start_run({"loss": np.full(STEPS, 0.3)}, source="port.log", facts=nothing)
    assert "compare the initial weights and the first batch, too" in text(compare(base, bad))


def test_a_start_that_one_side_states_names_the_rule():
    unstated = healthy(same_start=None, **dict.fromkeys(PRINTS))
    for sides, lacking in (
        (([start_run(), *good()], unstated), "candidate"),
        ((unstated, start_run(source="a.log")), "baseline"),
    ):
        found = compare(*sides)
        assert found.verdict == "inconclusive"
        assert found.judgement.reasons[0].startswith(f"the {lacking} does not state its start")
        assert "--rule same-start" in found.judgement.reasons[0]


@pytest.mark.parametrize("value", ["sha256:9f86d081884c7d65", "0.87 0.15", "nan 0.15 -0.43"])
def test_a_fingerprint_that_is_no_row_of_numbers_is_quoted(value):
    found = compare([start_run(), *good()], healthy(start_weights=value))
    assert found.verdict == "incomparable"
    assert f"0.87 0.15 -0.43 in the baseline and {value} in the candidate" in text(found)
    assert "a fingerprint is a row of numbers" in text(found)


def test_a_fingerprint_may_be_a_printed_list():
    assert compare(start_run(), healthy(start_weights="[0.87, 0.15, -0.43]")).verdict == "pass"


def test_an_unstated_precision_is_the_reason_of_a_wide_envelope():
    found = compare([start_run(), *good()], healthy(precision=None))
    assert found.verdict == "inconclusive"
    assert "the perturbed runs are those of float32, and the candidate's log does not" in text(
        found
    )
    assert "state its precision (float32, amp-float16 or amp-bfloat16)" in text(found)


def test_repetitions_with_one_seed_are_an_envelope_of_the_start():
    again = [replace(run, source=f"{k}.log") for k, run in enumerate(good())]
    plain = [
        replace(start_run(), source="run.log"),
        *(replace(run, facts=start_run().facts) for run in again),
    ]
    found = compare(plain, healthy())
    assert found.verdict == "pass"
    assert "envelope of 7 perturbed runs" in text(found)


# what a departure points to


def test_a_factor_in_the_loss_and_its_gradients_is_named():
    names = ("loss", "grad_norm", "grad_norm_geometric")
    scaled = start_run({name: np.full(STEPS, 0.1) for name in names}, source="port.log")
    scaled = with_loss(scaled, scaled.series[0].values * 1.1 ** np.sin(np.arange(STEPS)))
    found = compare([start_run(), *good()], scaled)
    assert "loss and its gradients are 1.1 times the baseline's at the first step" in text(found)


def test_without_a_norm_of_the_update_the_optimizer_is_not_excluded():
    kept = ("loss", "grad_norm")
    base = [start_run(series=kept), *good()]
    bad = start_run(
        {"grad_norm": np.where(np.arange(STEPS) < 3, 0.0, 0.3)}, source="port.log", series=kept
    )
    assert "also at the optimizer, because the log has no norm" in text(compare(base, bad))


def test_a_run_that_goes_on_is_judged_whole_and_says_so():
    steps = 200
    base = [start_run(steps=steps), *perturbed_runs(rng(1), size=1e-45, steps=steps)]
    port = start_run(deviations(rng(2), size=1e-45, steps=steps), steps=steps, source="port.log")
    found = compare(base, port)
    assert found.verdict == "pass"
    assert "the whole run passes" in text(found)
    assert "Not judged" not in text(found)


def test_no_fault_of_whole_runs_is_named_for_the_first_steps(tmp_path):
    bad = start_run({"loss": np.full(STEPS, 0.3)}, source="bad.log")
    for run in (start_run(), bad):
        (tmp_path / run.source).write_text(log_of(run))
    found = CliRunner().invoke(
        app, ["explain", str(tmp_path / "run.log"), str(tmp_path / "bad.log")]
    )
    assert found.exit_code == 1
    assert "measured on whole runs" in " ".join(found.output.split())
    assert "similarity" not in found.output


@pytest.mark.parametrize(("precision", "by", "kept"), [
    ("amp-bfloat16", 0.015, True),
    ("amp-float16", 0.002, True),
    ("float32", 0.015, False),
    ("amp-bfloat16", 0.2, False),
])  # fmt: skip
def test_a_rounding_of_16_bits_moves_the_fingerprints_of_a_perturbed_run(precision, by, kept):
    facts = {"precision": precision, "start_weights": "1.5 -0.25 0.75"}
    near = {**facts, "start_weights": f"{1.5 + by} -0.25 0.75", "perturbed": "draw 9"}
    baseline = start_run(facts=facts, source="gpu.log")
    other = start_run(deviations(rng(9)), source="odd.log", facts=near)
    found, left_out = showing_rounding(baseline, [other], metric="loss")
    assert (bool(found), bool(left_out)) == (kept, not kept)

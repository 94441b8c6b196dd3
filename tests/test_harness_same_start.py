"""The rule `same-start`: rounding passes, faults do not, and the verdict says where they begin."""

import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from scipy.stats import t as student
from typer.testing import CliRunner

from harness import Policy, compare, read_run
from harness.align.benign import HORIZON
from harness.align.printed import half_unit
from harness.align.start import start_of
from harness.cli.main import app
from harness.errors import PolicyError
from harness.log.fingerprint import ALIKE
from harness.rules.same_start import noticeable, same_start
from harness.stats.envelope import COARSEST, FIRST, GROWTH, KERNELS, MOST, NORMS, TIE, ULP
from tests.startlogs import (
    CURVES,
    PRINTS,
    STEPS,
    deviations,
    log_of,
    perturbed_runs,
    start_run,
)


def rng(seed=1):
    return np.random.default_rng(seed)


def judged(candidate, *, count=8, seed=1, **options):
    return compare([start_run(), *perturbed_runs(rng(seed), count)], candidate, **options)


def text(comparison):
    return " ".join(comparison.judgement.reasons)


def bent(name, at, size, *, more=()):
    """A candidate whose series leaves the envelope at a step, and whose loss follows a step on."""
    apart = {"lr": np.zeros(STEPS), **deviations(rng(99))}
    for other, start in ((name, at), *more):
        apart[other][start:] += size * 1.2 ** np.arange(STEPS - start)
    return start_run(apart, source="port.log")


# healthy runs


def test_a_healthy_candidate_passes_and_the_verdict_says_what_was_not_judged():
    found = judged(start_run(deviations(rng(5)), source="port.log"))
    assert found.verdict == "pass"
    assert found.judgement.findings[0].rule == "same-start"
    assert "Not judged: schedules" in text(found)
    assert "envelope of 8 perturbed runs" in text(found)


@pytest.mark.parametrize("size", [0.0, 1.0, KERNELS])
def test_healthy_candidates_fail_at_most_as_often_as_the_level_says(size):
    failed = 0
    for seed in range(300):
        draw = rng(1000 + seed)
        start = start_of(
            [start_run()],
            [start_run(deviations(draw, size=size))],
            perturbed_runs(draw, 4),
            metric="loss",
        )
        limits = {limit.name: limit.limit for limit in noticeable(start, level=0.01)}
        failed += any(
            (np.abs(s.candidate[0] / s.baseline - 1) > limits[s.name]).any() for s in start.series
        )
    assert failed <= 7  # 0.01 * 300 = 3; 8 or more happen by chance in 1 of 100 cases


@pytest.mark.parametrize("count", [1, 2, 8])
def test_the_limit_is_that_of_the_formula(count):
    runs = perturbed_runs(rng(3), count)
    start = start_of([start_run()], [start_run()], runs, metric="loss")
    found = noticeable(start, level=0.01)
    looks = len(CURVES) * STEPS
    q = student.isf(0.01 / looks / 2, count)
    for limit in found:
        base = CURVES[limit.name](np.arange(STEPS))
        largest = 0.0
        for i in range(STEPS):
            mean_square = 0.0
            for run in runs:
                value = run.find(limit.name, 0)[0].values[i]
                mean_square += (value / base[i] - 1) ** 2 / count
            largest = max(largest, mean_square)
            expected = q * KERNELS * math.sqrt(largest + ULP**2)
            if limit.name != "lr":
                factor = NORMS if "norm" in limit.name else 1
                expected = max(expected, min(TIE * factor * GROWTH**i, MOST))
            assert limit.limit[i] == pytest.approx(expected, rel=1e-6)


# faults


@pytest.mark.parametrize("name", sorted(CURVES))
@pytest.mark.parametrize("at", [0, 1, 5, 9])
def test_a_departure_of_any_series_fails_at_its_step(name, at):
    limits = noticeable(
        start_of([start_run()], [start_run()], perturbed_runs(rng(1), 8), metric="loss")
    )
    limit = next(limit for limit in limits if limit.name == name).limit[at]
    found = judged(bent(name, at, 1.5 * limit))
    assert found.verdict == "fail"
    assert f"leaves the envelope of rounding at step {at}" in text(found)
    assert name in text(found)


def test_what_lies_inside_the_envelope_does_not_fail():
    limits = noticeable(
        start_of([start_run()], [start_run()], perturbed_runs(rng(1), 8), metric="loss")
    )
    apart = {limit.name: 0.9 * limit.limit for limit in limits}
    assert judged(start_run(apart)).verdict == "pass"


@pytest.mark.parametrize(
    ("series", "at", "words"),
    [
        ("loss", 0, "look at the forward pass, the loss and the data"),
        ("grad_norm_geometric", 0, "its gradients do not: look at the backward pass"),
        ("update_norm", 0, "the update does not: look at the optimizer"),
        ("buffer_norm", 0, "look at the running statistics"),
        ("lr", 3, "The lr differs: look at the schedule"),
        ("grad_norm", 4, "updates and the loss of step 4 agree, and its gradients do not"),
        ("loss", 1, "The first update agrees, as far as the norms show: look at the data"),
        ("loss", 7, "The first 7 updates agree, as far as the norms show: look at the data"),
    ],
)
def test_the_first_figure_that_differs_names_the_part_of_the_training(series, at, words):
    assert words in text(judged(bent(series, at, 0.3)))


def test_a_log_without_norms_names_what_the_loss_alone_shows():
    only = {"series": ("loss",)}
    base = [start_run(**only), *perturbed_runs(rng(1), 8)]
    for at, words in ((1, "backward pass and the optimizer"), (6, "6 losses agree")):
        apart = {"loss": np.where(np.arange(STEPS) < at, 0.0, 0.2 * np.arange(STEPS))}
        assert words in text(compare(base, start_run(apart, **only)))


def test_a_constant_ratio_is_a_scale_and_no_divergence():
    found = judged(start_run({"loss": np.full(STEPS, 1.0)}))
    assert found.verdict == "fail"
    assert "loss is 2 times the baseline's at every step" in text(found)


def test_a_deviation_of_the_size_of_bfloat16_is_named_as_precision():
    found = judged(bent("loss", 0, 2e-4))
    assert "size is that of bfloat16, float16 or TF32 rounding" in text(found)


def test_stated_arithmetic_that_differs_is_named():
    base = [start_run(facts={"tf32_matmul": False}), *perturbed_runs(rng(1))]
    apart = {name: values + 1e-3 for name, values in deviations(rng(2)).items()}
    found = compare(base, start_run(apart, facts={"tf32_matmul": True}))
    assert found.verdict == "fail"
    assert "tf32_matmul is False in the baseline and True in the candidate" in text(found)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_a_value_that_is_not_finite_fails(name, value):
    apart = deviations(rng(2))
    apart[name][8] = value
    assert judged(start_run(apart)).verdict == "fail"


def test_a_fault_is_seen_among_several_candidates_and_the_run_is_named():
    runs = [start_run(deviations(rng(s)), source=f"{s}.log", facts={"seed": s}) for s in (2, 3)]
    found = judged([*runs, bent("loss", 3, 0.2)], policy=Policy(rules=("same-start",)))
    assert found.verdict == "fail"
    assert "in port.log loss leaves" in text(found)


@pytest.mark.parametrize("level", [0, 1, -0.01, 2])
def test_a_level_that_is_no_probability_is_refused(level):
    aligned = judged(start_run(deviations(rng(2)))).aligned
    with pytest.raises(PolicyError, match="parameter 'level' of rule 'same-start'"):
        same_start(aligned, level=level)


# starts that differ


@pytest.mark.parametrize("name", sorted(PRINTS))
@pytest.mark.parametrize("apart", [0.01, 1.0])
def test_another_start_is_incomparable_and_says_which_part(name, apart):
    first, *rest = PRINTS[name].split()
    other = " ".join([str(float(first) + apart), *rest])
    found = judged(start_run(facts={name: other}))
    assert found.verdict == "incomparable"
    assert name in text(found)
    assert "did not start alike" in text(found)


@pytest.mark.parametrize("value", ["", "weights", "0.87 0.15", "nan nan nan"])
def test_a_fingerprint_that_is_no_list_of_numbers_is_another_start(value):
    assert judged(start_run(facts={"start_weights": value})).verdict == "incomparable"


def test_fingerprints_may_differ_by_rounding():
    first, *rest = PRINTS["start_weights"].split()
    near = " ".join([str(float(first) + ALIKE / 2), *rest])
    assert judged(start_run(deviations(rng(4)), facts={"start_weights": near})).verdict == "pass"


def test_a_log_that_states_no_start_is_judged_by_the_other_rules():
    other = start_run(deviations(rng(4)), facts={"same_start": None, **dict.fromkeys(PRINTS)})
    found = judged(other)
    assert found.judgement.findings[0].rule != "same-start"
    assert any("the candidate does not state its start" in note for note in found.notes)


# what cannot be decided


def test_a_rounded_log_passes_nothing_and_says_what_it_hides():
    def rounded(run):
        series = tuple(
            type(s)(name=s.name, rank=0, steps=s.steps, values=np.round(s.values, 4))
            for s in run.series
        )
        return type(run)(source=run.source, series=series, facts=run.facts)

    base = [rounded(run) for run in (start_run(), *perturbed_runs(rng(1)))]
    found = compare(base, rounded(start_run(deviations(rng(2)))))
    assert found.verdict == "inconclusive"
    assert "so coarsely" in text(found)
    assert compare(base, rounded(bent("loss", 2, 0.01))).verdict == "fail"


def test_a_few_steps_are_inconclusive():
    base = [start_run(steps=9), *perturbed_runs(rng(1), steps=9)]
    found = compare(base, start_run(deviations(rng(2), steps=9), steps=9))
    assert found.verdict == "inconclusive"
    assert "both sides log only 9 steps from the start" in text(found)


def test_an_envelope_that_is_too_wide_is_inconclusive():
    base = [start_run(), *perturbed_runs(rng(1), size=3e5)]
    found = compare(base, start_run(deviations(rng(2))))
    assert found.verdict == "inconclusive"
    assert "is wider than 0.05" in text(found)


def test_without_perturbed_runs_the_precision_gives_the_limit():
    assert judged(start_run(deviations(rng(2))), count=0).verdict == "pass"
    start = start_of([start_run()], [start_run()], metric="loss")
    expected = FIRST["float32"] * GROWTH ** np.arange(STEPS)
    assert noticeable(start)[0].limit == pytest.approx(expected, rel=1e-6)
    assert judged(bent("loss", 0, 1.1e-5), count=0).verdict == "fail"


@pytest.mark.parametrize("precision", [None, "amp-bfloat16"])
def test_without_perturbed_runs_a_coarse_or_unknown_precision_decides_no_pass(precision):
    facts = {"precision": precision}
    found = compare(start_run(facts=facts), start_run(deviations(rng(2)), facts=facts))
    assert found.verdict == "inconclusive"
    assert "no perturbed run was passed; make 8 of the baseline" in text(found)


# perturbed runs


def test_perturbed_runs_are_no_seeds():
    found = judged(start_run(deviations(rng(2))), policy=Policy(rules=("seed-variation",)))
    assert found.verdict == "inconclusive"
    assert len(found.baseline) == 1
    assert [len(side) for side in found.perturbed] == [8, 0]


def test_perturbed_runs_of_the_candidate_widen_the_envelope_too():
    wide = perturbed_runs(rng(7), 8, size=150)
    run = start_run(deviations(rng(8), size=150))
    assert judged(run).verdict == "fail"
    assert judged([run, *wide]).verdict == "pass"


def test_the_perturbed_runs_of_the_candidates_precision_are_used():
    half = {"precision": "amp-bfloat16"}
    base = [start_run(), *perturbed_runs(rng(1)), *perturbed_runs(rng(2), size=20, facts=half)]
    run = start_run(deviations(rng(3), size=20), facts=half)
    assert compare(base, run).verdict == "incomparable"
    found = compare(base, run, Policy(allow=("precision",), rules=("same-start:resolution=0.5",)))
    assert found.verdict == "pass"


def test_a_side_of_perturbed_runs_alone_is_refused():
    with pytest.raises(PolicyError, match="every run of the candidate is a perturbed one"):
        judged(perturbed_runs(rng(2)))


# longer logs


def test_a_later_difference_does_not_pass_because_the_first_steps_agree():
    steps = 200
    runs = [start_run(steps=steps), *perturbed_runs(rng(1), size=1e-40, steps=steps)]
    apart = {"loss": np.where(np.arange(steps) < 100, 0.0, 0.3)}
    found = compare(runs, start_run(apart, steps=steps))
    assert found.verdict != "pass"


def test_steps_after_the_horizon_are_not_judged():
    steps = HORIZON + 5
    apart = {"loss": np.where(np.arange(steps) < HORIZON, 0.0, 0.3)}
    start = start_of([start_run(steps=steps)], [start_run(apart, steps=steps)], metric="loss")
    assert noticeable(start)[0].limit.size == HORIZON


# two devices


@pytest.mark.shared
def test_two_devices_that_state_no_precision_are_left_open(shared_data):
    logs = ("llama3_cuda.txt", "llama3_rocm_mi350x.txt")
    sides = [read_run(shared_data / "torchtitan" / name) for name in logs]
    found = compare(*sides, Policy(rules=("same-start",)))
    assert found.verdict == "inconclusive"
    assert "is wider than 0.05 after 4 steps" in text(found)
    assert "log does not state its precision" in text(found)
    (finding,) = found.judgement.findings
    assert finding.observed["limit_at_1"] == pytest.approx(COARSEST)
    assert finding.observed["largest_ratio"] == pytest.approx(0.019, abs=5e-4)
    assert "an equal start is assumed" in finding.caveat
    apart = [run.find("loss", 0)[0].values[0] for run in sides]
    assert abs(apart[1] / apart[0] - 1) > 9 * FIRST["float32"]


# digits


@pytest.mark.parametrize("digits", range(1, 8))
def test_half_a_unit_of_the_last_digit(digits):
    values = np.round(rng(3).uniform(1, 100, size=50), digits)
    half = half_unit(values)
    small = values < 10
    assert half[~small] == pytest.approx(0.5 * 10.0**-digits)
    assert half[small] == pytest.approx(0.5 * 10.0**-digits)


@pytest.mark.parametrize("digits", range(2, 8))
def test_half_a_unit_of_significant_digits(digits):
    values = np.array([float(f"{v:.{digits - 1}e}") for v in rng(4).uniform(1e-3, 1e3, size=50)])
    expected = 0.5 * 10.0 ** (np.floor(np.log10(values)) + 1 - digits)
    assert half_unit(values) == pytest.approx(expected)


# the command


def write(folder, name, run):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(log_of(run))
    return str(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "gpu/port.log", start_run())
    for k, run in enumerate(perturbed_runs(rng(1)), 1):
        write(tmp_path, f"gpu/perturbed_{k}/port.log", run)
    write(tmp_path, "good.log", start_run(deviations(rng(2))))
    write(tmp_path, "bad.log", bent("grad_norm", 0, 0.01))
    write(tmp_path, "other.log", start_run(facts={"start_labels": "5 5 5"}))
    return tmp_path


def run_command(*arguments):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(("log", "status"), [("good.log", 0), ("bad.log", 1), ("other.log", 4)])
def test_a_folder_gives_a_run_with_its_perturbed_runs(folder, log, status):
    assert run_command("compare", "gpu", log).exit_code == status


def test_a_start_is_recorded_shown_and_verified(folder):
    added = run_command("baseline", "add", "start", "--same-start", "gpu", "--origin", "a test")
    assert added.exit_code == 0, added.output
    assert "Envelope of rounding (8 perturbed runs)" in added.output
    shown = run_command("baseline", "show", "start")
    assert "smallest deviation of loss that is noticed" in shown.output
    assert run_command("baseline", "verify", "start", "--logs", "gpu").exit_code == 0
    assert run_command("compare", "start", "good.log").exit_code == 0
    assert run_command("compare", "start", "bad.log").exit_code == 1


def test_logs_that_do_not_say_so_are_declared_a_start(folder):
    plain = {"same_start": None}
    names = []
    for k, run in enumerate((start_run(facts=plain), *perturbed_runs(rng(1), facts=plain))):
        text_of = log_of(run).replace(f"    perturbed: draw {k - 1}\n", "")
        (folder / f"mine_{k}.log").write_text(text_of)
        names.append(f"mine_{k}.log")
    added = run_command("baseline", "add", "mine", "--same-start", *names, "--origin", "a test")
    assert added.exit_code == 0, added.output
    assert run_command("baseline", "verify", "mine", "--logs", ".").exit_code == 0
    (folder / "port.log").write_text(log_of(start_run(deviations(rng(2)), facts=plain)))
    found = run_command("compare", "mine", "port.log", "--rule", "same-start")
    assert found.exit_code == 0, found.output


def test_two_runs_that_are_not_perturbed_are_refused(folder):
    found = run_command(
        "baseline", "add", "x", "--same-start", "gpu", "good.log", "--origin", "a test"
    )
    assert isinstance(found.exception, PolicyError)
    assert "these are not perturbed: gpu/port.log, good.log" in str(found.exception)


def test_a_perturbed_run_of_another_start_is_refused(folder):
    found = run_command(
        "baseline", "add", "x", "--same-start", "good.log", "other.log", "--origin", "a test"
    )
    assert isinstance(found.exception, PolicyError)
    assert "other.log states another start (start_labels)" in str(found.exception)


def test_the_report_names_the_perturbed_logs(folder):
    found = run_command("compare", "gpu", "good.log", "--json", "-")
    document = json.loads(found.output)
    schema = json.loads((Path(__file__).parents[1] / "docs/comparison.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert len(document["baseline"]["perturbed"]) == 8
    assert "perturbed" not in document["candidate"]
    shown = run_command("compare", "gpu", "good.log")
    assert "gpu/perturbed_8/port.log" in shown.output
    line = run_command("compare", "gpu", "good.log", "-q").output
    assert line.startswith("pass -0.01% (")
    assert "judged on the first 20 steps from the same start" in line

"""Calibration on systems with known differences, and the noise floor of a baseline."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from loglines import run
from scipy import stats
from typer.testing import CliRunner

from harness.align.aligned import align
from harness.align.comparable import compare_facts
from harness.cli.main import app
from harness.comparison.error_rates import (
    HALVES,
    SAME,
    SINGLES,
    Ensemble,
    _taken,
    comparisons,
    error_rates,
    kind_of,
)
from harness.errors import BaselineError
from harness.report import error_rates as writer
from harness.stats.noise import from_meta, noise_floor, to_meta
from harness.storage.baselines import open_recording, open_unsealed, record, recorded_spread

FACTS = {"effective_batch": 8, "learning_rate": 0.0005, "schedule": "linear(800)"}


def system(name, rng, *, factor=1.0, runs=10, **facts):
    level = factor * (1 + 0.005 * rng.standard_normal((runs, 1)))
    curves = (
        (1 + np.exp(-np.arange(48) / 10)) * level * (1 + 0.02 * rng.standard_normal((runs, 48)))
    )
    stated = {**FACTS, **facts}
    return Ensemble(name=name, runs=tuple(run(c, seed=i, **stated) for i, c in enumerate(curves)))


@pytest.fixture(scope="module")
def systems():
    rng = np.random.default_rng(1)
    return [
        system("a", rng),
        system("b", rng),
        system("fast", rng, factor=1.08, learning_rate=0.001),
        system("wide", rng, factor=0.95, effective_batch=16),
    ]


@pytest.fixture(scope="module")
def rows(systems):
    return error_rates(systems, draws=150, permutations=200, seed=3)


def share(rows, rule, kind):
    return next(r.failed_share for r in rows if (r.rule, r.kind) == (rule, kind))


def test_nothing_rejects_nothing_and_a_change_is_noticed(rows):
    assert share(rows, "ensemble", HALVES) == pytest.approx(6 / 126, abs=0.05)
    assert share(rows, "equiv. 2 %", HALVES) <= 0.05
    for kind in ("batch size", "learning rate x2.00"):
        assert share(rows, "ensemble", kind) == 1
        assert share(rows, "equiv. 2 %", kind) == 1
        assert share(rows, "facts", kind) == 1
    assert share(rows, "facts", SAME) == 0
    assert share(rows, "bitwise", SAME) == 1


def test_seed_variation_is_asked_about_one_run(rows):
    assert share(rows, "seed-variation", HALVES) <= 0.04
    for kind in ("batch size", "learning rate x2.00"):
        assert share(rows, "seed-variation", kind) >= 0.6  # the rest is asked for one more run
        assert all(r.passed == 0 for r in rows if (r.rule, r.kind) == ("seed-variation", kind))
    (single,) = (row for row in rows if (row.rule, row.kind) == ("seed-variation", SINGLES))
    assert (single.failed, single.passed) == (0, 0)  # one baseline run shows no spread


def test_a_half_of_a_system_is_half_of_all_its_series(systems):
    aligned = align(systems[0].runs, systems[1].runs, metric="loss")
    both = replace(aligned, schedules=(aligned,), auxiliary=(aligned,))
    half = _taken(both, np.array([3, 1]), np.array([0, 2, 4]))
    for one in (half, *half.schedules, *half.auxiliary):
        assert np.array_equal(one.baseline, aligned.baseline[[3, 1]])
        assert np.array_equal(one.candidate, aligned.candidate[[0, 2, 4]])


def test_the_published_rule_sees_a_higher_loss_only(rows):
    assert share(rows, "published", "batch size") == 0
    assert share(rows, "equiv. 2 %", "batch size") == 1


def test_one_seed_gives_one_table(systems):
    one, two, other = (
        error_rates(systems, draws=12, permutations=50, seed=seed) for seed in (3, 3, 4)
    )
    assert one == two
    assert one != other


def test_every_comparison_ticks_once(systems):
    ticks = []
    error_rates(systems, draws=5, permutations=20, tick=lambda: ticks.append(1))
    assert len(ticks) == comparisons(len(systems), 5) == 5 + 5 + 6


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, SAME),
        ({"grad_accumulation": 4}, SAME),
        ({"schedule": "linear(900)"}, "schedule"),
        ({"learning_rate": 0.00055}, "learning rate x1.10"),
        ({"learning_rate": 0.0004}, "learning rate x1.25"),
        ({"effective_batch": 9, "learning_rate": 0.001}, "batch size"),
        ({"optimizer": "SGD"}, "optimizer"),
    ],
)
def test_the_weightiest_fact_names_the_change(change, kind):
    base = {**FACTS, "grad_accumulation": 1, "optimizer": "adamw"}
    facts = [run([1.0], **f).facts for f in (base, {**base, **change})]
    assert kind_of(compare_facts(facts[:1], facts[1:])) == kind


def test_the_csv_holds_every_row(rows):
    table = list(csv.DictReader(io.StringIO(writer.to_csv(rows))))
    assert len(table) == len(rows)
    for line, row in zip(table, rows, strict=True):
        assert int(line["failed"]) + int(line["passed"]) + int(line["open"]) == row.comparisons
        assert float(line["failed_share"]) == row.failed_share


def write(folder, runs):
    folder.mkdir(parents=True)
    for i, one in enumerate(runs):
        loss = one.find("loss", 0)[0]
        lines = zip(loss.steps.tolist(), loss.values.tolist(), strict=True)
        (folder / f"{i}.txt").write_text("".join(f"{s} {v!r}\n" for s, v in lines))


@pytest.mark.extra("plots")
def test_the_command_prints_a_table_and_writes_csv_and_picture(tmp_path, systems):
    for one in systems[:3]:
        write(tmp_path / "runs" / one.name, one.runs)
    args = ["calibrate", str(tmp_path / "runs"), "--draws", "10", "--permutations", "50"]
    result = CliRunner().invoke(app, [*args, "--report", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "percent of comparisons that a rule fails" in result.output.lower()
    assert f"\n {HALVES} (10)  " in result.output
    assert (tmp_path / "out" / "calibration.csv").stat().st_size > 100
    assert (tmp_path / "out" / "calibration.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_two_systems_is_refused(tmp_path, systems):
    write(tmp_path / "runs" / "a", systems[0].runs)
    result = CliRunner().invoke(app, ["calibrate", str(tmp_path / "runs")])
    assert "expected at least 2" in str(result.exception)
    assert "no such folder" in str(
        CliRunner().invoke(app, ["calibrate", str(tmp_path / "none")]).exception
    )


def test_the_noise_floor_is_the_spread_of_the_runs(systems):
    floor = noise_floor(systems[0].runs)
    curves = np.stack([r.find("loss", 0)[0].values for r in systems[0].runs])
    assert [p.name for p in floor.phases] == ["whole", "first third", "middle third", "last third"]
    last = curves[:, 32:].mean(axis=1)
    assert floor.phases[3].run_spread == pytest.approx(last.std(ddof=1) / last.mean())
    assert floor.phases[3].first_step == 32
    steps = curves.std(axis=0, ddof=1) / curves.mean(axis=0)
    assert floor.phases[0].step_spread == pytest.approx(np.median(steps))


def test_the_shift_it_promises_is_noticed_nine_times_in_ten(systems):
    floor = noise_floor(systems[0].runs)
    phase = floor.phases[0]
    rng = np.random.default_rng(5)
    for count in (1, 3, 10):
        base = rng.standard_normal((4000, 10)) * phase.run_spread
        cand = rng.standard_normal((4000, count)) * phase.run_spread + floor.shift(phase, count)
        pooled = np.sqrt(
            (base.var(axis=1, ddof=1) * 9 + cand.var(axis=1, ddof=0) * count) / (8 + count)
        )
        t = (cand.mean(axis=1) - base.mean(axis=1)) / pooled / math.sqrt(1 / 10 + 1 / count)
        assert np.mean(np.abs(t) > stats.t.ppf(0.975, 8 + count)) == pytest.approx(0.9, abs=0.02)


def test_more_candidate_runs_show_smaller_shifts(systems):
    floor = noise_floor(systems[0].runs)
    shifts = [floor.shift(floor.phases[0], count) for count in (1, 3, 5, 10)]
    assert shifts == sorted(shifts, reverse=True)


def test_a_recording_keeps_its_noise_floor(tmp_path, systems):
    recording = record(tmp_path / "many", systems[0].runs, origin="x", description="")
    floor = recorded_spread(open_recording(tmp_path / "many"))
    assert floor == noise_floor(systems[0].runs)
    assert from_meta(to_meta(floor)) == floor
    text = (tmp_path / "many" / "baseline.toml").read_text()
    (tmp_path / "many" / "baseline.toml").write_text(text.replace("run_spread", "spread"))
    with pytest.raises(BaselineError, match="noise_floor cannot be read"):
        recorded_spread(open_unsealed(tmp_path / "many"))
    assert recording.name == "many"


def test_one_recorded_run_says_what_cannot_be_known(tmp_path, systems):
    write(tmp_path / "one", systems[0].runs[:1])
    shelf = ["--baselines", str(tmp_path / "shelf")]
    added = CliRunner().invoke(
        app, ["baseline", "add", "b", str(tmp_path / "one"), "--origin", "x", *shelf]
    )
    assert "does not show how much the seed alone changes" in " ".join(added.output.split())
    shown = CliRunner().invoke(app, ["baseline", "show", "b", *shelf])
    assert "record 3 runs or more" in shown.output


def test_several_recorded_runs_show_their_noise_floor(tmp_path, systems):
    write(tmp_path / "ten", systems[0].runs)
    shelf = ["--baselines", str(tmp_path / "shelf")]
    args = ["baseline", "add", "b", str(tmp_path / "ten"), "--origin", "x", *shelf]
    assert "Noise floor of loss, 10 runs" in CliRunner().invoke(app, args).output
    shown = CliRunner().invoke(app, ["baseline", "show", "b", *shelf]).output
    assert "last third" in shown
    assert "10 runs" in shown


def test_runs_that_are_not_finite_have_no_noise_floor():
    assert noise_floor([run([1.0, 2.0])]) is None
    assert noise_floor([run([1.0, math.nan]), run([1.0, 2.0])]) is None
    assert noise_floor([run([1.0, 0.0]), run([1.0, 0.0])]) is None


@pytest.fixture(scope="module")
def shared_rows(shared_data):
    from harness.storage.logs import expand, read_run

    root = shared_data / "mlperf" / "llama2_70b_lora"
    found = [
        Ensemble(name=p.name, runs=tuple(read_run(log) for log in expand(str(p))))
        for p in sorted(root.iterdir())
        if p.is_dir()
    ]
    return error_rates(found, draws=2000, permutations=400, seed=1)


@pytest.mark.shared
def test_on_public_systems_half_splits_reject_at_the_level(shared_rows):
    assert 0.03 <= share(shared_rows, "ensemble", HALVES) <= 0.07
    assert 0.03 <= share(shared_rows, "ensemble: loss", HALVES) <= 0.07


@pytest.mark.shared
def test_on_public_systems_known_changes_are_noticed(shared_rows):
    assert share(shared_rows, "ensemble: loss", "learning rate x1.25") >= 0.83
    assert share(shared_rows, "ensemble: loss", "learning rate x1.10") >= 0.77
    for kind in ("batch size", "schedule", "learning rate x1.25", "learning rate x1.10"):
        assert share(shared_rows, "ensemble", kind) == 1
        assert share(shared_rows, "published", kind) == 0


@pytest.mark.shared
def test_on_public_systems_equal_hyperparameters_are_equivalent(shared_rows):
    equal = [r for r in shared_rows if r.kind == SAME]
    passed = {r.rule: r.passed_share for r in equal}
    assert equal[0].comparisons == 25
    assert passed["equiv. 2 %"] == 1

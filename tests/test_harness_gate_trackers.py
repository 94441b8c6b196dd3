"""`harness gate` on a tracker's runs, and its lines in a manifest that names a tracker."""

import json
from dataclasses import replace

import numpy as np
import pytest
from trackerfiles import scalar, swanlab, trackio
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import PolicyError
from harness.gate.figures import history_of_runs
from harness.storage.inputs import load, load_sides
from harness.trackers.naming import identity, run_in

NIGHTS = 60


def night(rng, *, miou=70.0):
    """A night's run: a loss for each step, and figures that are logged once, at the end."""
    loss = 2.0 * np.exp(-np.arange(60) / 20) + 0.5 + rng.normal(0, 0.02, 60)
    rows = [(step, {"train/loss": float(value)}) for step, value in enumerate(loss)]
    last = {"val/mIoU": miou + float(rng.normal(0, 0.3)), "ips": 100 + float(rng.normal(0, 1))}
    last["throughput"] = 4000 + float(rng.normal(0, 20))
    return [*rows, (59, {**last, "memory": 9000 + float(rng.normal(0, 10))})]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose names of runs are not in the order in which the runs were made."""
    folder = tmp_path_factory.mktemp("trackio")
    rng = np.random.default_rng(11)
    runs = [(f"n{(7 * i) % NIGHTS}", f"id{i}", {"lr": 0.1}, night(rng)) for i in range(NIGHTS)]
    trackio(folder / "port.db", runs)
    return folder


def gate(*arguments):
    given = ["gate", *arguments, "--worse", "lower", "--rate", "0.05", "--json", "-"]
    result = CliRunner().invoke(app, given)
    return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else result


@pytest.mark.parametrize("metric", ["val.mIoU", "ips", "throughput", "memory", "loss"])
def test_a_project_is_a_history_for_curves_and_for_figures_logged_once(project, metric):
    status, proposal = gate(f"trackio:{project}/port.db!", "--metric", metric)
    assert status == 0
    assert f'candidate = "trackio:{project}/port.db!NEW"' in proposal["manifest"]


def test_the_runs_stay_in_the_order_in_which_they_were_made(project, tmp_path):
    rng = np.random.default_rng(5)
    drifting = [(f"n{(7 * i) % 40}", f"id{i}", {}, night(rng, miou=70 - i / 10)) for i in range(40)]
    trackio(tmp_path / "port.db", drifting)
    history = f"trackio:{tmp_path}/port.db!"
    status, proposal = gate(history, "--metric", "val.mIoU")
    assert status == 3
    assert any("drift" in reason for reason in proposal["refusals"])


def test_a_run_is_left_out_by_its_name_even_if_it_lacks_the_metric(tmp_path):
    rng = np.random.default_rng(5)
    runs = [(f"n{i}", f"id{i}", {}, night(rng)) for i in range(20)]
    runs.append(("debug/x", "id99", {}, [(0, {"train/loss": 2.0})]))
    trackio(tmp_path / "port.db", runs)
    loaded = load(f"trackio:{tmp_path}/port.db!")
    history = history_of_runs(loaded, metric="val.mIoU", without=["debug/x"])
    assert len(history.names) == 20
    assert any("left out on request: " in note for note in history.notes)
    with pytest.raises(PolicyError, match="no run 'n77' in the history"):
        history_of_runs(loaded, metric="loss", without=["n77"])


def test_runs_that_did_not_finish_are_no_part_of_a_history(tmp_path):
    for i in range(6):
        points = [
            scalar("loss", step, 2.0 - step / 100 + i / 9) for step in range(30 - 20 * (i == 3))
        ]
        swanlab(tmp_path / f"run-2026010{i}_030405-a", points, state=2 if i == 3 else 1)
    history = history_of_runs(load(f"swanlab:{tmp_path}"), metric="loss")
    assert len(history.names) == 5
    assert history.steps == (20, 29)
    assert any("did not finish: " in note and "20260103" in note for note in history.notes)


def test_a_history_without_a_finished_run_is_refused(tmp_path):
    swanlab(tmp_path / "run-20260101_030405-a", [scalar("loss", 0, 2.0)], state=None)
    with pytest.raises(PolicyError, match="no run is left of 1 run: left out, because they did"):
        history_of_runs(load(f"swanlab:{tmp_path}"), metric="loss")


def test_the_lines_of_a_gate_are_checked_against_the_newest_run_of_the_project(project):
    status, proposal = gate(f"trackio:{project}/port.db!", "--metric", "val.mIoU")
    text = "\n".join(proposal["manifest"]).replace(f"trackio:{project}/", "trackio:")
    (project / "ports.toml").write_text(text.replace("!NEW", "!n5"))
    result = CliRunner().invoke(app, ["check", str(project / "ports.toml")])
    assert (status, result.exit_code) == (0, 0), result.output


def test_a_candidate_among_the_baseline_is_not_compared_with_itself(project):
    where = f"trackio:{project}/port.db!"
    base, cand = load_sides(where, f"{where}n5")
    assert len(base) == NIGHTS - 1
    assert f"{where}n5" not in [run.source for run in base]
    assert "left out of the baseline" in cand[0].notes[-1]
    alone, _ = load_sides(f"{where}n5", f"{where}n5")
    assert len(alone) == 1  # which is then refused as a copy


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("mlflow:port", "mlflow:port/a"),
        ("trackio:port.db!", "trackio:port.db!a"),
        ("wandb:wandb", "wandb:wandb!a"),
        ("swanlab:swanlog/", "swanlab:swanlog!a"),
        ("trackio:runs!port", "trackio:runs!port/a"),
    ],
)
def test_a_run_in_a_name_of_several_is_the_run_of_the_list(spec, name):
    assert run_in(spec, "a") == name
    assert identity(f"{spec} [run a]") == identity(name)


def test_a_log_is_left_in_the_baseline_whatever_its_name(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("".join(f"step {i} loss {2 - i / 100}\n" for i in range(60)))
    base, cand = load_sides(str(log), str(log))
    assert (len(base), replace(cand[0]).notes) == (1, cand[0].notes)

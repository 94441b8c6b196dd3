"""Runs that MLflow's own client wrote, read back bit by bit from its database and its server."""

import os
import random
import socket
import struct
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

from harness.storage.inputs import load

mlflow = pytest.importorskip("mlflow", reason="needs mlflow (`tox -e trackers`)")

from mlflow.entities import Metric, Param, RunTag  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of mlflow's own dependencies
EXPERIMENT = "größe/übung 1"
MANY = 100_000
ODD = [float("nan"), float("inf"), -float("inf"), 5e-324, -2.5e-310, 0.1, 1 / 3, 1e300]


def truth(seed):
    """Points (name, time, step, value) as a training logs them, and what must be read.

    Times rise by at least a millisecond where a step is logged again, as between two attempts.
    """
    rng = random.Random(seed)
    points, expected, now = [], {}, 1_700_000_000_000
    for name in ("train/loss", "val_acc", "größe_名前", "lr"):
        kept, steps = {}, sorted(rng.sample(range(400), 120))  # with gaps
        resumed = rng.randrange(40, 100)
        plan = steps[:resumed] + steps[resumed - 20 :]  # 20 steps again, after a resumption
        for i, step in enumerate(plan):
            value = rng.choice(ODD) if i % 7 == 0 else struct.unpack("<d", struct.pack(
                "<d", rng.gauss(0, 1) * 10 ** rng.randrange(-12, 12)))[0]  # fmt: skip
            now += 1 + rng.randrange(3)
            points.append((name, now, step, value))
            kept[step] = value
        points.append((name, now + 1, -5, 9.0))
        expected[name] = sorted(kept.items())
    return points, expected


def write(client, name, points, **more):
    run = client.create_run(more.pop("experiment"), run_name=name)
    metrics = [Metric(key, value, at, step) for key, at, step, value in points]
    for start in range(0, len(metrics), 1000):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + 1000])
    client.log_batch(run.info.run_id, params=[Param("lr", "0.1"), Param("batch_size", "8")],
                     tags=[RunTag("mlflow.source.git.commit", "abc123")])  # fmt: skip
    client.set_terminated(run.info.run_id, **more)
    return run.info.run_id


def fluent(uri):
    """Writes a run as a script does, with a child, a logged model and metrics without a step."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("fluent")
    model = mlflow.initialize_logged_model(name="net")
    data = mlflow.data.from_numpy(np.zeros((2, 2)), name="scenes")
    with mlflow.start_run(run_name="parent"), mlflow.start_run(run_name="child", nested=True):
        mlflow.log_params({"lr": 0.5, "nothing": None, "deep": {"a": [1]}})
        for step, value in enumerate([3.0, -0.0, 2.0]):
            mlflow.log_metric("loss", value, step=step, model_id=model.model_id, dataset=data)
        for value in (5.0, 4.0):
            mlflow.log_metric("no_step", value)
            time.sleep(0.002)
        mlflow.log_metric("system/cpu_utilization_percentage", 9.0, step=0)
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A database with runs of known points."""
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment(EXPERIMENT, artifact_location=str(folder / "files"))
    points = {name: truth(seed) for seed, name in enumerate(("seed_0", "seed_1"))}
    for name, (given, _) in points.items():
        write(client, name, given, experiment=experiment)
    write(client, "died", points["seed_0"][0], experiment=experiment, status="FAILED")
    gone = write(client, "gone", points["seed_0"][0], experiment=experiment)
    client.delete_run(gone)
    fluent(uri)
    many = [("loss", 1_700_000_000_000 + i // 3, i, random.Random(i).random()) for i in range(MANY)]
    write(client, "many", many, experiment=client.create_experiment("many"))
    return folder / "mlflow.db", points, [value for *_, value in many]


@pytest.fixture(scope="module")
def server(store):
    """The URL of MLflow's server on that database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri",
               f"sqlite:///{store[0]}", "--port", str(port), "--workers", "1"]  # fmt: skip
    with (store[0].parent / "server.log").open("w") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=2).close()
                break
            except OSError:
                assert running.poll() is None, (store[0].parent / "server.log").read_text()
                time.sleep(0.5)
        yield url
    finally:
        os.killpg(running.pid, 15)
        running.wait(20)


@pytest.fixture(scope="module", params=["database", "server"])
def place(request, store):
    return str(store[0]) if request.param == "database" else request.getfixturevalue("server")


def bits(values):
    return np.array(values, dtype=np.float64).tobytes()


def test_every_point_of_a_run_is_read_back_to_the_last_bit(place, store):
    names = {"train/loss": "loss", "val_acc": "val.acc", "größe_名前": "größe_名前", "lr": "lr"}
    for name, (_, expected) in store[1].items():
        (run,) = load(f"mlflow:{place}!{EXPERIMENT}/{name}")
        assert {series.name for series in run.series} == set(names.values())
        for key, points in expected.items():
            (series,) = run.find(names[key], 0)
            assert series.steps.tolist() == [step for step, _ in points]
            read = np.where(np.isnan(series.values), np.nan, series.values)
            assert read.tobytes() == bits([value for _, value in points])
        assert run.facts["learning_rate"] == 0.1
        assert run.facts["batch_per_device"] == 8
        assert run.facts["model_code"] == "abc123"
        assert not run.unfinished


def test_pages_of_points_are_joined(place, store):
    (run,) = load(f"mlflow:{place}!many")
    (series,) = run.series
    assert series.steps.tolist() == list(range(MANY))
    assert series.values.tobytes() == bits(store[2])


def test_a_script_with_nested_runs_models_and_metrics_without_steps(place, store):
    (run,) = load(f"mlflow:{place}!fluent")
    assert run.source.endswith("[run child]")
    assert run.find("loss", 0)[0].values.tolist() == [3.0, 0.0, 2.0]
    assert run.find("no_step", 0)[0].values.tolist() == [5.0, 4.0]
    assert run.by_order == ("no_step",)
    assert {series.name for series in run.series} == {"loss", "no_step"}
    assert run.facts["learning_rate"] == 0.5
    assert "config.args.nothing" not in run.facts
    assert any("parent (finished)" in note for note in run.notes)
    assert any("1 metric of the machine" in note for note in run.notes)


def test_both_ways_give_the_same_run(store, server):
    by_file, by_server = (load(f"mlflow:{place}!{EXPERIMENT}") for place in (store[0], server))
    assert [run.source.rpartition("[run ")[2] for run in by_file] == ["seed_0]", "seed_1]", "died]"]
    assert [run.sha256 for run in by_file] == [run.sha256 for run in by_server]
    assert [bool(run.unfinished) for run in by_server] == [False, False, True]
    assert "failed" in by_server[2].unfinished


def test_the_variable_of_mlflow_names_the_store(place, store, monkeypatch):
    uri = place if place.startswith("http") else f"sqlite:///{place}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (run,) = load(f"mlflow:{EXPERIMENT}/seed_1")
    assert len(run.find("loss", 0)[0]) == 120


@pytest.fixture
def falling(store):
    """A database with two experiments of six runs whose losses fall alike."""
    uri = f"sqlite:///{store[0]}"
    client = MlflowClient(uri)
    ids = {}
    for side in ("gpu", "port"):
        known = client.get_experiment_by_name(side)
        if known is None:
            number = client.create_experiment(side, artifact_location=str(store[0].parent / side))
            for seed in range(6):
                rng = random.Random(f"{side} {seed}")
                points = [("loss", 1_700_000_000_000 + i, i, 2 + 3 * 0.97**i + rng.gauss(0, 0.02))
                          for i in range(200)]  # fmt: skip
                write(client, f"seed_{seed}", points, experiment=number)
    for side in ("gpu", "port"):
        number = client.get_experiment_by_name(side).experiment_id
        ids[side] = {run.info.run_name: run.info.run_id for run in client.search_runs([number])}
    return client, ids


def harness(*arguments, **environment):
    return subprocess.run([sys.executable, "-m", "harness", *map(str, arguments)], text=True,
                          capture_output=True, env={**os.environ, **environment},
                          check=False)  # fmt: skip


def test_a_verdict_is_written_to_the_candidates_own_run(place, store, falling, tmp_path):
    client, ids = falling
    name = f"mlflow:{place}!port/seed_0"
    before = load(name)[0]
    done = harness("compare", f"mlflow:{store[0]}!gpu", name, "--to", "mlflow",
                   "--report", tmp_path / "report")  # fmt: skip
    assert done.returncode == 0, done.stderr
    run_id = ids["port"]["seed_0"]
    assert run_id in done.stderr
    run = client.get_run(run_id)
    assert run.data.tags["harness.verdict"] == "pass"
    assert abs(run.data.metrics["harness.relative_difference"]) < 0.05
    assert run.info.status == "FINISHED"
    files = {file.path for file in client.list_artifacts(run_id, "harness")}
    assert {"harness/report.html", "harness/comparison.json"} <= files
    assert load(name)[0].sha256 == before.sha256  # the verdict is no figure of the training


def test_a_verdict_on_several_runs_gets_a_run_in_their_experiment(store, falling):
    client, _ = falling
    name = f"mlflow:{store[0]}!port"
    before = load(name)
    done = harness("compare", f"mlflow:{store[0]}!gpu", name, "--to", "mlflow", "-q")
    assert done.returncode == 0, done.stderr
    number = client.get_experiment_by_name("port").experiment_id
    (run,) = [r for r in client.search_runs([number]) if r.info.run_name == name]
    assert run.data.tags["harness.verdict"] == "pass"
    again = load(name)
    assert [r.sha256 for r in again] == [r.sha256 for r in before]
    assert not any("left out" in note for r in again for note in r.notes)


def test_check_writes_every_port_and_a_dead_tracker_changes_no_verdict(store, falling, tmp_path):
    client, _ = falling
    ports = "".join(
        f"""[[port]]\nname = "p{i}"\nbaseline = "mlflow:{store[0]}!gpu"\n"""
        f"""candidate = "mlflow:{store[0]}!port/seed_{i}"\n"""
        for i in (1, 2)
    )
    (tmp_path / "ports.toml").write_text(ports)
    done = harness("check", tmp_path / "ports.toml", "--to", "mlflow", "--report", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("written to mlflow:") == 2
    number = client.get_experiment_by_name("port").experiment_id
    tags = {run.info.run_name: run.data.tags for run in client.search_runs([number])}
    assert [tags[f"seed_{i}"]["harness.port"] for i in (1, 2)] == ["p1", "p2"]
    csv = tmp_path / "port.csv"
    csv.write_text("step,loss\n" + "".join(f"{i},{9.0 - i / 100}\n" for i in range(200)))
    dead = harness("compare", f"mlflow:{store[0]}!gpu", csv, "--to", "mlflow", "-q",
                   MLFLOW_TRACKING_URI="http://127.0.0.1:9")  # fmt: skip
    alone = harness("compare", f"mlflow:{store[0]}!gpu", csv, "-q")
    assert dead.returncode == alone.returncode == 1
    assert dead.stdout == alone.stdout
    assert "warning: " in dead.stderr
    assert dead.stderr.count("\n") == 1

"""MLflow's database and folder of files: what their columns, states and names mean."""

import sqlite3

import numpy as np
import pytest

from harness.errors import ParseError
from harness.ports.manifest import read_manifest
from harness.storage.baselines import load_runs, record
from harness.storage.inputs import load
from harness.trackers import mlflow_sqlite

SCHEMA = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256) NOT NULL,
    lifecycle_stage VARCHAR(32));
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), status VARCHAR(9),
    start_time BIGINT, end_time BIGINT, lifecycle_stage VARCHAR(20), experiment_id INTEGER);
CREATE TABLE metrics ("key" VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32),
    step BIGINT DEFAULT 0, is_nan BOOLEAN DEFAULT 0);
CREATE TABLE params ("key" VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
CREATE TABLE tags ("key" VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
"""
LARGEST = 1.7976931348623157e308
FALLING = [5.0, 4.0, 3.5, 3.0]


class Database:
    """A database with MLflow's tables."""

    def __init__(self, path):
        self.path = path
        self.data = sqlite3.connect(path)
        self.data.executescript(SCHEMA)
        self.count = 0

    def experiment(self, name, number=1, stage="active"):
        self.data.execute("INSERT INTO experiments VALUES (?, ?, ?)", (number, name, stage))
        self.data.commit()

    def run(self, name, points=(), *, of=1, status="FINISHED", stage="active", start=None,
            params=None, tags=None):  # fmt: skip
        """Writes a run, whose points are (key, value, time, step, is_nan)."""
        self.count += 1
        uid = f"{self.count:032x}"
        begun = self.count if start is None else start
        self.data.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)",
                          (uid, name, status, begun, begun, stage, of))  # fmt: skip
        for table, pairs in (("params", params), ("tags", tags)):
            self.data.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)",
                                  [(k, v, uid) for k, v in (pairs or {}).items()])  # fmt: skip
        self.data.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)",
                              [(k, v, t, uid, s, n) for k, v, t, s, n in points])  # fmt: skip
        self.data.commit()
        return uid


def losses(values=FALLING, key="loss"):
    return [(key, value, i, i, 0) for i, value in enumerate(values)]


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "mlflow.db")
    made.experiment("port")
    return made


def read(database, name):
    return load(f"mlflow:{database.path}!{name}")


def test_nan_and_infinity_are_not_the_numbers_that_the_columns_hold(database):
    database.run("a", [("loss", 0.0, 1, 0, 1), ("loss", LARGEST, 2, 1, 0),
                       ("loss", -LARGEST, 3, 2, 0), ("loss", 0.0, 4, 3, 0)])  # fmt: skip
    (series,) = read(database, "port/a")[0].series
    assert np.array_equal(series.values, [np.nan, np.inf, -np.inf, 0.0], equal_nan=True)


def test_a_resumed_run_keeps_the_later_point_also_within_a_millisecond(database):
    points = [(5.0, 1, 0), (4.0, 2, 1), (3.0, 3, 2), (3.5, 4, 1), (2.9, 5, 2), (2.8, 5, 2)]
    database.run("a", [("loss", v, t, s, 0) for v, t, s in points])
    (series,) = read(database, "port/a")[0].series
    assert (series.steps.tolist(), series.values.tolist()) == ([0, 1, 2], [5.0, 3.5, 2.8])


def test_times_decide_and_not_the_order_of_the_rows(database):
    database.run("a", [("loss", 1.0, 9, 1, 0), ("loss", 2.0, 5, 1, 0), ("loss", 3.0, 1, 0, 0)])
    assert read(database, "port/a")[0].series[0].values.tolist() == [3.0, 1.0]


def test_a_metric_without_steps_is_numbered_and_said(database):
    database.run("a", [("loss", v, t, 0, 0) for t, v in enumerate(FALLING)]
                 + [("val_mIoU", 0.7, 9, 0, 0)])  # fmt: skip
    (run,) = read(database, "port/a")
    assert run.by_order == ("loss",)
    assert run.find("loss", 0)[0].values.tolist() == FALLING
    assert run.find("val.mIoU", 0)[0].steps.tolist() == [0]
    assert any("loss is logged without steps" in note for note in run.notes)


def test_several_processes_in_one_run_are_refused(database):
    database.run("a", [("loss", 9.0 - s + r / 10, 10 * s + r, s, 0)
                       for s in range(9) for r in range(4)])  # fmt: skip
    with pytest.raises(ParseError, match=r"If several processes log into one run"):
        read(database, "port/a")


def test_figures_of_the_machine_and_of_verdicts_are_no_series(database):
    database.run("a", [*losses(), ("system/cpu_utilization_percentage", 9.0, 1, 0, 0),
                       ("harness.coverage", 1.0, 1, 0, 0), ("epoch", 1.0, 1, 0, 0)])  # fmt: skip
    (run,) = read(database, "port/a")
    assert [series.name for series in run.series] == ["loss"]
    assert any("1 metric of the machine" in note for note in run.notes)


STATES = {"RUNNING": "still running", "FAILED": "failed", "KILLED": "was killed", "ODD": "'ODD'"}


@pytest.mark.parametrize(("status", "word"), STATES.items())
def test_a_run_that_did_not_finish_says_so(database, status, word):
    database.run("a", losses(), status=status)
    assert word in read(database, "port/a")[0].unfinished


def test_parameters_and_the_commit_become_facts(database):
    params = {"learning_rate": "0.01", "per_device_train_batch_size": "8", "fp16": "True"}
    tags = {"mlflow.source.git.commit": "abc"}
    database.run("a", losses(), params={**params, "nested.depth": "50"}, tags=tags)
    facts = read(database, "port/a")[0].facts
    assert (facts["learning_rate"], facts["batch_per_device"]) == (0.01, 8)
    assert (facts["precision"], facts["model_code"]) == ("amp-float16", "abc")
    assert facts["config.args.nested.depth"] == 50


def test_names_of_autolog_become_facts_and_the_loss_of_each_step_is_the_loss(database):
    steps = losses([*FALLING, 2.5], "train_loss_step")
    epochs = losses([4.5, 3.2], "train_loss")
    params = {"opt_name": "SGD", "opt_learning_rate": "0.5", "opt_momentum": "True"}
    database.run("a", steps + epochs, params=params)
    (run,) = read(database, "port/a")
    assert (run.facts["optimizer"], run.facts["learning_rate"]) == ("SGD", 0.5)
    assert "momentum" not in run.facts
    assert len(run.find("loss", 0)[0]) == 5


def test_an_experiment_gives_its_runs_in_the_order_in_which_they_began(database):
    database.run("late", losses(), start=9)
    database.run("early", losses(), start=1, status="FAILED")
    database.run("gone", losses(), stage="deleted")
    database.run("parent", start=0)
    database.run("verdict", start=0, tags={"harness.verdict": "pass"})
    runs = read(database, "port")
    assert [run.source.rpartition("!")[2] for run in runs] == [
        "port [run early]",
        "port [run late]",
    ]
    assert [bool(run.unfinished) for run in runs] == [True, False]
    assert any("parent (finished)" in note for note in runs[0].notes)
    assert not any("verdict" in note for note in runs[0].notes)
    assert runs[0].sha256 == runs[1].sha256  # copies of one another


def test_names_may_have_slashes_and_runs_may_be_named_by_id_or_pattern(database):
    database.experiment("a/b", 2)
    uid = database.run("x/y", losses(), of=2)
    database.run("x/z", losses(), of=2)
    assert [len(read(database, n)) for n in ("a/b", "a/b/x/y", "a/b/x/*", "2/x/z", uid)] == [
        2, 1, 2, 1, 1]  # fmt: skip
    assert read(database, f"a/b/{uid}")[0].source.endswith(uid)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "has no experiment 'none'; expected EXPERIMENT/RUN.*'port'"),
        ("port/none", "has no run 'none'; its runs: twin, single"),
        ("port/twin", "2 runs have the name 'twin': 0+1, 0+2; name one by its id"),
        ("port/gone", "'gone' is deleted; restore it with `mlflow runs restore --run-id 0+4`"),
        ("old", "'old' is deleted; restore it with `mlflow experiments restore --experiment-id 7`"),
        ("hollow", "has no run; name another"),
        ("port/mute", "1 run without a metric of a training"),
        ("a/b/c", "fits 2 experiments: 'a' .id 3., 'a/b' .id 4."),
        ("f" * 32, "has no experiment 'ffff"),
        ("port/\udc80", "not UTF-8; name the run by its id"),
    ],
)
def test_a_name_that_fits_nothing_or_several_is_refused(database, name, message):
    for name_of_run, more in (("twin", {}), ("twin", {}), ("single", {}),
                              ("gone", {"stage": "deleted"})):  # fmt: skip
        database.run(name_of_run, losses(), **more)
    database.run("mute")
    for number, experiment in ((3, "a"), (4, "a/b"), (5, "hollow")):
        database.experiment(experiment, number)
    database.experiment("old", 7, stage="deleted")
    with pytest.raises(ParseError, match=message) as raised:
        read(database, name)
    assert "\n" not in str(raised.value)


def test_a_training_that_writes_is_read_and_not_held_up(database):
    writer = sqlite3.connect(database.path, timeout=0)
    writer.execute("PRAGMA journal_mode=WAL")
    uid = database.run("a", losses(), status="RUNNING")
    writer.execute("INSERT INTO metrics VALUES ('loss', 2.0, 9, ?, 4, 0)", (uid,))
    writer.commit()  # lies in the write-ahead log
    writer.execute("INSERT INTO metrics VALUES ('loss', 1.0, 9, ?, 5, 0)", (uid,))
    assert read(database, "port/a")[0].series[0].values.tolist() == [*FALLING, 2.0]
    writer.commit()
    assert read(database, "port/a")[0].series[0].values.tolist() == [*FALLING, 2.0, 1.0]


def test_a_locked_database_is_an_error_of_one_line(database, monkeypatch):
    monkeypatch.setattr(mlflow_sqlite, "WAIT_S", 0.1)
    database.run("a", losses())
    database.data.isolation_level = None
    database.data.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ParseError, match=r"locked by another program for 0\.1 s"):
        read(database, "port/a")


def test_the_database_is_not_changed(database):
    database.run("a", losses())
    database.data.close()
    before = database.path.read_bytes()
    read(database, "port/a")
    assert database.path.read_bytes() == before
    assert [path.name for path in database.path.parent.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DROP TABLE params", "is no database of MLflow: it has no table 'params'"),
        ("ALTER TABLE metrics DROP COLUMN is_nan", "too old .*run `mlflow db upgrade`"),
        ("UPDATE metrics SET value = 'x'", "a point of the run 0+1 is not a number"),
        ("UPDATE metrics SET step = NULL", "a point of the run 0+1 is not a number"),
        ("UPDATE metrics SET step = 9e999", "a point of the run 0+1 is not a number"),
        ("UPDATE runs SET start_time = 'x'", "holds something that MLflow does not write"),
    ],
)
def test_a_database_that_is_something_else_is_refused(database, change, message):
    database.run("a", losses())
    database.data.execute(change)
    database.data.commit()
    with pytest.raises(ParseError, match=message):
        read(database, "port/a")


def test_a_damaged_or_absent_file_is_refused(tmp_path):
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    with pytest.raises(ParseError, match="cannot be read by sqlite3"):
        load(f"mlflow:{tmp_path}/a.db!port")
    with pytest.raises(ParseError, match="does not exist; set MLFLOW_TRACKING_URI, or name"):
        load(f"mlflow:{tmp_path}/b.db!port")
    with pytest.raises(ParseError, match="kind 'mysql', which is not read"):
        load("mlflow:mysql://ann:secret@host/db!port")


def test_the_store_is_where_mlflow_looks_for_it(database, monkeypatch):
    database.run("a", losses())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(database.path.parent)
    assert load("mlflow:port/a")
    write_files(database.path.parent / "mlruns", "files", "b")
    assert load("mlflow:files/b")  # a folder in use is kept
    for uri in ("sqlite:///mlflow.db", f"sqlite:///{database.path}", str(database.path)):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert load("mlflow:port/a")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{database.path.parent}/mlruns")
    assert load("mlflow:files/b")


def test_a_manifest_names_a_database_from_its_folder(database, monkeypatch):
    database.run("a", losses())
    manifest = database.path.with_name("ports.toml")
    manifest.write_text('[[port]]\nname = "p"\nbaseline = "mlflow:mlflow.db!port"\n'
                        'candidate = "mlflow:mlflow.db!port/a"\n')  # fmt: skip
    (port,) = read_manifest(manifest).port
    assert load(port.candidate, root=manifest.parent)


def test_runs_of_an_experiment_can_be_recorded_as_a_baseline(database, tmp_path):
    for seed in range(3):
        database.run(f"seed_{seed}", losses([v + seed / 10 for v in FALLING]))
    runs = read(database, "port")
    record(tmp_path / "gpu", runs, origin="a test", description="")
    from harness.storage.baselines import open_recording

    again = load_runs(open_recording(tmp_path / "gpu"))
    assert [run.sha256 for run in again] == [run.sha256 for run in runs]


def write_files(folder, experiment, run, lines=None, status=3):
    """Writes a run as MLflow's store of files does."""
    place = folder / "42" / f"{7:032x}"
    (place / "metrics" / "train").mkdir(parents=True)
    (place / "params").mkdir()
    (folder / "42" / "meta.yaml").write_text(f"experiment_id: '42'\nlifecycle_stage: active\n"
                                             f"name: '{experiment}'\n")  # fmt: skip
    (place / "meta.yaml").write_text(f"run_name: {run}\nstart_time: 5\nstatus: {status}\n"
                                     "lifecycle_stage: active\ntags: []\n")  # fmt: skip
    given = lines or "1 5.0 0\n2 nan 1\n3 -inf 2\n4 5e-324 3\n4 2.5 4 set abc\n"
    (place / "metrics" / "train" / "loss").write_text(given)
    (place / "params" / "lr").write_text("0.1")


def test_a_folder_of_files_is_read(tmp_path):
    write_files(tmp_path, "it''s: #1", "'a: b'")
    (run,) = load(f"mlflow:{tmp_path}!it's: #1/a: b")
    expected = [5.0, np.nan, -np.inf, 5e-324, 2.5]
    assert np.array_equal(run.find("loss", 0)[0].values, expected, equal_nan=True)
    assert run.facts["learning_rate"] == 0.1
    assert not run.unfinished
    assert load(f"mlflow:{tmp_path}!{7:032x}")[0].sha256 == run.sha256


def test_a_line_that_is_being_written_is_not_read_and_a_torn_one_is_refused(tmp_path):
    write_files(tmp_path, "e", "r", "1 5.0 0\n2 4.0 1\n3 3.1", status=1)
    (run,) = load(f"mlflow:{tmp_path}!e/r")
    assert run.find("loss", 0)[0].values.tolist() == [5.0, 4.0]
    assert "still running" in run.unfinished
    next(tmp_path.rglob("loss")).write_text("1 5.0 0\n2\n3 3.0 2\n")
    with pytest.raises(ParseError, match=r"loss:2: '2' is not a point"):
        load(f"mlflow:{tmp_path}!e/r")

"""Trackio's database and SwanLab's files, read without their packages."""

import json
from math import inf, nan

import numpy as np
import pytest
from trackerfiles import (
    column,
    local_swanlab,
    message,
    old_swanlab,
    record_log,
    scalar,
    swanlab,
    trackio,
)

from harness.errors import ParseError
from harness.parse.plain_yaml import read_yaml
from harness.storage.inputs import load, load_sides
from harness.trackers.settings import flat

CURVE = [(step, 1.0 / (step + 3)) for step in range(40)]
ODD = [(0, 1.0), (1, nan), (2, inf), (3, -inf), (4, 0.1 + 0.2)]


def rows(curve, name="train/loss"):
    return [(step, {name: value}) for step, value in curve]


def series(run, name="loss"):
    (one,) = run.find(name, 0)
    return one.steps.tolist(), one.values.tobytes()


def exactly(curve):
    return [step for step, _ in curve], np.array([v for _, v in curve]).tobytes()


def folder_of(path, where):
    """A run's folder in a folder of SwanLab's."""
    return path / "swanlog" / f"run-2026010{where}_030405-a1b2"


# Trackio


@pytest.mark.parametrize("old", [False, True])
def test_trackio_is_read_to_the_last_bit(tmp_path, old):
    trackio(tmp_path / "port.db", [("seed_1", "id1", {}, rows(ODD))], old=old)
    (run,) = load(f"trackio:{tmp_path}/port.db!seed_1")
    assert series(run) == exactly(ODD)
    assert run.source == f"trackio:{tmp_path}/port.db!seed_1"


def test_a_project_gives_its_runs_in_the_order_in_which_they_began(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    names = ["seed_10", "seed_9", "seed_1"]
    trackio(tmp_path / "port.db", [(n, f"id-{n}", {}, rows(CURVE)) for n in names])
    assert [run.source for run in load("trackio:port")] == [f"trackio:port/{n}" for n in names]
    assert series(load("trackio:port/seed_9")[0]) == exactly(CURVE)
    assert series(load("trackio:port/id-seed_9")[0]) == exactly(CURVE)


def test_a_project_and_a_run_may_have_slashes_in_their_names(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    trackio(tmp_path / "myportv2.db", [("lr/high", "id1", {}, rows(CURVE))])
    assert series(load("trackio:my port/v2/lr/high")[0]) == exactly(CURVE)
    assert series(load("trackio:myportv2/lr/high")[0]) == exactly(CURVE)


def test_runs_of_one_name_are_told_apart_by_their_ids(tmp_path):
    trackio(tmp_path / "port.db", [("a", "id1", {}, rows(CURVE)), ("a", "id2", {}, rows(ODD))])
    runs = load(f"trackio:{tmp_path}/port.db!")
    assert [run.source.rpartition("!")[2] for run in runs] == ["id1", "id2"]
    with pytest.raises(ParseError, match=r"2 runs are named 'a'.*by its id: id1, id2"):
        load(f"trackio:{tmp_path}/port.db!a")


def test_a_config_states_facts(tmp_path):
    config = {"lr": 0.1, "batch_size": 4, "optim": {"nesterov": True}, "_Username": "somebody"}
    trackio(tmp_path / "port.db", [("a", "id1", config, rows(CURVE))])
    (run,) = load(f"trackio:{tmp_path}/port.db!a")
    assert run.facts["learning_rate"] == 0.1
    assert run.facts["batch_per_device"] == 4
    assert run.facts["config.args.optim.nesterov"] is True
    assert not any("Username" in name for name in run.facts)


def test_a_step_that_the_training_states_counts_where_trackio_counts_calls(tmp_path):
    data = [(at, {"train/loss": 2.0, "train/global_step": 10 * at}) for at in range(3)]
    data.append((3, {"eval/loss": 2.5}))
    trackio(tmp_path / "port.db", [("a", "id1", {}, data)])
    (run,) = load(f"trackio:{tmp_path}/port.db!a")
    assert series(run)[0] == [0, 10, 20]
    assert series(run, "val.loss")[0] == [20]
    assert "steps are those of train/global_step" in run.notes


def test_a_missing_value_among_numbers_is_nan_and_text_is_no_metric(tmp_path):
    data = [(0, {"loss": 2.0, "host": "a"}), (1, {"loss": None}), (2, {"loss": 1.5, "host": "a"})]
    trackio(tmp_path / "port.db", [("a", "id1", {}, data)])
    (run,) = load(f"trackio:{tmp_path}/port.db!a")
    assert series(run) == exactly([(0, 2.0), (1, nan), (2, 1.5)])
    assert [s.name for s in run.series] == ["loss"]
    assert "loss has 1 value without a number, read as NaN" in run.notes


def test_a_run_of_trackio_without_a_number_is_left_out_and_named(tmp_path):
    runs = [("texts", "id1", {}, [(0, {"host": "a"})]), ("a", "id2", {}, [(0, {"loss": 2.0})])]
    trackio(tmp_path / "port.db", runs)
    (run,) = load(f"trackio:{tmp_path}/port.db!")
    assert any(note.startswith("left out") and "texts" in note for note in run.notes)


def test_a_number_that_trackio_stores_as_text_among_numbers_is_read_and_noted(tmp_path):
    data = [(0, {"loss": 2.0, "tag": "3"}), (1, {"loss": "1.75"}), (2, {"loss": 1.5})]
    trackio(tmp_path / "port.db", [("a", "id1", {}, data)])
    (run,) = load(f"trackio:{tmp_path}/port.db!a")
    assert series(run) == exactly([(0, 2.0), (1, 1.75), (2, 1.5)])
    assert [s.name for s in run.series] == ["loss"]
    assert "loss has 1 value logged as text, read as numbers" in run.notes


def test_records_that_wait_beside_the_database_are_read_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    trackio(tmp_path / "port.db", [("a", "id1", {}, rows(CURVE[:2]))])
    inbox = tmp_path / "inbox" / "w1"
    inbox.mkdir(parents=True)
    records = [
        {"kind": "metric", "project": "port", "run": "a", "run_id": "id1", "step": step,
         "metrics": {"train/loss": value}, "log_id": f"id1-{step}", "timestamp": f"2026-{step:02}"}
        for step, value in CURVE[1:5]
    ]  # fmt: skip
    others = [{**records[0], "project": "other", "log_id": "x"}, {"kind": "alert"}]
    lines = [json.dumps(record) for record in (*others, *records)]
    (inbox / "00000000.jsonl").write_text("\n".join(lines))
    assert series(load("trackio:port/a")[0]) == exactly(CURVE[:5])
    assert series(load("trackio:other/a")[0]) == exactly(CURVE[1:2])


def test_a_database_in_a_folder_that_cannot_be_written_is_read(tmp_path):
    trackio(tmp_path / "port.db", [("a", "id1", {}, rows(CURVE))])
    with (tmp_path / "port.db").open("r+b") as file:  # a write-ahead log, as Trackio asks for it
        file.seek(18)
        file.write(b"\x02\x02")
    before = sorted(tmp_path.iterdir())
    assert series(load(f"trackio:{tmp_path}/port.db!a")[0]) == exactly(CURVE)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nothing", r"no project of that name in .*, which has port; expected trackio:PROJECT/RUN"),
        ("port/b", r"no run 'b' in the project; it has a"),
    ],
)
def test_a_name_of_nothing_says_what_there_is(tmp_path, monkeypatch, where, message):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    trackio(tmp_path / "port.db", [("a", "id1", {}, rows(CURVE))])
    with pytest.raises(ParseError, match=message):
        load(f"trackio:{where}")


def test_another_database_is_refused(tmp_path):
    (tmp_path / "x.db").write_text("loss: 2.0\n" * 9)
    with pytest.raises(ParseError, match=r"no SQLite database"):
        load(f"trackio:{tmp_path}/x.db!a")


# SwanLab


def test_swanlab_is_read_to_the_last_bit(tmp_path):
    swanlab(folder_of(tmp_path, 1), [scalar("train/loss", step, value) for step, value in ODD])
    (run,) = load(f"swanlab:{tmp_path}/swanlog")
    assert series(run) == exactly(ODD)
    assert not run.unfinished


def test_a_run_of_swanlab_without_a_metric_is_left_out_beside_others_and_named(tmp_path):
    swanlab(folder_of(tmp_path, 1), [], state=2)
    swanlab(folder_of(tmp_path, 2), [scalar("loss", step, value) for step, value in CURVE])
    (run,) = load(f"swanlab:{tmp_path}/swanlog")
    assert series(run) == exactly(CURVE)
    (note,) = [note for note in run.notes if note.startswith("left out")]
    assert "run-20260101" in note
    assert "SwanLab says that the run crashed" in note
    with pytest.raises(ParseError, match="the run has no metric of a training"):
        load(f"swanlab:{folder_of(tmp_path, 1)}")


@pytest.mark.parametrize("where", ["", "/run-20260101_030405-a1b2/run-a1b2.swanlab", "!seed_1"])
def test_a_run_of_swanlab_is_named_by_folder_file_or_name(tmp_path, where):
    swanlab(folder_of(tmp_path, 1), [scalar("loss", step, value) for step, value in CURVE],
            config="lr:\n  desc: ''\n  value: 0.1\n")  # fmt: skip
    (run,) = load(f"swanlab:{tmp_path}/swanlog{where}")
    assert series(run) == exactly(CURVE)
    assert run.facts["learning_rate"] == 0.1


def test_records_longer_than_a_block_are_put_together(tmp_path):
    records = [scalar("loss", 0, 2.0), message(f16="x" * 100_000), scalar("loss", 1, 1.5)]
    swanlab(folder_of(tmp_path, 1), records)
    (run,) = load(f"swanlab:{tmp_path}/swanlog")
    assert series(run) == exactly([(0, 2.0), (1, 1.5)])


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, "still running, or was killed"),
        (2, "crashed (RuntimeError: no memory)"),
        (3, "aborted"),
    ],
)
def test_a_run_that_did_not_finish_is_known(tmp_path, state, reason):
    records = [scalar("loss", step, value) for step, value in CURVE]
    error = "Traceback:\n  here\nRuntimeError: no memory\n" if state == 2 else ""
    swanlab(folder_of(tmp_path, 1), records, state=state, error=error)
    (run,) = load(f"swanlab:{tmp_path}/swanlog")
    assert reason in run.unfinished


def test_a_file_that_was_cut_off_keeps_its_whole_records(tmp_path):
    folder = folder_of(tmp_path, 1)
    swanlab(folder, [scalar("loss", step, value) for step, value in CURVE], state=None)
    file = folder / "run-a1b2.swanlab"
    file.write_bytes(file.read_bytes()[:-3])
    (run,) = load(f"swanlab:{folder}")
    assert series(run) == exactly(CURVE[:-1])
    assert any("ends inside a record" in note for note in run.notes)


def test_a_damaged_block_is_left_out_and_told(tmp_path):
    folder = folder_of(tmp_path, 1)
    filling = message(f16="x" * 33_000)
    swanlab(
        folder, [scalar("loss", 0, 2.0), scalar("loss", 1, 1.5), filling, scalar("loss", 2, 1.0)]
    )
    file = folder / "run-a1b2.swanlab"
    data = bytearray(file.read_bytes())
    at = data.index(b"loss", data.index(b"loss") + 1)
    data[at] ^= 1
    file.write_bytes(data)
    (run,) = load(f"swanlab:{folder}")
    assert series(run) == exactly([(0, 2.0), (2, 1.0)])
    assert any("damaged" in note for note in run.notes)


def test_measurements_of_the_system_and_the_axis_are_no_series(tmp_path):
    records = [column("gpu", kind=2), column("loss", axis="seen"), column("seen")]
    for at, seen in enumerate([0, 8, 16]):
        records += [scalar("seen", at, float(seen)), scalar("loss", at, 2.0 - at)]
        records += [scalar("gpu", at, 50.0), scalar("__swanlab__.cpu.pct", at, 9.0)]
    swanlab(folder_of(tmp_path, 1), records)
    (run,) = load(f"swanlab:{tmp_path}/swanlog")
    assert [s.name for s in run.series] == ["loss"]
    assert series(run)[0] == [0, 8, 16]


def test_older_files_are_read_with_their_words_for_nan(tmp_path):
    finite = [(0, 1.0), (1, nan), (2, inf), (3, 0.1 + 0.2)]
    old_swanlab(folder_of(tmp_path, 1), [("train/loss", s, v) for s, v in finite])
    old_swanlab(folder_of(tmp_path, 2), [("loss", s, v) for s, v in finite], success=False)
    first, second = load(f"swanlab:{tmp_path}/swanlog")
    assert series(first) == series(second) == exactly(finite)
    assert [s.name for s in first.series] == ["loss"]
    assert not first.unfinished
    assert "crashed" in second.unfinished


def test_the_local_mode_is_read_by_the_database_of_its_runs(tmp_path):
    long = [(step, 1.0 / (step + 2)) for step in range(2500)]
    points = [("train/loss", s, v) for s, v in long] + [("t", 0, ["text"]), ("odd", 1, nan)]
    local_swanlab(folder_of(tmp_path, 1), "seed_1", points)
    local_swanlab(folder_of(tmp_path, 2), "seed_2", points, status=-1)
    local_swanlab(folder_of(tmp_path, 3), "seed_3", points, status=0)
    runs = load(f"swanlab:{tmp_path}/swanlog")
    assert all(series(run) == exactly(long) for run in runs)
    assert [bool(run.unfinished) for run in runs] == [False, True, True]
    assert series(load(f"swanlab:{tmp_path}/swanlog!seed_2")[0]) == exactly(long)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("none", "no folder or file"),
        ("", r"no run of SwanLab .* expected folders `run-\*`"),
        ("swanlog!c", "no run is named 'c' .* its runs: seed_1"),
    ],
)
def test_a_name_of_no_run_says_what_was_expected(tmp_path, where, message):
    swanlab(folder_of(tmp_path, 1), [scalar("loss", 0, 2.0)])
    with pytest.raises(ParseError, match=message):
        load(f"swanlab:{tmp_path}/{where}")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.swanlab").write_bytes(b"step 1 loss 2.0\n" * 9)
    with pytest.raises(ParseError, match="no file of SwanLab's"):
        load(f"swanlab:{tmp_path}/a.swanlab")


def test_random_bytes_end_in_an_error_and_not_in_another_exception(tmp_path):
    rng = np.random.default_rng(7)
    file = tmp_path / "a.swanlab"
    for _ in range(200):
        records = [rng.bytes(int(rng.integers(1, 60))) for _ in range(5)]
        file.write_bytes(record_log(records) + rng.bytes(int(rng.integers(0, 40))))
        with pytest.raises(ParseError):
            load(f"swanlab:{file}")


# Names, and what both share


def test_a_path_in_a_manifest_starts_from_its_folder(tmp_path):
    swanlab(folder_of(tmp_path, 1), [scalar("loss", step, value) for step, value in CURVE])
    trackio(tmp_path / "port.db", [("a", "id1", {}, rows(CURVE))])
    left, right = load_sides("swanlab:swanlog", "trackio:port.db!a", root=tmp_path)
    assert series(left[0]) == series(right[0]) == exactly(CURVE)


def test_nested_settings_have_dotted_names():
    config = {"a": {"b": [1, 2], "c": [{"d": 3}]}, "e": (1, 2)}
    assert flat(config) == {"a.b": "(1, 2)", "a.c.0.d": 3, "e": "(1, 2)"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1.0e-05\n", 1e-05),
        ("a: 'it''s: x # y'\n", "it's: x # y"),
        ('a: "\\xE9\\u221A\\t"\n', "é√\t"),
        ("a:\n- 1\n- b: 2\n  c: 3\n- - 4\n", [1, {"b": 2, "c": 3}, [4]]),
        ("a: !!python/tuple\n- 1\n- 2\n", [1, 2]),
        ("a: long\n  text\n", "long text"),
        ("a: null\n", None),
        ("a: yes\n", "yes"),
        ("a: 1e5\n", 1e5),
        ("a: .inf\n", inf),
        ("a: &id001\n  b: true\n", {"b": True}),
    ],
)
def test_dumped_yaml_is_read(text, value):
    assert read_yaml(text) == {"a": value}


@pytest.mark.parametrize("text", ["plain text\n", "- 1\n- 2\n", "a: 1\nx\n", "\t\0"])
def test_other_text_is_no_settings(text):
    with pytest.raises(ValueError, match="is no setting"):
        read_yaml(text)

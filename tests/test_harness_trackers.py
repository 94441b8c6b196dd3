"""Runs of experiment trackers: their names, and what their points become."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness import Policy, compare, read_run
from harness.errors import ParseError
from harness.storage.inputs import load
from harness.storage.listing import expand
from harness.storage.places import is_url, parts_of, place_of
from harness.trackers import registry
from harness.trackers.gathering import Metric, Stored, gathered


def metric(*values, steps=None, times=None, **more):
    n = len(values)
    return Metric(
        times=np.array(range(n) if times is None else times, dtype=np.int64),
        steps=np.array(range(n) if steps is None else steps, dtype=np.int64),
        values=np.array(values, dtype=np.float64),
        **more,
    )


def stored(settings=None, facts=None, **metrics):
    return Stored(metrics=metrics, settings=settings or {}, facts=facts or {})


def run_of(record, source="test:a"):
    return gathered(record, source=source, reader="test")


@pytest.fixture
def tracker(monkeypatch):
    """A tracker `test:` of two runs, which keeps what it was asked for."""
    asked = []

    def read(where, *, source):
        asked.append(where)
        return tuple(run_of(stored(loss=metric(3.0, 2.0 - i)), f"{source} [run {i}]")
                     for i in range(2))  # fmt: skip

    monkeypatch.setitem(sys.modules, "trackers_test", SimpleNamespace(read=read))
    monkeypatch.setattr(registry, "TRACKERS", {"test": "trackers_test"})
    return asked


def test_a_tracker_is_named_where_a_log_is(tracker):
    runs = load("test:a/b")
    assert tracker == ["a/b"]
    assert [run.source for run in runs] == ["test:a/b [run 0]", "test:a/b [run 1]"]
    assert all(run.sha256 and run.size_bytes for run in runs)
    assert runs[0].sha256 != runs[1].sha256


def test_a_file_of_that_whole_name_wins(tracker, tmp_path, monkeypatch):
    (tmp_path / "test:a").write_text("step,loss\n" + "".join(f"{i},{9 - i}\n" for i in range(9)))
    assert [len(run.find("loss", 0)[0]) for run in load("test:a", root=tmp_path)] == [9]
    monkeypatch.chdir(tmp_path)
    assert place_of("test:a").kind == "file"
    assert len(load("test:a")) == 1
    assert not tracker


def test_a_path_in_a_name_starts_from_the_folder_of_the_manifest(tracker, tmp_path, monkeypatch):
    assert expand("test:runs/a.db!x/y", root=tmp_path) == [f"test:{tmp_path}/runs/a.db!x/y"]
    assert expand("test:/a.db!x", root=tmp_path) == ["test:/a.db!x"]
    assert expand("test:x/y", root=tmp_path) == ["test:x/y"]
    assert expand("test:http://host!x", root=tmp_path) == ["test:http://host!x"]
    monkeypatch.setattr(registry, "NAMED_BY_PATH", {"test"})
    assert expand("test:runs/a", root=tmp_path) == [f"test:{tmp_path}/runs/a"]


def test_commas_separate_names_of_trackers_as_they_separate_urls(tracker):
    assert parts_of("test:a,b,test:c") == ["test:a,b", "test:c"]
    assert is_url("test:a")
    assert not is_url("other:a")


def test_a_name_of_several_runs_is_refused_where_one_is_expected(tracker):
    with pytest.raises(ParseError, match="holds 2 runs"):
        read_run("test:a")


def test_an_empty_name_is_refused(tracker):
    with pytest.raises(ParseError, match="nothing behind test:"):
        load("test: ")


def test_parameters_become_facts_as_printed_arguments_do():
    facts = run_of(stored(loss=metric(1.0, 2.0), settings={
        "lr": "0.1", "batch_size": 8, "seed": "3", "bf16": "True", "max_steps": "-1",
        "layers": [1, 2], "note": "", "optimizer": "SGD", "none": None})).facts  # fmt: skip
    assert facts["learning_rate"] == 0.1
    assert facts["batch_per_device"] == 8
    assert facts["seed"] == 3
    assert facts["precision"] == "amp-bfloat16"
    assert facts["config.args.layers"] == "[1, 2]"
    assert "planned_steps" not in facts
    assert not {"config.args.note", "config.args.none"} & set(facts)


def test_parameters_of_a_config_of_mmengine_become_its_facts():
    settings = {"optim_wrapper.type": "OptimWrapper", "optim_wrapper.optimizer.lr": 0.01}
    facts = run_of(stored(loss=metric(1.0, 2.0), settings=settings)).facts
    assert (facts["learning_rate"], facts["precision"]) == (0.01, "float32")


def test_a_resumed_run_keeps_the_later_point_of_a_step():
    run = run_of(stored(loss=metric(5.0, 4.0, 3.5, 2.0, steps=[0, 1, 1, 2])))
    (series,) = run.series
    assert (series.steps.tolist(), series.values.tolist()) == ([0, 1, 2], [5.0, 3.5, 2.0])
    assert run.replaced[0].values.tolist() == [4.0]
    assert any("logged twice" in note for note in run.notes)


def test_points_without_steps_are_numbered_and_negative_steps_left_out():
    run = run_of(stored(loss=metric(3.0, 2.0, steps=[0, 0], without_steps=True),
                        other=metric(9.0, 1.0, 2.0, steps=[-1, 0, 1])))  # fmt: skip
    assert run.by_order == ("loss",)
    assert run.find("loss", 0)[0].steps.tolist() == [0, 1]
    assert run.find("other", 0)[0].values.tolist() == [1.0, 2.0]
    assert any("without steps" in note for note in run.notes)
    assert any("negative steps" in note for note in run.notes)


def test_every_bit_is_kept():
    values = [float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 1.7976931348623157e308]
    assert (
        run_of(stored(loss=metric(*values))).series[0].values.tobytes()
        == np.array(values).tobytes()
    )


@pytest.mark.parametrize("folder", ["", "runs"])
def test_a_name_without_a_path_stays(folder):
    assert registry.from_folder("mlflow:port/seed_1", Path(folder)) == "mlflow:port/seed_1"


def test_a_run_that_did_not_finish_does_not_pass_unless_a_part_is_judged():
    falling = 2 + 3 * np.exp(-np.arange(200) / 40)
    losses = [falling + np.random.default_rng(i).normal(0, 0.02, 200) for i in range(6)]
    *whole, finished = [run_of(stored(loss=metric(*v)), f"test:{i}") for i, v in enumerate(losses)]
    record = Stored(metrics={"loss": metric(*losses[-1])}, settings={}, facts={},
                    unfinished="the tracker says that it is still running")  # fmt: skip
    running = run_of(record, "test:port")
    assert compare(whole, finished).verdict == "pass"
    judged = compare(whole, running)
    assert judged.verdict == "inconclusive"
    assert any("still running, so the end of the run" in r for r in judged.judgement.reasons)
    assert compare(whole, running, Policy(steps=(0, 199))).verdict == "pass"
    assert any("still running" in note for note in running.notes)

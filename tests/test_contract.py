"""The log is the only contract: what the model's training writes, the harness reads back."""

import re
from dataclasses import replace

import pytest

pytest.importorskip("mmengine", reason="the model needs the extra [train]")

from tiny_run import options, records, train

from harness import Verdict, compare, read_run
from harness.comparison.judge import Policy
from harness.rules import parse_rule

STEPS = 8


@pytest.fixture(scope="module")
def folder(scenes, tmp_path_factory):
    """The folder of a run of 8 steps with seed 7."""
    work_dir = tmp_path_factory.mktemp("contract") / "run"
    train(work_dir, options(scenes, steps=STEPS), "--seed", "7")
    return work_dir


@pytest.fixture(scope="module")
def run(folder):
    return read_run(folder / "port.log")


def test_every_record_is_read_back_to_the_last_bit(folder, run):
    written = records((folder / "port.log").read_text())
    for name in ("loss", "ips", "total_time"):
        (series,) = run.find(name, 0)
        assert series.steps.tolist() == list(range(STEPS))
        assert series.values.tolist() == [getattr(record, name) for record in written]
    assert run.skipped == ()


def test_every_figure_of_a_same_start_is_read_from_the_log_and_from_the_output(scenes, tmp_path):
    done = train(tmp_path / "run", options(scenes), "--same-start", "--steps", "3")
    (tmp_path / "output.log").write_text(done.stdout)
    pattern = re.compile(r"train\.([\w.]+) : (\S+)")
    lines = [line for line in done.stdout.splitlines() if line.startswith("TCAPPDLL")]
    written = [{name: float(v) for name, v in pattern.findall(line)} for line in lines]
    assert {"grad_norm", "lr", "weight_norm", "buffer_norm", "aux.loss_ce"} < set(written[0])
    for log in ("run/port.log", "output.log"):
        run = read_run(tmp_path / log)
        for name in written[0]:
            (series,) = run.find(name, 0)
            assert series.values.tolist() == [figures[name] for figures in written]
        assert {s.name for s in run.series} == set(written[0])
        assert run.skipped == run.notes == ()
        facts = run.facts
        assert (facts["same_start"], facts["planned_steps"], facts["autocast"]) == (True, 3, "none")
        for name in ("start_weights", "start_images", "start_labels", "start_random"):
            assert len([float(word) for word in str(facts[name]).split()]) == 8


def test_what_is_said_of_the_time_left_between_records_is_no_record(folder, run):
    """As in `python -m model.train ... 2>&1 | tee port.log`."""
    from harness.parse import parse_log

    lines = (folder / "port.log").read_text().splitlines(keepends=True)
    told = "training: 3 of 8 steps done, about 2 min left\n"
    mixed = [line + (told if line.startswith("TCAPPDLL") else "") for line in lines]
    again = parse_log(mixed, source="mixed")
    assert (again.skipped, again.notes) == (run.skipped, run.notes)
    assert [s.values.tolist() for s in again.series] == [s.values.tolist() for s in run.series]


def test_the_head_of_the_log_gives_every_fact_that_decides(run):
    import torch

    from model.environment import project_version

    facts = dict(run.facts.named())
    assert {name: facts[name] for name in facts if name not in {"device_name", "data_root"}} == {
        "world_size": 1,
        "batch_per_device": 4,
        "grad_accumulation": 1,
        "effective_batch": 4,
        "precision": "float32",
        "optimizer": "SGD",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "schedule": "PolyLR(begin=0, by_epoch=False, end=200, eta_min=0.0001, power=0.9)",
        "planned_steps": STEPS,
        "crop_size": "(128, 256)",
        "model": "EncoderDecoder(ResNetV1c-18, CCHead)",
        "dataset": "CityscapesDataset",
        "device_kind": "cpu",
        "device_count": 1,
        "backend": "none",
        "launcher": "none",
        "seed": 7,
        "deterministic": False,
        "num_threads": 1,
        "python": facts["python"],
        "torch": torch.__version__,
        "mmengine": "0.10.7",
        "model_code": project_version(),
    }


def test_mmengines_own_log_of_the_same_run_agrees_on_facts_and_steps(folder, run):
    (text,) = folder.glob("2*/2*.log")
    printed = read_run(text)
    (window,) = printed.find("loss", 0)
    assert window.window == 10
    assert window.steps.tolist() == [1, 3, 5, 7]
    for name in ("learning_rate", "batch_per_device", "seed", "planned_steps", "model"):
        assert printed.facts[name] == run.facts[name]
    (scalars,) = folder.glob("2*/vis_data/scalars.json")
    (same,) = read_run(scalars).find("loss", 0)
    assert same.steps.tolist() == window.steps.tolist()


def test_a_run_is_judged_against_itself_and_another_learning_rate_is_named(folder, run, scenes):
    policy = Policy(rules=(parse_rule("exact"),), min_steps=STEPS)
    copy = replace(run, sha256="0" * 64)  # the same figures in another file, the times included
    assert compare(run, copy, policy).verdict is Verdict.INCONCLUSIVE
    slower = (s if s.name == "loss" else replace(s, values=s.values * 1.01) for s in run.series)
    again = replace(copy, series=tuple(slower))
    assert compare(run, again, policy).verdict is Verdict.PASS
    assert compare(run, run, policy).verdict is Verdict.INCONCLUSIVE  # a copied log
    other = folder.with_name("doubled")
    cfg_options = [*options(scenes, steps=STEPS), "optim_wrapper.optimizer.lr=0.2"]
    train(other, cfg_options, "--seed", "7")
    doubled = read_run(other / "port.log")
    comparison = compare(run, doubled, policy)
    assert comparison.verdict is Verdict.INCOMPARABLE
    assert comparison.judgement.reasons == (
        "learning_rate is 0.1 in the baseline and 0.2 in the candidate",
    )
    waived = Policy(rules=policy.rules, min_steps=STEPS, allow=("learning_rate",))
    assert compare(run, doubled, waived).verdict is Verdict.FAIL

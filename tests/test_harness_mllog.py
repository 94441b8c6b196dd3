"""MLPerf's event log and two-column text: steps, facts, series, and what is refused."""

import gzip
import json
import lzma

import numpy as np
import pytest
from loglines import to_zst

from harness import HarnessError, read_run
from harness.errors import ParseError
from harness.parse import parse_log
from harness.storage.inputs import load

SETTINGS = {
    "submission_benchmark": "llama2_70b_lora",
    "submission_platform": "8xGPU",
    "global_batch_size": 8,
    "opt_base_learning_rate": 0.0005,
    "opt_adamw_weight_decay": 0.0001,
    "opt_learning_rate_training_steps": 800,
    "opt_learning_rate_warmup_factor": 0.0,
    "gradient_accumulation_steps": 2,
    "lora_rank": 16,
    "seed": 4580,
}


def event(key, value, **metadata) -> str:
    return ":::MLLOG " + json.dumps({"key": key, "value": value, "metadata": metadata}) + "\n"


def log(losses, *, batch=8, every=10, settings=SETTINGS, prefix="0: ") -> str:
    lines = [event(k, v) for k, v in {**settings, "global_batch_size": batch}.items()]
    for i, loss in enumerate(losses, 1):
        lines.append(event("train_loss", loss, samples_count=i * every * batch, lr=1e-3 / i))
    lines.append(event("eval_accuracy", 0.93, samples_count=len(losses) * every * batch))
    return "".join(prefix + line for line in lines)


def parse(text):
    return parse_log(text.splitlines(keepends=True), source="x.log")


def test_samples_become_optimizer_steps_counted_from_zero():
    run = parse(log([2.0, 1.5, 1.25]))
    loss = run.find("loss", 0)[0]
    assert loss.steps.tolist() == [9, 19, 29]
    assert loss.values.tolist() == [2.0, 1.5, 1.25]
    assert run.find("samples", 0)[0].values.tolist() == [80.0, 160.0, 240.0]
    assert run.find("val.eval_accuracy", 0)[0].steps.tolist() == [29]


def test_other_batch_sizes_meet_on_steps_and_differ_in_samples():
    eight, nine = parse(log([2.0, 1.5])), parse(log([2.0, 1.5], batch=9))
    assert np.array_equal(eight.find("loss", 0)[0].steps, nine.find("loss", 0)[0].steps)
    assert nine.find("samples", 0)[0].values.tolist() == [90.0, 180.0]


def test_the_step_of_an_event_is_believed_before_its_samples():
    run = parse(event("train_loss", 1.0, step=5, samples_count=800))
    assert run.find("loss", 0)[0].steps.tolist() == [4]


def test_hyperparameters_become_facts_with_their_lines():
    facts = parse(log([2.0])).facts
    assert facts.named() == {
        "grad_accumulation": 2,
        "effective_batch": 8,
        "optimizer": "adamw",
        "learning_rate": 0.0005,
        "weight_decay": 0.0001,
        "schedule": "training_steps=800, warmup_factor=0.0",
        "model": "llama2_70b_lora(lora_rank=16)",
        "device_name": "8xGPU",
        "seed": 4580,
    }
    assert facts.lines["effective_batch"] == 3


def test_a_loss_without_step_or_batch_size_is_skipped_with_the_reason():
    text = event("train_loss", 1.0, samples_count=80) + event("train_loss", 2.0, step=3)
    run = parse(text)
    assert len(run.find("loss", 0)[0]) == 1
    assert "global_batch_size" in run.skipped[0].reason


@pytest.mark.parametrize("broken", ['{"key": "train_loss"', "{}", "[1]", "null"])
def test_a_broken_event_is_skipped_and_not_fatal(broken):
    run = parse(f":::MLLOG {broken}\n" + log([2.0]))
    assert len(run.skipped) == 1


def test_packed_logs_read_like_plain_ones(tmp_path):
    text = log([2.0, 1.5]).encode()
    packed = {
        "a.log": text,
        "a.log.xz": lzma.compress(text),
        "a.log.gz": gzip.compress(text),
        "a.log.zst": to_zst(text),
    }
    for name, data in packed.items():
        (tmp_path / name).write_bytes(data)
        assert read_run(tmp_path / name).find("loss", 0)[0].values.tolist() == [2.0, 1.5], name


def test_two_columns_are_a_curve():
    run = parse("1 8.0\n2\t7.5\n3, 7.25\n")
    loss = run.find("loss", 0)[0]
    assert (loss.steps.tolist(), loss.values.tolist()) == ([1, 2, 3], [8.0, 7.5, 7.25])


def test_a_heading_names_the_second_column():
    assert parse("step grad_norm\n1 8.0\n").series[0].name == "grad_norm"


def test_pairs_that_stray_through_a_log_are_no_curve():
    with pytest.raises(HarnessError, match="no training record"):
        parse("1 8.0\nbuilding\nloading\n2 7.0\n")
    run = parse(log([2.0]) + "1 8.0\n2 7.0\n")
    assert run.formats == ("mllog",)
    assert len(run.find("loss", 0)[0]) == 1


def test_a_last_pair_that_was_cut_off_is_not_trusted():
    run = parse("1 8.0\n2 7.0\n3 6.")
    assert run.find("loss", 0)[0].steps.tolist() == [1, 2]
    assert "ends inside" in run.skipped[0].reason


def test_columns_keep_nan_and_refuse_words():
    assert np.isnan(parse("1 nan\n2 7.0\n").find("loss", 0)[0].values[0])
    with pytest.raises(ParseError):
        parse("1 abc\n2 def\n")


def test_several_logs_are_named_by_commas_globs_and_folders(tmp_path):
    for name in ("a.txt", "b.txt", "c,d.txt"):
        (tmp_path / name).write_text("1 2.0\n2 1.5\n")
    for spec, count in (("a.txt,b.txt", 2), ("a.txt, c,d.txt", 0), ("c,d.txt", 1), ("*.txt", 3)):
        if count:
            assert len(load(spec, root=tmp_path)) == count
        else:
            with pytest.raises(ParseError, match="no such file"):
                load(spec, root=tmp_path)
    assert len(load(str(tmp_path))) == 3


@pytest.mark.shared
def test_every_shared_system_is_read_whole(shared_data):
    root = shared_data / "mlperf" / "llama2_70b_lora"
    systems = [folder for folder in sorted(root.iterdir()) if folder.is_dir()]
    assert len(systems) == 21
    for folder in systems:
        run = read_run(min(folder.glob("*.log.xz")))
        assert run.skipped == ()
        assert len(run.find("loss", 0)[0]) >= 21
        assert {"effective_batch", "learning_rate", "schedule", "seed"} <= set(run.facts)

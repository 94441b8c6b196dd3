"""Runs that are killed and resumed, and the same run twice: the same bits."""

import os
import shutil
import signal
import subprocess
import time

import pytest
import torch
from mmengine.logging import HistoryBuffer
from tiny_run import command, environment, losses, options, records, train

from model.checkpoint import newest_whole, plain, publish, read_checkpoint
from model.errors import CheckpointError
from model.train import main

STEPS = 8
DROPOUT = ["model.decode_head.dropout_ratio=0.5", "model.auxiliary_head.dropout_ratio=0.5"]


def run_options(scenes, **kwargs):
    return [*options(scenes, steps=STEPS, **kwargs), *DROPOUT]


@pytest.fixture(scope="module")
def whole(scenes, tmp_path_factory):
    """A run that nothing interrupts, with validation at step 4 and dropout of one half."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(folder, run_options(scenes))
    return folder


def weights(folder):
    return read_checkpoint(folder / f"iter_{STEPS}.pth")["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def kill_after(step, folder, argv):
    """Start a run and SIGKILL it as soon as its log has the record of a step."""
    process = subprocess.Popen(
        argv, cwd=folder.parent, env=environment(), stdout=subprocess.DEVNULL
    )
    log = folder / "port.log"
    deadline = time.monotonic() + 120
    while f"Iteration: {step} " not in (log.read_text() if log.exists() else ""):
        assert process.poll() is None, "the run ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("step", [3, 5])
def test_a_run_killed_at_any_step_and_resumed_gives_the_same_bits(whole, scenes, tmp_path, step):
    folder = tmp_path / "run"
    argv = command(folder, run_options(scenes), "--device", "cpu")
    kill_after(step, folder, argv)
    done = train(folder, run_options(scenes), "--resume", "auto")
    assert "Auto resumed" not in done.stdout
    assert losses(folder) == losses(whole)
    assert same(weights(folder), weights(whole))
    text = (folder / "port.log").read_text()
    assert text.count("Port environment:") == 2
    resumed = records(text[text.rindex("Port environment:") :])
    assert resumed[0].iteration in (step - step % 2 - 2, step - step % 2, step + 1)


def test_one_seed_gives_one_curve_whatever_the_workers_and_seed_variation_another(
    whole, scenes, tmp_path
):
    train(tmp_path / "again", run_options(scenes, workers=2))
    assert losses(tmp_path / "again") == losses(whole)
    assert same(weights(tmp_path / "again"), weights(whole))
    train(tmp_path / "other", options(scenes, steps=1), "--seed", "1", "--no-validate")
    assert losses(tmp_path / "other")[0, 0] != losses(whole)[0, 0]


def test_a_damaged_newest_checkpoint_is_told_and_the_one_before_is_used(whole, scenes, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    newest = folder / f"iter_{STEPS}.pth"
    newest.write_bytes(newest.read_bytes()[:-1000])
    (folder / "iter_10.pth.tmp").write_bytes(b"half")
    (folder / "port.log").unlink()
    done = train(folder, run_options(scenes), "--resume")
    assert "checkpoint passed over" in done.stderr
    assert not list(folder.glob("*.tmp"))
    assert "iter_8.pth: damaged" in done.stderr
    assert f"{folder / 'iter_6.pth'}" in done.stdout
    assert set(losses(folder)) == {(0, 6), (0, 7)}
    assert losses(folder).items() <= losses(whole).items()
    assert same(weights(folder), weights(whole))


def test_checkpoints_hold_no_code_and_nothing_is_left_half_written(whole):
    assert sorted(p.name for p in whole.glob("*.pth*")) == [f"iter_{i}.pth" for i in (2, 4, 6, 8)]
    checkpoint = torch.load(whole / "iter_8.pth", weights_only=True)
    assert {"meta", "state_dict", "message_hub", "optimizer", "param_schedulers"} <= set(checkpoint)
    assert len(checkpoint["message_hub"]["log_scalars"]["train/loss"]["values"]) == STEPS


@pytest.mark.parametrize("where", [0.2, 0.5, 0.9])
def test_a_flipped_byte_is_found(whole, tmp_path, where):
    data = bytearray((whole / "iter_8.pth").read_bytes())
    data[int(len(data) * where)] ^= 0xFF
    (tmp_path / "iter_8.pth").write_bytes(data)
    shutil.copy(whole / "iter_6.pth", tmp_path)
    found = newest_whole(tmp_path)
    assert found.path == tmp_path / "iter_6.pth"
    assert len(found.damaged) == 1


def test_a_checkpoint_with_code_in_it_is_refused_and_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    torch.save({"state_dict": {}, "meta": Evil()}, tmp_path / "iter_1.pth")
    with pytest.raises(
        CheckpointError, match=r"refused, nothing of it was run.*it names posix\.mkdir"
    ):
        read_checkpoint(tmp_path / "iter_1.pth")
    assert not (tmp_path / "ran").exists()


def test_publishing_replaces_whole_files_only(tmp_path):
    old, new = tmp_path / "iter_1.pth", tmp_path / "iter_1.pth.tmp"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    publish(new, old)
    assert old.read_bytes() == b"new"
    assert not new.exists()


def test_histories_become_lists_and_numbers_plain():
    import numpy as np

    history = HistoryBuffer([1.5, 2.5], [1, 1])
    got = plain({"a": [history, np.float64(2)], "b": (np.arange(2),)})
    assert got == {
        "a": [{"values": [1.5, 2.5], "counts": [1, 1], "max": 1000000}, 2.0],
        "b": ([0, 1],),
    }


def test_resuming_with_seed_variation_or_from_nothing_is_refused(whole, scenes, tmp_path, capfd):
    base = ["--config", "ccnet_r18-d8_demo", "--device", "cpu", "--work-dir", str(tmp_path / "r")]
    data = ["--cfg-options", *options(scenes)]
    assert main([*base, "--resume", str(whole / "iter_4.pth"), "--seed", "9", *data]) == 2
    assert "is of seed 0, not 9; leave --seed out" in capfd.readouterr().err
    assert main([*base, "--resume", str(tmp_path / "none.pth"), *data]) == 2
    assert "no checkpoint here" in capfd.readouterr().err

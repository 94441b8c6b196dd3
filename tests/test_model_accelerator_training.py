"""Training on the simulated accelerator: the bits of the CPU where due, and errors in a line."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from simulated import plugged
from tiny_run import command, environment, losses, options, run, train

from harness import read_run
from model import evaluate
from model.checkpoint import read_checkpoint

STEPS = 4
PLAIN = (
    "model.decode_head.dropout_ratio=0",  # which draws other masks on the device
    "model.auxiliary_head.dropout_ratio=0",
    "train_dataloader.batch_size=1",  # a device sums gradients over the images of a batch at once
)
ROUNDING = "aten::convolution_overrideable:noise:1"
RANKS = ("--launcher", "pytorch", "--nproc-per-node", "2")


def settings(scenes, *more, steps=STEPS):
    return [*options(scenes, steps=steps), "randomness.seed=1", *more]


def on_sdaa(folder, cfg_options, *args, **controls):
    """The run of the training command on the accelerator, finished with whatever status."""
    argv = command(folder, cfg_options, "--device", "sdaa", *args)
    return run(argv, folder.parent, **plugged(**controls))


def trained(folder, cfg_options, *args, **controls):
    done = on_sdaa(folder, cfg_options, *args, **controls)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def weights(folder, step=STEPS):
    return read_checkpoint(folder / f"iter_{step}.pth")["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def plain(scenes, tmp_path_factory):
    """A run on the accelerator without dropout, and all its output."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    return folder, trained(folder, settings(scenes, *PLAIN))


def test_the_log_states_the_device_and_its_memory(plain):
    folder, done = plain
    log = (folder / "port.log").read_text()
    for fact in ("device_kind: sdaa", "device_name: Simulated SDAA", "device_count: 4"):
        assert f"\n    {fact}\n" in log
    assert "runtime: 0.1.simulated\n" in log
    assert "driver:" not in log
    assert re.search(r"peak memory: [1-9]\d* MiB", done.stdout)
    assert "device: sdaa (Simulated SDAA)" in done.stdout
    assert "Warning" not in done.stderr


def test_checkpoints_go_from_one_device_to_the_other_and_the_bits_are_the_same(
    plain, scenes, tmp_path
):
    on_cpu, back = tmp_path / "on_cpu", tmp_path / "back"
    train(on_cpu, settings(scenes, *PLAIN), "--resume", str(plain[0] / "iter_2.pth"))
    trained(
        back,
        settings(scenes, *PLAIN, "train_cfg.val_interval=100", steps=6),
        "--resume",
        str(on_cpu / "iter_4.pth"),
    )
    assert set(losses(on_cpu)) == {(0, 2), (0, 3)}
    assert losses(on_cpu).items() <= losses(plain[0]).items()
    assert same(weights(on_cpu), weights(plain[0]))
    assert set(losses(back)) == {(0, 4), (0, 5)}


def test_evaluation_gives_the_metrics_of_the_cpu(plain, scenes, tmp_path):
    checkpoint = str(plain[0] / f"iter_{STEPS}.pth")
    words = ["ccnet_r18-d8_demo", checkpoint, "--pictures", "1", "--cfg-options", *settings(scenes)]
    words[2:2] = ["--device", "sdaa", "--out", "sdaa"]
    done = run([sys.executable, "-m", "model.evaluate", *words], tmp_path, **plugged())
    assert done.returncode == 0, done.stderr[-3000:]
    words[2:6] = ["--device", "cpu", "--out", str(tmp_path / "cpu")]
    assert evaluate.main(words) == 0
    ours, theirs = (
        json.loads((tmp_path / place / "metrics.json").read_text()) for place in ("sdaa", "cpu")
    )
    assert ours == theirs


def test_two_ranks_killed_and_resumed_give_the_same_bits(scenes, tmp_path):
    """With dropout and float16: the masks and the scaler's state go on, too."""
    chosen = settings(scenes, "train_cfg.val_interval=100", steps=6)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    trained(whole, chosen, "--amp", *RANKS)
    argv = command(cut, chosen, "--device", "sdaa", "--amp", *RANKS)
    process = subprocess.Popen(
        argv, cwd=tmp_path, env=environment(**plugged()), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (cut / "iter_2.pth").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    trained(cut, chosen, "--amp", "--resume", "auto", *RANKS)
    assert losses(cut) == losses(whole)
    assert set(losses(cut)) == {(rank, step) for rank in (0, 1) for step in range(6)}
    ours, theirs = (read_checkpoint(folder / "iter_6.pth") for folder in (cut, whole))
    assert same(ours["state_dict"], theirs["state_dict"])
    assert ours["optimizer"]["loss_scaler"] == theirs["optimizer"]["loss_scaler"]


# --- the same start


@pytest.fixture(scope="module")
def start(scenes, tmp_path_factory):
    """The CPU's ten steps, with the perturbed runs that measure rounding."""
    folder = tmp_path_factory.mktemp("start") / "cpu"
    chosen = [o for o in options(scenes) if not o.startswith("train_cfg.max_iters")]
    train(folder, chosen, "--same-start", "--steps", "10", "--perturb", "4")
    return folder, chosen


@pytest.mark.parametrize(
    ("faults", "status", "headline"),
    [
        (ROUNDING, 0, "pass"),
        (f"{ROUNDING} aten::convolution_backward_overrideable:scale:1.01", 1, "fail"),
    ],
    ids=["rounding", "a wrong kernel"],
)
def test_the_same_start_accepts_other_rounding_and_notices_a_wrong_kernel(
    faults, status, headline, start, tmp_path
):
    on_cpu, chosen = start
    port = tmp_path / "sdaa"
    trained(port, chosen, "--same-start", "--steps", "10", faults=faults)
    done = run([sys.executable, "-m", "harness", "compare", str(on_cpu), str(port)], tmp_path)
    assert done.returncode == status, done.stdout
    assert headline in done.stdout


# --- what goes wrong


def told(done):
    """Returns the error of a command that ended with status 2 and without a traceback."""
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("error: ")]
    return line.removeprefix("error: ")


def test_a_run_goes_on_after_its_device_was_lost(plain, scenes, tmp_path):
    """After 3300 kernels three of four steps are done; the checkpoint is of the second."""
    folder = tmp_path / "run"
    lost = on_sdaa(folder, settings(scenes, *PLAIN), lost_after="3300")
    assert told(lost) == (
        "the device failed (SDAA error: device 0 is lost; it answers no more calls); if it works "
        "again, go on with --resume auto"
    )
    assert set(losses(folder)) == {(0, 0), (0, 1), (0, 2)}
    trained(folder, settings(scenes, *PLAIN), "--resume", "auto")
    assert losses(folder) == losses(plain[0])
    assert same(weights(folder), weights(plain[0]))


@pytest.mark.parametrize(
    ("control", "message"),
    [
        (
            {"failures": "aten::_softmax:nth=3"},
            r"the device failed \(SDAA error: an illegal memory access was encountered .*\); if it "
            r"works again, go on with --resume auto",
        ),
        (
            {"memory": "1048576"},
            r"out of memory \(SDAA out of memory\. Tried to allocate .* MiB is free\.\); lower "
            r"the batch or the crop size",
        ),
        (
            {"missing": "aten::_softmax:raise"},
            r"the device has no aten::_softmax\.out \(The operator 'aten::_softmax\.out' is not "
            r"currently implemented for the SDAA device\.\); update its plugin, or change --device",
        ),
    ],
    ids=["asynchronous", "memory", "missing"],
)
def test_what_fails_on_the_device_is_told_in_one_line(control, message, scenes, tmp_path):
    chosen = settings(scenes, "train_cfg.val_interval=100")
    assert re.fullmatch(message, told(on_sdaa(tmp_path / "run", chosen, **control)))


def test_a_rank_without_a_device_is_refused(scenes, tmp_path):
    done = on_sdaa(tmp_path / "run", settings(scenes), *RANKS, devices="1")
    assert done.returncode == 2
    assert "error: rank 1 of this machine has no sdaa device" in done.stderr


def test_an_operator_that_falls_back_is_named_once_and_changes_no_bit(plain, scenes, tmp_path):
    folder = tmp_path / "run"
    done = trained(folder, settings(scenes, *PLAIN), missing="aten::_softmax:warn")
    assert done.stderr.count("'aten::_softmax.out' is not currently supported on the SDAA") == 1
    log = tmp_path / "output.log"
    log.write_text(done.stdout + done.stderr)
    assert read_run(log).facts["cpu_operators"] == "aten::_softmax.out"
    assert losses(folder) == losses(plain[0])

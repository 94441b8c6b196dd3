"""Checkpoints that mmengine's own runner wrote: weights are read, objects are never rebuilt."""

import argparse
import logging
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from fault_run import forget
from mmengine.config import DictAction
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from tiny_run import losses, options

from model.checkpoint import read_checkpoint
from model.errors import CheckpointError
from model.evaluate import main as evaluate
from model.foreign import NAMES, LeftOut, reading_inertly, remark, without_left_out
from model.options import load_checked
from model.train import main

DEMO = "ccnet_r18-d8_demo"
# one process runs the command many times, and mmengine keeps its visualizer
pytestmark = pytest.mark.filterwarnings("ignore:.*instance named of:UserWarning")


@pytest.fixture(scope="module")
def theirs(scenes, tmp_path_factory):
    """A checkpoint after four steps of mmengine's runner, without any hook of this project."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--options", nargs="+", action=DictAction)
    given = parser.parse_args(["--options", *options(scenes, steps=4)]).options
    cfg = load_checked(DEMO, given)
    cfg.default_scope = "model"
    cfg.work_dir = str(tmp_path_factory.mktemp("theirs"))
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.train_dataloader.persistent_workers = False
    Runner.from_cfg(cfg).train()
    return f"{cfg.work_dir}/iter_4.pth"


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    """mmengine's logger keeps the standard output of the test before.

    It is kept by the run's name, which ends in the second: a run that starts in the same second
    as the one before would write there.
    """
    monkeypatch.setattr(logging, "raiseExceptions", False)
    forget()


def notes(err):
    return [line for line in err.splitlines() if line.startswith("note: ")]


def test_their_checkpoint_holds_what_torch_refuses(theirs):
    with pytest.raises(pickle.UnpicklingError, match="Unsupported"):
        torch.load(theirs, weights_only=True)
    assert set(torch.serialization.get_unsafe_globals_in_checkpoint(theirs)) <= set(NAMES)


def test_weights_and_plain_values_are_read_and_the_rest_is_named(theirs, monkeypatch):
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)  # the command sets it
    want = torch.load(theirs, weights_only=False)
    found = read_checkpoint(Path(theirs))
    text = remark(found, theirs)
    assert text is not None
    what = "message_hub.log_scalars (8 entries), message_hub.runtime_info.eta"
    assert text.startswith(f"{theirs}: left out {what}: objects")
    assert "\n" not in text
    kept = without_left_out(found)
    assert remark(kept, theirs) is None
    for name, tensor in want["state_dict"].items():
        assert torch.equal(kept["state_dict"][name], tensor), name
    assert kept["meta"] == want["meta"]
    assert kept["param_schedulers"] == want["param_schedulers"]
    momentum = want["optimizer"]["state"][0]["momentum_buffer"]
    assert torch.equal(kept["optimizer"]["state"][0]["momentum_buffer"], momentum)
    assert kept["message_hub"]["log_scalars"] == {}
    assert kept["message_hub"]["runtime_info"]["max_iters"] == 4


def test_a_file_of_weights_alone_still_loads(theirs, scenes, tmp_path, capfd):
    weights = tmp_path / "weights.pth"
    torch.save(read_checkpoint(Path(theirs))["state_dict"], weights)
    base = ["--config", DEMO, "--device", "cpu", "--work-dir", str(tmp_path / "w"), "--no-validate"]
    assert main([*base, "--cfg-options", *options(scenes, steps=1), f"load_from={weights}"]) == 0
    assert notes(capfd.readouterr().err) == []


@pytest.mark.parametrize("way", ["load_from", "model.pretrained", "--resume", "evaluate"])
def test_every_command_takes_it_and_says_what_was_left_out_in_one_line(
    way, theirs, scenes, tmp_path, capfd
):
    data = ["--cfg-options", *options(scenes, steps=6)]
    out = tmp_path / "w"
    base = ["--config", DEMO, "--device", "cpu", "--work-dir", str(out), "--no-validate"]
    if way == "evaluate":
        assert evaluate([DEMO, theirs, "--device", "cpu", "--out", str(out), *data]) == 0
    elif way == "--resume":
        assert main([*base, "--resume", theirs, *data]) == 0
        assert set(losses(out)) == {(0, 4), (0, 5)}
    else:
        assert main([*base, *data, f"{way}={theirs}"]) == 0
    output = capfd.readouterr()
    assert "Traceback" not in output.err
    assert "\x1b" not in output.err
    assert "resumed key" not in output.out + output.err
    if way == "model.pretrained":
        assert "left out message_hub.log_scalars" in output.out + output.err
    else:
        (line,) = notes(output.err)
        assert f"note: {theirs}: left out message_hub.log_scalars (8 entries)" in line


def test_our_own_checkpoints_leave_nothing_out(scenes, tmp_path, capfd):
    base = ["--config", DEMO, "--device", "cpu", "--no-validate", "--work-dir"]
    data = ["--cfg-options", *options(scenes, steps=2)]
    assert main([*base, str(tmp_path / "w"), *data]) == 0
    assert remark(read_checkpoint(tmp_path / "w" / "iter_2.pth"), "x") is None
    assert main([*base, str(tmp_path / "v"), *data, f"load_from={tmp_path}/w/iter_2.pth"]) == 0
    assert notes(capfd.readouterr().err) == []


# Hostile files


class Calls:
    """Pickled as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.made = function, arguments

    def __reduce__(self):
        return self.made


def saved(tmp_path, **entries):
    path = tmp_path / "iter_1.pth"
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": {"seed": 0}, **entries}, path)
    return path


def test_calls_of_allowed_names_are_not_made(tmp_path):
    # the second would ask for 8 TB of memory
    path = saved(
        tmp_path,
        got=Calls(getattr, "text", "upper"),
        built=Calls(np._core.multiarray._reconstruct, np.ndarray, (10**12,), b"d"),
        numbers=np.arange(5),
        history=HistoryBuffer([1.0], [1]),
        listed=[1, np.float64(2.0)],
    )
    with reading_inertly():
        found = torch.load(path, weights_only=True)
    for name in ("got", "built", "numbers", "history"):
        assert isinstance(found[name], LeftOut)
        assert found[name].__dict__ == {}
    assert set(without_left_out(found)) == {"state_dict", "meta"}
    assert "got" in remark(found, path)


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("true",), "posix.system"),
        (eval, ("1",), "it names eval"),
        (np.load, ("x",), "numpy.load"),
        (os.getenv, ("HOME",), "os.getenv"),
    ],
)
def test_any_other_name_is_refused_in_one_line(function, arguments, named, tmp_path):
    path = saved(tmp_path, more=Calls(function, *arguments), history=HistoryBuffer([1.0], [1]))
    with pytest.raises(CheckpointError, match=f"refused, nothing of it was run.*{named}"):
        read_checkpoint(path)


def test_objects_in_place_of_weights_are_refused(scenes, tmp_path, capfd):
    path = tmp_path / "iter_1.pth"
    torch.save({"state_dict": {"a": np.arange(3)}, "meta": {"seed": 0}}, path)
    data = ["--cfg-options", *options(scenes)]
    assert evaluate([DEMO, str(path), "--device", "cpu", "--out", str(tmp_path / "o"), *data]) == 2
    assert "holds no weights; expected tensors by name" in capfd.readouterr().err


def test_a_checkpoint_that_contains_itself_is_damaged(tmp_path):
    inner: dict = {}
    inner["again"] = inner
    found = read_checkpoint(saved(tmp_path, more=inner))
    with pytest.raises(CheckpointError, match="nested without an end"):
        remark(found, "x.pth")


def test_names_with_terminal_codes_are_shown_escaped():
    text = remark({"a": {"\x1b[31mred": LeftOut()}}, "x.pth")
    assert text is not None
    assert "\x1b" not in text
    assert r"\x1b[31mred" in text


def test_other_loads_of_the_process_are_not_changed(tmp_path, monkeypatch):
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)
    with reading_inertly():
        pass
    path = saved(tmp_path, history=HistoryBuffer([1.0], [1]))
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    assert isinstance(torch.load(path, weights_only=False)["history"], HistoryBuffer)

"""What users and strangers give the training side: one line, status 2, and nothing is run."""

import logging
import os
import resource
import shutil
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_run import ROOT, command, environment, losses, options, run, train

from model.command import ended, told
from model.data.synthetic import encode_png
from model.errors import CheckpointError, DataError
from model.evaluate import main as evaluate
from model.options import load_checked, parser
from model.train import decide, main

DEMO = "ccnet_r18-d8_demo"
# one process runs the command many times, and mmengine keeps its visualizer
pytestmark = pytest.mark.filterwarnings("ignore:.*instance named of:UserWarning")


@pytest.fixture(scope="module")
def trained(scenes, tmp_path_factory):
    """A run of 4 steps with checkpoints at 2 and 4."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(folder, options(scenes, steps=4), "--no-validate")
    return folder


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch):
    """mmengine's logger keeps the standard output of the test before."""
    monkeypatch.setattr(logging, "raiseExceptions", False)


def is_one_line(err):
    """The only line of an error output; mmengine's own remarks are not errors."""
    lines = [line for line in err.splitlines() if line]
    assert "Traceback" not in err, err
    assert len([line for line in lines if line.startswith("error: ")]) == 1, err
    return lines[-1]


# Checkpoints


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def evil_file(tmp_path):
    path = tmp_path / "iter_4.pth"
    torch.save({"state_dict": {}, "meta": {"seed": 0}, "more": Evil(tmp_path / "ran")}, path)
    return path


@pytest.mark.parametrize("way", ["load_from", "pretrained", "backbone", "resume", "evaluate"])
@pytest.mark.parametrize("kind", ["evil", "junk", "cut", "a list", "numbers"])
def test_a_file_with_more_than_tensors_or_damage_is_refused_and_not_run(
    way, kind, trained, scenes, tmp_path, capfd
):
    path = evil_file(tmp_path)
    if kind == "junk":
        path.write_bytes(b"\x80\x02junk")
    elif kind == "cut":
        path.write_bytes((trained / "iter_4.pth").read_bytes()[:-5000])
    elif kind == "a list":
        torch.save([torch.ones(1)], path)
    elif kind == "numbers":
        torch.save({"state_dict": {"a": 1}, "meta": {"seed": 0}}, path)
    base = ["--config", DEMO, "--device", "cpu", "--work-dir", str(tmp_path / "w")]
    data = ["--cfg-options", *options(scenes, steps=1)]
    if way == "evaluate":
        where = ["--device", "cpu", "--out", str(tmp_path / "out")]
        status = evaluate([DEMO, str(path), *where, *data])
    elif way == "resume":
        status = main([*base, "--resume", str(path), *data])
    else:
        key = {"load_from": "load_from", "backbone": "model.backbone.pretrained"}.get(way)
        status = main([*base, *data, f"{key or 'model.pretrained'}={path}"])
    line = is_one_line(capfd.readouterr().err)
    assert status == 2
    assert str(path) in line
    if kind == "evil":
        assert "refused, nothing of it was run" in line
        assert "posix.mkdir" in line
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_the_text_of_a_config_in_a_checkpoint_is_never_run(trained, scenes, tmp_path):
    """mmengine reads an entry `config` of the meta data by running it."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    checkpoint = torch.load(folder / "iter_4.pth", weights_only=True)
    checkpoint["meta"]["config"] = f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n"
    torch.save(checkpoint, folder / "iter_4.pth")
    train(folder, options(scenes, steps=5), "--no-validate", "--resume", "auto")
    assert not (tmp_path / "ran").exists()
    assert set(losses(folder)) == {(0, step) for step in range(5)}


def test_a_checkpoint_of_another_network_is_one_line(trained, scenes, tmp_path, capfd):
    path = str(trained / "iter_4.pth")
    wider = [*options(scenes, steps=6), "model.decode_head.channels=24"]
    where = ["--device", "cpu", "--out", str(tmp_path / "out")]
    assert evaluate([DEMO, path, *where, "--cfg-options", *wider]) == 2
    line = is_one_line(capfd.readouterr().err)
    assert "other shapes than this network: size mismatch for decode_head." in line
    assert " more" in line
    base = ["--config", DEMO, "--device", "cpu", "--work-dir", str(tmp_path / "w")]
    assert main([*base, "--resume", path, "--cfg-options", *wider]) == 2
    assert "is of another network: size mismatch" in is_one_line(capfd.readouterr().err)


def test_resuming_in_another_precision_is_refused(trained, scenes, tmp_path, capfd):
    mixed = tmp_path / "mixed"
    train(mixed, options(scenes, steps=2), "--no-validate", "--amp")
    base = ["--config", DEMO, "--device", "cpu", "--work-dir"]
    data = ["--cfg-options", *options(scenes, steps=4)]
    assert main([*base, str(mixed), "--resume", "auto", *data]) == 2
    line = is_one_line(capfd.readouterr().err)
    assert "in mixed precision, and this one would go on in float32; expected --amp" in line
    assert main([*base, str(trained), "--resume", "--amp", *data]) == 2
    assert "float32, and this one would go on in mixed" in is_one_line(capfd.readouterr().err)
    train(mixed, options(scenes, steps=4), "--no-validate", "--amp", "--resume", "auto")
    assert set(losses(mixed)) == {(0, step) for step in range(4)}


def test_resuming_takes_no_run_of_a_config_whose_name_begins_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("foo_20260101_000000", "foo_wide_20260301_000000", "foo_eval_20260401_000000"):
        (tmp_path / "logs" / name).mkdir(parents=True)
        torch.save({"state_dict": {}, "meta": {"seed": 5}}, tmp_path / "logs" / name / "iter_3.pth")
    cfg = Config({"optim_wrapper": {"type": "OptimWrapper"}})
    start = decide(parser().parse_args(["--config", "foo.py", "--resume"]), cfg)
    assert start.work_dir == tmp_path / "logs" / "foo_20260101_000000"
    alone = decide(parser().parse_args(["--config", "fo.py", "--resume", "--seed", "1"]), cfg)
    assert alone.resume_from is None


# A full disk


def limited(size):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize(("room", "told_of"), [(200_000, "iter_6.pth"), (9000, "port.log")])
def test_no_room_for_a_checkpoint_or_log_is_one_line_and_leaves_the_older_whole(
    room, told_of, trained, scenes, tmp_path
):
    """The kernel refuses what makes a file larger than `room`, as a full disk does."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    before = (folder / "iter_4.pth").read_bytes()
    assert len(before) > 200_000
    if told_of == "port.log":
        (folder / "port.log").write_bytes(b"x" * 8900 + b"\n")
    argv = command(folder, options(scenes, steps=8), "--device", "cpu", "--no-validate")
    done = subprocess.run(
        [*argv[:3], "--resume", *argv[3:]], cwd=tmp_path, env=environment(), capture_output=True,
        text=True, check=False, preexec_fn=limited(room),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    line = is_one_line(done.stderr)
    assert told_of in line
    assert "cannot be written (File too large)" in line
    assert "--resume auto" in line
    assert (folder / "iter_4.pth").read_bytes() == before
    assert not list(folder.glob("*.tmp"))


# Images


def spoilt(scenes, tmp_path, change, *, which="leftImg8bit"):
    """A copy of the scenes with one training file changed, and that file."""
    shutil.copytree(scenes, tmp_path / "data")
    path = sorted((tmp_path / "data" / which / "train").rglob("*.png"))[0]
    path.write_bytes(change)
    return tmp_path / "data", path


def huge():
    """A PNG whose head promises 10^10 pixels."""
    png = bytearray(encode_png(np.zeros((1, 1, 3), np.uint8)))
    png[16:24] = struct.pack(">II", 100_000, 100_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    return bytes(png)


DEEP = cv2.imencode(".png", np.full((32, 64), 300, np.uint16))[1].tobytes()
CHANGES = [
    ("leftImg8bit", encode_png(np.zeros((32, 60, 3), np.uint8)), "is 60x32 pixels and its labels"),
    ("leftImg8bit", encode_png(np.zeros((64, 32, 3), np.uint8)), "are 64x32; expected one size"),
    ("gtFine", encode_png(np.zeros((16, 64), np.uint8)), "are 64x16; expected one size"),
    ("gtFine", encode_png(np.zeros((32, 64, 3), np.uint8)), "expected one channel"),
    ("gtFine", DEEP, "labels are uint16; expected uint8"),
    ("leftImg8bit", huge(), "cannot be decoded"),
    ("leftImg8bit", b"", "0 bytes that are not an image"),
]


@pytest.mark.parametrize(("which", "change", "message"), CHANGES)
def test_an_odd_image_or_label_is_one_line_with_its_file(
    which, change, message, scenes, tmp_path, capfd
):
    data, path = spoilt(scenes, tmp_path, change, which=which)
    base = ["--config", DEMO, "--device", "cpu", "--work-dir", str(tmp_path / "w")]
    assert main([*base, "--no-validate", "--cfg-options", *options(data, steps=4)]) == 2
    line = is_one_line(capfd.readouterr().err)
    assert message in line
    assert str(path) in line


def test_train_ids_that_no_class_has_are_named(tmp_path):
    from model.data.loading import LoadAnnotations

    labels = np.zeros((4, 4), np.uint8)
    labels[0, :3] = (33, 18, 255)
    (tmp_path / "a.png").write_bytes(encode_png(labels))
    with pytest.raises(
        DataError, match=r"1 of 16 pixels is no class .*33 \(1 pixel\); expected 0 to 18"
    ):
        LoadAnnotations()({"seg_map_path": str(tmp_path / "a.png"), "num_classes": 19})


def test_a_pipe_among_the_images_is_not_waited_for(tmp_path):
    from model.data.loading import read_image

    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DataError, match="is no file"):
        read_image(str(tmp_path / "a.png"))


# Options and commands


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("optim_wrapper.optimizr.lr=0.2", "did you mean optim_wrapper.optimizer.lr?"),
        ("optim_wrapper.optimizer.momentun=0.2", "did you mean optim_wrapper.optimizer.momentum?"),
        ("model.decode_haed.channels=8", "did you mean model.decode_head.channels?"),
    ],
)
def test_a_misspelt_key_is_answered_with_the_right_one(option, message, capfd):
    assert main(["--config", DEMO, "--cfg-options", option]) == 2
    assert message in is_one_line(capfd.readouterr().err)


def test_the_blanks_of_a_path_after_cfg_options_stay():
    given = ["--config", "x", "--cfg-options", "a=/my data/x", "b=(1, 2)", "c= 3", "d='my data'"]
    found = parser().parse_args(given).cfg_options
    assert found == {"a": "/my data/x", "b": (1, 2), "c": 3, "d": "my data"}


def test_a_dict_after_cfg_options_is_bad_usage(capfd):
    option = "model.decode_head.sampler=dict(type='OHEMPixelSampler', thresh=0.7)"
    with pytest.raises(SystemExit) as ended:
        main(["--config", DEMO, "--cfg-options", option])
    assert ended.value.code == 2
    assert "set the keys of a dict one by one" in capfd.readouterr().err


def test_a_file_that_is_no_checkpoint_is_said_to_be_none(scenes, tmp_path, capfd):
    (tmp_path / "junk.pth").write_text("junk\n")
    given = [*options(scenes, steps=1), f"load_from={tmp_path / 'junk.pth'}"]
    assert main(["--config", DEMO, "--cfg-options", *given]) == 2
    assert "not a checkpoint of torch" in is_one_line(capfd.readouterr().err)


@pytest.mark.parametrize(
    "option",
    [
        "model.decode_head.dropout_ratio=0.5",
        "env_cfg.dist_cfg.timeout=30",
        "auto_scale_lr.base_batch_size=8",
        "optim_wrapper.optimizer.nesterov=True",
        "optim_wrapper.accumulative_counts=2",
        "train_dataloader.persistent_workers=False",
        "param_scheduler.0.power=0.5",
    ],
)
def test_a_key_that_has_a_default_may_be_new(option):
    key, _, value = option.partition("=")
    assert load_checked(DEMO, {key: value})


@pytest.mark.parametrize(
    "option",
    [
        "optim_wrapper.optimizer.colour=1",
        "optim_wrapper.optimizer.type=SGDD",
        "optim_wrapper.foo=1",
        "model.decode_head.foo=1",
        "model.type=Nothing",
        "train_dataloader.batchsize=2",
        "train_dataloader.dataset.foo=1",
        "train_cfg.foo=3",
        "param_scheduler.0.foo=3",
        "default_hooks.logger.foo=3",
    ],
)
def test_what_the_config_cannot_build_is_one_line(option, scenes, tmp_path, capfd):
    base = ["--config", DEMO, "--device", "cpu", "--work-dir", str(tmp_path / "w")]
    given = ["--no-validate", "--cfg-options", *options(scenes, steps=1), option]
    assert main([*base, *given]) == 2
    assert option.partition("=")[0].partition(".")[0].split("_")[-1] in is_one_line(
        capfd.readouterr().err
    )


@pytest.mark.parametrize(
    ("module", "argv"),
    [
        ("model.train", ["--config", DEMO, "--seed", "-1"]),
        ("model.train", ["--config", DEMO, "--nproc-per-node", "0"]),
        ("model.complexity", ["--sizes", "0x4"]),
        ("model.complexity", ["--rounds", "0"]),
        ("model.data.synthetic", ["x", "--train", "-3"]),
        ("model.data.synthetic", ["x", "--seed", "-3"]),
    ],
)
def test_a_number_out_of_range_is_bad_usage(module, argv, tmp_path):
    done = run([sys.executable, "-m", module, *argv], tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("module", ["model.data.synthetic", "model.train"])
def test_a_folder_that_cannot_be_made_is_one_line(module, scenes, tmp_path):
    (tmp_path / "file").write_text("")
    where = str(tmp_path / "file" / "x")
    argv = [where, "--train", "1"]
    if module == "model.train":
        argv = ["--config", DEMO, "--work-dir", where, "--device", "cpu"]
        argv += ["--cfg-options", *options(scenes, steps=1)]
    done = run([sys.executable, "-m", module, *argv], tmp_path)
    assert done.returncode == 2
    assert "Not a directory" in is_one_line(done.stderr)


ENTRIES = ["model.train", "model.evaluate", "model.faults", "model.complexity"]
ENTRIES += ["model.data.synthetic"]


@pytest.mark.parametrize("module", ENTRIES)
@pytest.mark.parametrize("absent", ["mmengine", "torch"])
def test_without_the_extra_a_command_names_it_in_one_line(module, absent, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "def find_spec(name, path=None, target=None):\n"
        f"    return None if name.split('.')[0] == {absent!r} else find(name, path, target)\n"
        "PathFinder.find_spec = find_spec\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = run([sys.executable, "-m", module, "--help"], tmp_path, PYTHONPATH=path)
    assert done.returncode == 2
    assert done.stdout == ""
    line = is_one_line(done.stderr)
    assert line.startswith(f"error: {absent} cannot be imported; expected the extra [train]")


@pytest.mark.parametrize("module", ENTRIES)
def test_every_option_has_a_help_text(module, tmp_path):
    done = run([sys.executable, "-m", module, "--help"], tmp_path, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    listed = done.stdout.partition("options:")[2].splitlines()
    named = [line for line in listed if line.startswith("  -")]
    assert named
    for line, after in zip(listed, [*listed[1:], ""], strict=True):
        if line.startswith("  -"):
            text = line[24:].strip() if len(line) > 24 and line[22:24] == "  " else after.strip()
            assert (text and not after.startswith("  -")) or line[24:].strip(), line


def test_a_reader_that_goes_away_ends_a_list_without_a_traceback(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "model.faults"], cwd=tmp_path, env=environment(), stdout=writer,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_reader_of_a_training_that_goes_away_is_told_where_the_records_are(scenes, tmp_path):
    argv = command(tmp_path / "run", options(scenes, steps=6), "--device", "cpu")
    process = subprocess.Popen(
        argv, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    while "Iteration: 1 " not in process.stdout.readline():
        assert process.poll() is None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 2
    assert "port.log" in is_one_line(err)


def test_an_interruption_is_one_word_and_a_defect_keeps_its_traceback(capsys):
    def interrupted():
        raise KeyboardInterrupt

    def defect():
        raise RuntimeError("something of ours")

    assert ended(interrupted) == 130
    assert capsys.readouterr().err == "interrupted\n"
    with pytest.raises(RuntimeError, match="of ours"):
        ended(defect)


@pytest.mark.parametrize(
    ("error", "beginning"),
    [
        (
            RuntimeError("CUDA error: unspecified launch failure\nCompile with ..."),
            "the device failed (CUDA error: unspecified launch failure Compile with ...); if it",
        ),
        (
            type("AcceleratorError", (RuntimeError,), {})("no answer"),
            "the device failed (no answer",
        ),
        (
            NotImplementedError("The operator 'aten::nms' is not currently implemented for the X."),
            "the device has no aten::nms (The operator",
        ),
        (
            NotImplementedError(
                "Could not run 'aten::_nms.out' with arguments from the 'X' backend"
            ),
            "the device has no aten::_nms.out (Could not",
        ),
    ],
)
def test_what_a_device_lacks_or_reports_is_told(error, beginning):
    assert told(error).startswith(beginning)


@pytest.mark.parametrize(
    "error", [RuntimeError("shape error: 3"), NotImplementedError("forward"), RuntimeError("x")]
)
def test_a_defect_of_this_project_keeps_its_traceback(error):
    assert told(error) is None


def test_what_the_machine_lacks_is_told():
    killed = "DataLoader worker (pid 7) is killed by signal: Bus error."
    assert "num_workers=0" in told(RuntimeError(killed))
    memory = "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
    assert "lower the batch" in told(RuntimeError(memory))
    assert told(CheckpointError("a\n b")) == "a b"
    assert told(DataError("a\x1b[2J\u202eb\x00.png")) == "a\\x1b[2J\\u202eb\\x00.png"
    assert told(OSError(28, "No space left on device", "x.log")) == (
        "x.log: No space left on device"
    )

"""The training command's options and what it says when something is wrong."""

import sys

import pytest
import torch
from mmengine.config import Config
from tiny_run import NARROW, losses, options, run, train

from model import load_config
from model.command import one_line
from model.devices import TABLE
from model.errors import ConfigError
from model.options import configured, parser
from model.train import decide, main

DEMO = "ccnet_r18-d8_demo"
CPU = next(device for device in TABLE if device.kind == "cpu")
CUDA = next(device for device in TABLE if device.kind == "cuda")


def build(*argv, device=CPU, config=DEMO):
    return configured(parser().parse_args(["--config", config, *argv]), device)


def test_every_option_of_the_published_command_is_there():
    text = parser().format_help()
    wanted = """
        --config --cfg-options --work-dir --resume --amp --no-validate --auto-scale-lr
        --no-pin-memory --no-persistent-workers --launcher --nnodes --nproc-per-node --master-addr
        --master-port --node-rank --local_rank --local-rank --device --seed
    """
    for option in wanted.split():
        assert f"{option} " in text or f"{option}," in text or f"{option}\n" in text, option
    assert parser().parse_args(["--config", "x", "--resume"]).resume == "auto"


def test_options_work_on_the_config():
    assert build().optim_wrapper.type == "OptimWrapper"
    assert build("--amp").optim_wrapper.type == "AmpOptimWrapper"
    assert build("--no-validate").val_cfg is None
    assert (
        build("--cfg-options", "optim_wrapper.optimizer.lr=0.3").optim_wrapper.optimizer.lr == 0.3
    )


def test_the_rate_scales_with_the_whole_batch_over_the_configs_base_or_the_one_given():
    def base(*argv, config=DEMO):
        return build("--auto-scale-lr", *argv, config=config).auto_scale_lr

    assert build().auto_scale_lr == {"enable": False, "base_batch_size": 4}
    assert base() == {"enable": True, "base_batch_size": 4}
    published = "ccnet_r50-d8_4xb2-40k_cityscapes-512x1024"
    assert base(config=published) == {"enable": True, "base_batch_size": 8}
    given = "auto_scale_lr.base_batch_size=16"
    assert base("--cfg-options", given) == {"enable": True, "base_batch_size": 16}
    with pytest.raises(ConfigError, match=r"auto_scale_lr\.base_batch_size=8"):
        base("--cfg-options", "auto_scale_lr=None")
    with pytest.raises(ConfigError, match="base_batch_size is 0; expected the whole number"):
        base("--cfg-options", "auto_scale_lr.base_batch_size=0")


def test_a_scaled_run_trains_with_the_scaled_rate(scenes, tmp_path):
    more = ["auto_scale_lr.base_batch_size=8", "train_dataloader.batch_size=2"]
    done = train(tmp_path / "run", options(scenes, steps=1) + more, "--auto-scale-lr")
    assert "Scaling the original LR by 0.25" in done.stdout + done.stderr
    state = torch.load(tmp_path / "run" / "iter_1.pth", weights_only=True)["optimizer"]
    assert state["param_groups"][0]["initial_lr"] == pytest.approx(0.025)


def test_the_config_may_be_positional(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for argv in ([DEMO], ["--config", DEMO]):
        assert main([*argv, "--device", "cpu"]) == 2
        assert "found no folder data/synthetic" in capfd.readouterr().err
    assert main([DEMO, "--config", "other"]) == 2
    err = capfd.readouterr().err
    assert err == f"error: found two configs, --config other and {DEMO}; expected one of them\n"
    assert main(["--device", "cpu"]) == 2
    err = capfd.readouterr().err
    assert err.startswith("error: no config; expected python -m model.train CONFIG")
    assert err.count("\n") == 1


def test_a_positional_config_trains_and_names_the_folder(scenes, tmp_path):
    argv = [sys.executable, "-m", "model.train", DEMO, "--device", "cpu", "--no-validate"]
    done = run([*argv, "--cfg-options", *options(scenes, steps=1)], cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (tmp_path / "logs").iterdir()
    assert folder.name.startswith(f"{DEMO}_")


def test_a_checkpoint_in_the_middle_of_a_summed_gradient_is_refused():
    summed = "optim_wrapper.accumulative_counts=4"
    assert build("--cfg-options", summed)
    with pytest.raises(ConfigError, match="every 6 iterations with gradients summed over 4"):
        build("--cfg-options", summed, "default_hooks.checkpoint.interval=6")


def test_memory_is_pinned_where_it_helps_and_workers_stay_unless_refused():
    assert build(device=CUDA).train_dataloader.pin_memory
    assert not build("--no-pin-memory", device=CUDA).train_dataloader.pin_memory
    assert not build().train_dataloader.pin_memory
    assert build().train_dataloader.persistent_workers
    assert not build("--no-persistent-workers").train_dataloader.persistent_workers
    none = build("--cfg-options", "train_dataloader.num_workers=0")
    assert not none.train_dataloader.persistent_workers


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--config", "no_such"], "no config 'no_such'; expected a file or one of: ccnet3d"),
        (["--config", "{tmp}/bad.py"], "bad.py cannot be read: "),
        (["--config", DEMO, "--device", "tpu"], "unknown device 'tpu'; expected one of"),
        (["--config", DEMO, "--device", "npu"], "device 'npu' is not present: found cpu"),
        (["--config", DEMO, "--cfg-options", "train_dataloder.x=1"], "has no 'train_dataloder'"),
        (["--config", DEMO, "--nproc-per-node", "2"], "expected --launcher pytorch"),
        (["--config", DEMO], "found no folder data/synthetic/leftImg8bit/train; expected"),
        (["--config", DEMO, "--launcher", "pytorch"], "found no folder data/synthetic"),
    ],
)
def test_a_users_error_is_one_line_and_status_2(argv, message, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text("model = dict(\n")
    assert main([arg.format(tmp=tmp_path) for arg in argv]) == 2
    err = capfd.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in err
    assert err.count("\n") == 1
    assert not (tmp_path / "logs").exists()


def test_weights_that_cannot_be_had_are_a_users_error(scenes, tmp_path, capfd):
    argv = ["--config", DEMO, "--device", "cpu", "--work-dir", str(tmp_path / "w")]
    weights = f"model.backbone.pretrained={tmp_path}/none.pth"
    assert main([*argv, "--cfg-options", *options(scenes), weights]) == 2
    err = capfd.readouterr().err
    assert "cannot read the pretrained weights" in err
    assert "Traceback" not in err


def test_a_damaged_image_met_in_a_worker_is_one_line(scenes, tmp_path):
    import shutil
    import subprocess

    from tiny_run import command, environment

    shutil.copytree(scenes, tmp_path / "data")
    for path in (tmp_path / "data/leftImg8bit/train").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:1000])
    argv = command(tmp_path / "run", options(tmp_path / "data", workers=1), "--device", "cpu")
    done = subprocess.run(
        argv, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "_leftImg8bit.png: the file is cut short at 1000 bytes" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_message_from_a_worker_is_cut_to_its_last_line():
    sent = "Caught DataError in DataLoader worker process 0.\nOriginal Traceback:\nmodel.E: a: b"
    assert one_line(ValueError(sent)) == "a: b"
    assert one_line(ValueError("plain: text")) == "plain: text"


def test_the_log_folder_is_named_after_config_and_time_and_the_best_device_is_said(
    scenes, tmp_path, monkeypatch
):
    folder = tmp_path / "x"
    folder.mkdir()
    from tiny_run import command, run

    done = run(command(None, options(scenes, steps=1), "--no-validate"), folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("device: ")
    (logs,) = (folder / "logs").iterdir()
    assert logs.name.startswith(f"{DEMO}_20")
    assert len(losses(logs)) == 1


def test_gradient_accumulation_and_amp_train_and_are_logged(scenes, tmp_path):
    accumulate = "optim_wrapper.accumulative_counts=2"
    train(tmp_path / "run", [*options(scenes, steps=2), accumulate], "--amp", "--no-validate")
    head = (tmp_path / "run/port.log").read_text()
    assert "\n    grad_accumulation: 2\n" in head
    assert "\n    precision: amp-bfloat16\n" in head


def test_the_demo_config_is_the_one_narrowed_here():
    cfg = load_config(DEMO)
    assert isinstance(cfg, Config)
    for option in NARROW:
        node = cfg
        for part in option.partition("=")[0].split("."):
            node = node[part]
    assert torch.is_tensor(torch.zeros(1))


def test_resuming_without_a_folder_takes_the_newest_run_of_the_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("demo_20260101_000000", "demo_20260301_000000", "other_20260401_000000"):
        (tmp_path / "logs" / name).mkdir(parents=True)
        torch.save({"state_dict": {}, "meta": {"seed": 5}}, tmp_path / "logs" / name / "iter_3.pth")
    (tmp_path / "logs" / "demo_20260501_000000").mkdir()  # killed before its first checkpoint
    args = parser().parse_args(["--config", "demo.py", "--resume"])
    start = decide(args, Config({}))
    assert start.resume_from is not None
    assert start.work_dir == tmp_path / "logs" / "demo_20260301_000000"
    assert start.seed == 5
    fresh = decide(parser().parse_args(["--config", "demo.py", "--seed", "7"]), Config({}))
    assert (fresh.resume_from, fresh.seed) == (None, 7)
    drawn = {decide(parser().parse_args(["--config", "d.py"]), Config({})).seed for _ in range(3)}
    assert len(drawn) == 3

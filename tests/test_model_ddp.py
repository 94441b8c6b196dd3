"""Several processes: the published command, synchronised statistics, and ranks that fail."""

import re
import shlex
import subprocess
import sys

import pytest
import torch
from simulated import plugged
from tiny_run import ROOT, command, environment, losses, options, records, run, train

from model import launch
from model.checkpoint import read_checkpoint
from model.errors import ConfigError
from model.options import parser

# As published, but for the folder and the script's name; what follows the data's place makes the
# run small enough for two CPU cores.
PUBLISHED = """
{python} -m model.train --config {root}/model/configs/ccnet/{config}.py \
    --launcher pytorch --nproc-per-node {ranks} --amp \
    --cfg-options "train_dataloader.dataset.data_root=$data_path" \
    "val_dataloader.dataset.data_root=$data_path" {smaller} 2>&1 | tee sdaa.log
"""
CONFIG = "ccnet_r50-d8_4xb2-40k_cityscapes-512x1024"
SMALLER = (
    "model.pretrained=None",
    "model.backbone.depth=18",
    "model.backbone.stem_channels=8",
    "model.backbone.base_channels=8",
    "model.decode_head.in_channels=64",
    "model.decode_head.channels=16",
    "model.auxiliary_head.in_channels=32",
    "model.auxiliary_head.channels=8",
    "model.data_preprocessor.size=(32,32)",
    "train_dataloader.dataset.pipeline.2.scale=(64,32)",
    "train_dataloader.dataset.pipeline.3.crop_size=(32,32)",
    "train_cfg.max_iters=3",
    "train_cfg.val_interval=3",
    "train_dataloader.num_workers=0",
    "val_dataloader.num_workers=0",
    "val_dataloader.dataset.pipeline.1.scale=(64,32)",
    "randomness.seed=1",
)


@pytest.mark.parametrize(
    ("ranks", "backend", "dtype"), [(2, "gloo", "bfloat16"), (4, "tccl", "float16")]
)
def test_the_published_command_runs_as_written(ranks, backend, dtype, scenes, tmp_path):
    """On the CPU, and on the simulated accelerator with its four devices."""
    variables = plugged() if backend == "tccl" else {}
    text = PUBLISHED.format(
        python=shlex.quote(sys.executable), root=ROOT, config=CONFIG, smaller=" ".join(SMALLER),
        ranks=ranks,
    )  # fmt: skip
    text = re.sub(r"=\(([^)]*)\)", r'"=(\1)"', text)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", text],
        cwd=tmp_path, env=environment(data_path=str(scenes), **variables),
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    log = (tmp_path / "sdaa.log").read_text()
    (folder,) = (tmp_path / "logs").iterdir()
    assert re.fullmatch(rf"{CONFIG}_\d{{8}}_\d{{6}}", folder.name)
    want = {(rank, step) for rank in range(ranks) for step in range(3)}
    assert {(r.rank, r.iteration) for r in records(log)} == want
    assert sorted(records(log), key=repr) == sorted(
        records((folder / "port.log").read_text()), key=repr
    )
    facts = (f"backend: {backend}", f"world_size: {ranks}", "launcher: pytorch")
    for fact in (*facts, f"precision: amp-{dtype}"):
        assert log.count(f"\n    {fact}\n") == 1
    assert log.count("- Config:\n") == 1
    assert log.index("Port environment:") < log.index("- Config:") < log.index("TCAPPDLL")
    assert "mIoU" in log
    assert "Warning" not in log


@pytest.fixture(scope="module")
def pair(scenes, tmp_path_factory):
    """Two ranks with two images each, in float32, without dropout or augmentation."""
    folder = tmp_path_factory.mktemp("pair") / "run"
    train(folder, two(scenes), "--launcher", "pytorch", "--nproc-per-node", "2")
    return folder


def two(scenes, batch=2):
    return [
        *options(scenes, steps=3),
        f"train_dataloader.batch_size={batch}",
        "model.decode_head.dropout_ratio=0",
        "model.auxiliary_head.dropout_ratio=0",
    ]


def test_two_ranks_with_synchronised_statistics_train_as_one_with_both_batches(
    pair, scenes, tmp_path
):
    """Rank r's samples are those at r, r + 2, ...: together, the four of the single process.

    The loss of the whole batch is the mean of the two ranks' losses, since both divide by all
    pixels, and the statistics are those of all four images: the curves agree to rounding.
    """
    train(tmp_path / "one", two(scenes, batch=4))
    one = losses(tmp_path / "one")
    both = losses(pair)
    for step in range(3):
        mean = (both[0, step] + both[1, step]) / 2
        assert both[0, step] != both[1, step]
        assert mean == pytest.approx(one[0, step], rel=2e-5)
    ours, theirs = (
        read_checkpoint(folder / "iter_3.pth")["state_dict"] for folder in (pair, tmp_path / "one")
    )
    for key, value in ours.items():
        assert torch.allclose(value, theirs[key], rtol=2e-3, atol=2e-4), key


def test_two_ranks_resume_to_the_same_bits(pair, scenes, tmp_path):
    folder = tmp_path / "run"
    both = ["--launcher", "pytorch", "--nproc-per-node", "2"]
    train(folder, two(scenes), *both, "--resume", str(pair / "iter_2.pth"))
    assert set(losses(folder)) == {(0, 2), (1, 2)}
    assert losses(folder).items() <= losses(pair).items()


def test_a_rank_that_dies_fails_the_run_and_is_named(scenes, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import os\nif os.environ.get('RANK') == '1':\n    os._exit(7)\n"
        "from model.data import CityscapesDataset\n"
    )
    argv = command(
        tmp_path / "run",
        [*options(scenes), "custom_imports.imports=broken"],
        *("--device", "cpu", "--launcher", "pytorch", "--nproc-per-node", "2"),
    )
    path = f"{tmp_path}:{environment()['PYTHONPATH']}"
    config = tmp_path / "ccnet_r18-d8_demo.py"
    config.write_text(
        f"_base_ = ['{launch.__file__.rsplit('/', 1)[0]}/configs/ccnet/ccnet_r18-d8_demo.py']\n"
        "custom_imports = dict(imports=['broken'])\n"
    )
    argv = [str(config) if a == "ccnet_r18-d8_demo" else a for a in argv]
    argv = [a for a in argv if not a.startswith("custom_imports")]
    done = run(argv, tmp_path, PYTHONPATH=path)
    assert done.returncode == 1
    assert "error: rank 1 ended with status 7" in done.stderr


def test_processes_without_a_launcher_or_nodes_without_a_port_are_refused(monkeypatch):
    args = parser().parse_args(["--config", "x", "--nproc-per-node", "2"])
    with pytest.raises(ConfigError, match="expected --launcher pytorch"):
        launch.must_spawn(args)
    args = parser().parse_args(["--config", "x", "--launcher", "pytorch", "--nnodes", "2"])
    monkeypatch.delenv("RANK", raising=False)
    assert launch.must_spawn(args)
    with pytest.raises(ConfigError, match="without --master-port"):
        launch.spawn(args, [])
    monkeypatch.setenv("RANK", "0")
    assert not launch.must_spawn(args)


@pytest.mark.parametrize("launcher", ["slurm", "mpi"])
def test_a_launcher_that_did_not_launch_is_told(launcher, monkeypatch):
    from model.devices import find_device

    with pytest.raises(ConfigError, match=rf"--launcher {launcher}: found no (SLURM|OMPI)_"):
        launch.join(launcher, find_device("cpu"))

"""Runs that Trackio, SwanLab and Lightning wrote themselves, read back bit by bit."""

import importlib.util
import json
import os
import random
import sqlite3
import struct
import subprocess
import sys
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from harness.storage.inputs import load

ROOT = Path(__file__).parents[1]
ODD = [nan, inf, -inf, 5e-324, -2.5e-310, 0.1, 1 / 3, 1e300]


def needs(package):
    there = importlib.util.find_spec(package) is not None
    return pytest.mark.skipif(not there, reason=f"needs {package} (`tox -e trackers`)")


def truth(seed):
    """Rows (step, values) as a training logs them, with gaps, a resumption, and odd values."""
    rng = random.Random(seed)
    steps = sorted(rng.sample(range(300), 90))
    resumed = rng.randrange(40, 80)
    rows = []
    for i, step in enumerate(steps[:resumed] + steps[resumed - 20 :]):
        value = rng.choice(ODD) if i % 7 == 0 else struct.unpack("<d", struct.pack(
            "<d", rng.gauss(0, 1) * 10 ** rng.randrange(-12, 12)))[0]  # fmt: skip
        rows.append((step, {"train/loss": value, "lr": rng.random()}))
        if i % 30 == 29:
            rows.append((step, {"val/acc": rng.random()}))
    return rows


def expected(rows, name):
    kept = {step: values[name] for step, values in rows if name in values}
    return sorted(kept), np.array([kept[step] for step in sorted(kept)]).tobytes()


def read_as(run, name):
    (series,) = run.find(name, 0)
    return series.steps.tolist(), series.values.tobytes()


def write(script, folder, *arguments, check=True, **environment):
    """Runs a script that logs, in another process, which may crash."""
    env = {**os.environ, **environment, "PYTHONWARNINGS": "ignore", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", script, str(folder), *arguments]
    done = subprocess.run(
        command, env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=200
    )
    assert not check or done.returncode == 0, done.stderr[-2000:]


TRACKIO = """
import json, sys, trackio
for name, config, rows in json.load(open(sys.argv[1] + "/truth.json")):
    trackio.init(project="my port/v2", name=name, config=config, resume=sys.argv[2], embed=False)
    for step, values in rows:
        trackio.log(values, step=step)
    trackio.log_system({"gpu": 50.0})
    trackio.finish()
"""


@needs("trackio")
@pytest.mark.parametrize("mode", ["sqlite", "jsonl"])
def test_trackio_database_and_json_lines_are_read_to_the_last_bit(tmp_path, monkeypatch, mode):
    runs = [(f"seed_{seed}", {"lr": 0.1, "seed": seed}, truth(seed)) for seed in range(3)]
    (tmp_path / "truth.json").write_text(json.dumps(runs))
    folder = str(tmp_path / "trackio")
    write(TRACKIO, tmp_path, "never", TRACKIO_DIR=folder, TRACKIO_STORAGE_MODE=mode)
    monkeypatch.setenv("TRACKIO_DIR", folder)
    found = load("trackio:my port/v2")
    assert [run.source for run in found] == [f"trackio:my port/v2/seed_{i}" for i in range(3)]
    for run, (_, config, rows) in zip(found, runs, strict=True):
        assert read_as(run, "loss") == expected(rows, "train/loss")
        assert read_as(run, "val.acc") == expected(rows, "val/acc")
        assert (run.facts["learning_rate"], run.facts["seed"]) == (0.1, config["seed"])
        assert {s.name for s in run.series} == {"loss", "lr", "val.acc"}


@needs("trackio")
def test_a_resumed_run_of_trackio_goes_on(tmp_path):
    first = [(step, {"loss": 2.0 - step / 9}) for step in range(9)]
    second = [(step, {"loss": 1.0 - step / 99}) for step in range(6, 12)]
    (tmp_path / "truth.json").write_text(json.dumps([("a", {}, first), ("a", {}, second)]))
    write(TRACKIO, tmp_path, "allow", TRACKIO_DIR=str(tmp_path / "t"))
    (run,) = load(f"trackio:{tmp_path}/t!my port/v2/a")
    assert read_as(run, "loss") == expected(first + second, "loss")


SWANLAB = """
import json, sys, swanlab
for name, config, rows in json.load(open(sys.argv[1] + "/truth.json")):
    swanlab.init(project="port", experiment_name=name, mode="offline", config=config,
                 logdir=sys.argv[1] + "/swanlog")
    for step, values in rows:
        swanlab.log(values, step=step)
    if len(sys.argv) > 2:
        raise RuntimeError("no memory")
    swanlab.finish()
"""


@needs("swanlab")
def test_swanlab_offline_runs_are_read_to_the_last_bit(tmp_path):
    runs = []
    for seed in range(2):
        rows = sorted(truth(seed), key=lambda row: row[0])  # SwanLab refuses steps that fall
        rows = [row for i, row in enumerate(rows) if not i or rows[i - 1][0] < row[0]]
        runs.append((f"seed_{seed}", {"lr": 0.1, "optim": {"type": "SGD"}}, rows))
    (tmp_path / "truth.json").write_text(json.dumps(runs))
    write(SWANLAB, tmp_path)
    found = load(f"swanlab:{tmp_path}/swanlog!seed_0,swanlab:{tmp_path}/swanlog!seed_1")
    for run, (_, _, rows) in zip(found, runs, strict=True):
        assert read_as(run, "loss") == expected(rows, "train/loss")
        assert run.facts["learning_rate"] == 0.1
        assert run.facts["config.args.optim.type"] == "SGD"
        assert not run.unfinished


@needs("swanlab")
def test_a_crash_in_swanlab_is_known(tmp_path):
    rows = [(step, {"loss": 1.0}) for step in range(9)]
    (tmp_path / "truth.json").write_text(json.dumps([("a", {}, rows)]))
    write(SWANLAB, tmp_path, "crash", check=False)
    (run,) = load(f"swanlab:{tmp_path}/swanlog")
    assert "crashed (RuntimeError: no memory)" in run.unfinished


LIGHTNING = """
import json, sys, torch, lightning
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

class Net(lightning.LightningModule):
    def __init__(self, lr=0.1, batch_size=4):
        super().__init__()
        self.save_hyperparameters()
        self.layer, self.seen = torch.nn.Linear(3, 1), []

    def training_step(self, batch, i):
        loss = (self.layer(batch[0]) - batch[1]).pow(2).mean()
        if self.global_step == 3:
            loss = loss * float("nan")
        self.seen.append((self.global_step, loss.item()))
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return None if loss.isnan() else loss

    def validation_step(self, batch, i):
        self.log("val_loss", (self.layer(batch[0]) - batch[1]).pow(2).mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

truths = []
for seed in range(2):
    lightning.seed_everything(seed)
    data = torch.utils.data.TensorDataset(torch.randn(24, 3), torch.randn(24, 1))
    load = torch.utils.data.DataLoader(data, batch_size=4)
    net, here = Net(), sys.argv[1]
    lightning.Trainer(
        max_epochs=3, accelerator="cpu", log_every_n_steps=1, num_sanity_val_steps=0,
        logger=[CSVLogger(here), TensorBoardLogger(here)], callbacks=[LearningRateMonitor("step")],
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    ).fit(net, load, load)
    truths.append(net.seen)
json.dump(truths, open(sys.argv[1] + "/truth.json", "w"))
"""


@pytest.fixture(scope="module")
def lightning(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lightning")
    write(LIGHTNING, folder, CUDA_VISIBLE_DEVICES="")
    return folder


@needs("lightning")
@pytest.mark.parametrize("logs", ["version_*/metrics.csv", "version_*/events*"])
def test_lightnings_loggers_are_read_to_the_last_bit(lightning, logs):
    runs = load(str(lightning / "lightning_logs" / logs))
    truths = json.loads((lightning / "truth.json").read_text())
    assert len(runs) == len(truths) == 2
    for run, seen in zip(runs, truths, strict=True):
        kept = dict(map(tuple, seen))  # the step of the NaN is tried again
        assert read_as(run, "loss") == (list(kept), np.array([*kept.values()]).tobytes())
        assert run.find("val.loss", 0)[0].steps.size == 3
        assert run.facts["batch_per_device"] == 4
        assert run.facts["learning_rate"] == 0.1


VERDICT = """
import sys
from harness.cli.main import app
app(sys.argv[2:], standalone_mode=True)
"""


@needs("trackio")
def test_a_verdict_is_written_to_the_candidates_own_run(tmp_path, monkeypatch):
    curve = [(step, {"loss": 2.0 - step / 99}) for step in range(60)]
    worse = [(step, {"loss": 3.0 - step / 99}) for step in range(60)]
    runs = [("gpu", {"lr": 0.1}, curve), ("port", {"lr": 0.1}, worse)]
    (tmp_path / "truth.json").write_text(json.dumps(runs))
    folder = tmp_path / "t"
    write(TRACKIO, tmp_path, "never", TRACKIO_DIR=str(folder))
    where = f"trackio:{folder}!my port/v2"
    before = load(f"{where}/port")[0]
    arguments = ["compare", f"{where}/gpu", f"{where}/port", "--rule", "two-sided", "--report",
                 str(tmp_path / "report"), "--to", "trackio"]  # fmt: skip
    write(VERDICT, tmp_path, *arguments, check=False, PYTHONPATH=str(ROOT))
    after = load(f"{where}/port")[0]
    assert after.sha256 == before.sha256  # what the harness wrote is no part of the training
    store = sqlite3.connect(f"file:{folder}/myportv2.db?mode=ro", uri=True)
    rows = [json.loads(row[0]) for row in store.execute("SELECT metrics FROM metrics ORDER BY id")]
    assert rows[-1]["harness.verdict"] == "fail"
    assert rows[-1]["harness.relative_difference"] == pytest.approx(0.6, abs=0.3)
    (alert,) = store.execute("SELECT run_name, level, text FROM alerts").fetchall()
    assert alert[:2] == ("port", "error")
    (artifact,) = store.execute("SELECT name FROM artifacts").fetchall()
    assert artifact[0].startswith("harness-")
    store.close()

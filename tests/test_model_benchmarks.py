"""Tiny trainings on the layouts of ADE20K and VOC: their logs are judged, weights evaluated."""

import json
import logging

import pytest
from tiny_run import NARROW

from harness import Verdict, compare, read_run
from model.data.synthetic import generate
from model.evaluate import main as evaluate
from model.train import main as train

pytestmark = pytest.mark.filterwarnings("ignore:.*instance named of:UserWarning")
STEPS = 40


@pytest.fixture(scope="module", params=["ade20k", "voc"])
def runs(request, tmp_path_factory):
    """The config's name, its options, and the folders of three seeds and of a faulty run."""
    root = tmp_path_factory.mktemp(request.param)
    generate(root / "data", train=8, val=2, size=(32, 64), kind=request.param)
    parts = ["train", "val", "test"]
    roots = [f"{part}_dataloader.dataset.data_root={root / 'data'}" for part in parts]
    if request.param == "voc":
        inner = [f"train_dataloader.dataset.datasets.{i}" for i in (0, 1)]
        roots = [*roots[1:], *(f"{place}.data_root={root / 'data'}" for place in inner)]
    options = [*NARROW, *roots, f"train_cfg.max_iters={STEPS}", f"train_cfg.val_interval={STEPS}"]
    name, folders = f"ccnet_r18-d8_{request.param}-demo", {}
    patch = pytest.MonkeyPatch()
    patch.setattr(logging, "raiseExceptions", False)
    for run, more in {
        "0": ["--seed", "0"],
        "1": ["--seed", "1"],
        "2": ["--seed", "2"],
        "faulty": ["--seed", "3", "--fault", "learning_rate=0.02"],
    }.items():
        folders[run] = root / run
        where = ["--device", "cpu", "--work-dir", str(root / run)]
        assert train([name, *where, *more, "--cfg-options", *options]) == 0
    yield name, options, folders
    patch.undo()


def test_the_harness_fails_the_faulty_run_and_no_seed(runs):
    _, _, folders = runs
    logs = {name: read_run(path / "port.log") for name, path in folders.items()}
    baseline = [logs["0"], logs["1"]]
    healthy, faulty = compare(baseline, [logs["2"]]), compare(baseline, [logs["faulty"]])
    assert healthy.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    assert faulty.verdict is Verdict.FAIL


def test_the_weights_give_the_metrics_of_the_training_and_pictures(runs, tmp_path):
    name, options, folders = runs
    weights = folders["0"] / f"iter_{STEPS}.pth"
    where = ["--device", "cpu", "--out", str(tmp_path)]
    assert evaluate([name, str(weights), *where, "--cfg-options", *options]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    validated = next(folders["0"].glob("*/2*.log")).read_text()
    assert all(f"{key}: {value:.4f}" in validated for key, value in metrics.items())
    assert len(list((tmp_path / "pictures").iterdir())) == 2

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
STEPS = 24
KINDS = ("ade20k", "voc")
DATASET_OF = {"ade20k": "ADE20KDataset", "voc": "ConcatDataset"}


def options_of(kind, data):
    """Options for a narrow network, and for the data in a folder."""
    places = [f"{part}_dataloader.dataset" for part in ("val", "test", "train")]
    if kind == "voc":
        places[2:] = [f"train_dataloader.dataset.datasets.{part}" for part in (0, 1)]
    steps = [f"train_cfg.max_iters={STEPS}", f"train_cfg.val_interval={STEPS}"]
    return [*NARROW, *steps, *(f"{place}.data_root={data}" for place in places)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of each kind's runs with seed 0 and 1, and its options."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "raiseExceptions", False)
        found = {}
        for kind in KINDS:
            root = tmp_path_factory.mktemp(kind)
            generate(root / "data", train=8, val=2, size=(32, 64), kind=kind)
            options = options_of(kind, root / "data")
            for seed in ("0", "1"):
                where = ["--device", "cpu", "--work-dir", str(root / seed), "--seed", seed]
                argv = [f"ccnet_r18-d8_{kind}-demo", *where, "--cfg-options", *options]
                assert train(argv) == 0
            found[kind] = (root, options)
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_two_seeds_are_one_experiment_that_the_harness_leaves_open(kind, runs):
    root, _ = runs[kind]
    logs = [read_run(root / seed / "port.log") for seed in ("0", "1")]
    assert dict(logs[0].facts.named())["dataset"].startswith(DATASET_OF[kind])
    assert compare(*logs).verdict is Verdict.INCONCLUSIVE
    losses = [next(s for s in log.series if s.name == "loss").values for log in logs]
    for loss in losses:
        assert len(loss) == STEPS
        assert loss[-8:].mean() < 0.8 * loss[:4].mean()


def test_a_training_on_another_data_set_does_not_pass_as_a_port(runs):
    ade, voc = (read_run(root / "0/port.log") for root, _ in runs.values())
    found = compare(ade, voc)
    assert found.verdict not in (Verdict.PASS, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_give_the_metrics_of_the_training_and_pictures(kind, runs, tmp_path):
    root, options = runs[kind]
    weights = root / "0" / f"iter_{STEPS}.pth"
    where = ["--device", "cpu", "--out", str(tmp_path)]
    assert (
        evaluate([f"ccnet_r18-d8_{kind}-demo", str(weights), *where, "--cfg-options", *options])
        == 0
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    validated = next((root / "0").glob("*/2*.log")).read_text()
    assert all(f"{key}: {value:.4f}" in validated for key, value in metrics.items())
    assert len(list((tmp_path / "pictures").iterdir())) == 2

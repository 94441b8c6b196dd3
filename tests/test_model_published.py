"""mmsegmentation's 16 configs of CCNet, unchanged: they build with strict keys and train a step.

They come from the installed package (`tox -e published`), which is not imported.
"""

import logging
from importlib import metadata

import pytest

from model import load_config
from model.build import CONFIGS
from model.data.synthetic import generate
from model.train import main

pytestmark = pytest.mark.filterwarnings("ignore:.*instance named of:UserWarning")
KINDS = {"cityscapes": "cityscapes", "ade20k": "ade20k", "voc12aug": "voc"}


def configs():
    try:
        files = metadata.files("mmsegmentation") or []
    except metadata.PackageNotFoundError:
        return []
    ours = (str(f) for f in files if "/configs/ccnet/" in str(f) and str(f).endswith(".py"))
    found = [metadata.distribution("mmsegmentation").locate_file(name) for name in ours]
    return sorted(found, key=str)


FOUND = configs()
needed = pytest.mark.skipif(not FOUND, reason="mmsegmentation is not installed")


@needed
def test_there_are_sixteen_and_each_has_its_copy_here():
    assert len(FOUND) == 16
    for path in FOUND:
        theirs = load_config(str(path)).to_dict()
        ours = load_config(CONFIGS / "ccnet" / path.name).to_dict()
        assert ours.pop("auto_scale_lr")["base_batch_size"] == (8 if "4xb2" in path.name else 16)
        assert ours == theirs, path.name


@needed
@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_an_unchanged_config_trains_a_step(path, tmp_path, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    data = path.stem.rpartition("_")[2].partition("-")[0]
    generate(tmp_path / "data", train=4, val=1, size=(64, 64), kind=KINDS[data])
    places = ["val_dataloader.dataset", "train_dataloader.dataset"]
    if data == "voc12aug":
        places[1:] = [f"train_dataloader.dataset.datasets.{i}" for i in (0, 1)]
    options = [f"{place}.data_root={tmp_path / 'data'}" for place in places]
    options += ["model.pretrained=None", "train_cfg.max_iters=1", "train_dataloader.batch_size=2"]
    options += ["train_dataloader.num_workers=0", "model.data_preprocessor.size=(64,64)"]
    size = "(64,64)"
    for place in places[1:]:
        options += [f"{place}.pipeline.2.scale={size}", f"{place}.pipeline.3.crop_size={size}"]
        options += [f"{place}.pipeline.6.size={size}"] if data == "voc12aug" else []
    where = ["--device", "cpu", "--no-validate", "--work-dir", str(tmp_path / "run")]
    assert main([str(path), *where, "--cfg-options", *options]) == 0
    assert (tmp_path / "run/port.log").read_text().count("train.loss") == 1

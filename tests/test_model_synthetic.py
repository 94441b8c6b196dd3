"""Synthetic scenes: the same pixels always, and fit to be learnt."""

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_run import ROOT, environment

from model.data.labels import CLASSES, IGNORE, LABEL_ID, to_train_ids
from model.data.synthetic import encode_png, generate
from model.data.synthetic.__main__ import main
from model.data.synthetic.cues import SIGN_OF, VEHICLES, draw_cued_scene
from model.errors import DataError

# Of the pixels of `generate(out, train=3, val=2, size=(32, 64), seed=7)`, by name of the file.
DIGEST = "52e82923a84ec8071a2d1c6ced397183b0f8226fe98f64b6f696a52268735ebc"
# The same with kind="cues".
CUES_DIGEST = "52512d56fab97a47c51325a462116f35cd5e4ebdfc4e1dec253eaaf97ec1aa45"


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.png")):
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        name = f"{path.relative_to(folder)}{pixels.shape}"
        total.update(name.encode() + pixels.tobytes())
    return total.hexdigest()


def test_scenes_have_the_same_pixels_in_threads_in_another_process_and_to_the_recorded_ones(
    tmp_path,
):
    def make(name):
        generate(tmp_path / name, train=3, val=2, size=(32, 64), seed=7)
        return digest(tmp_path / name)

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(make, ["a", "b"])) == {DIGEST}
    options = ["--train", "3", "--val", "2", "--size", "32x64", "--seed", "7"]
    command = [sys.executable, "-m", "model.data.synthetic", str(tmp_path / "c"), *options]
    subprocess.run(command, env=environment(), cwd=ROOT, check=True, capture_output=True)
    assert digest(tmp_path / "c") == DIGEST


def test_seed_variation_gives_other_scenes_and_more_scenes_keep_the_first_ones(tmp_path):
    for name, count, seed in (("a", 1, 0), ("b", 1, 1), ("c", 2, 0)):
        generate(tmp_path / name, train=count, val=0, size=(32, 64), seed=seed)
    first = [min((tmp_path / name).rglob("*_leftImg8bit.png")).read_bytes() for name in "abc"]
    assert first[0] != first[1]
    assert first[0] == first[2]


def test_cued_scenes_have_the_pixels_of_the_recorded_ones_and_the_manifest_tells_the_kind(
    tmp_path,
):
    generate(tmp_path / "a", train=3, val=2, size=(32, 64), seed=7, kind="cues")
    assert digest(tmp_path / "a") == CUES_DIGEST
    options = ["--train", "3", "--val", "2", "--size", "32x64", "--seed", "7", "--kind", "cues"]
    assert main([str(tmp_path / "b"), *options]) == 0
    assert digest(tmp_path / "b") == CUES_DIGEST
    generate(tmp_path / "c", train=1, val=1, size=(32, 64))
    manifests = [json.loads((tmp_path / name / "synthetic.json").read_text()) for name in "abc"]
    assert [manifest["kind"] for manifest in manifests] == ["cues", "cues", "cityscapes"]


def cued_scene(seed, vehicle):
    rng = np.random.Generator(np.random.PCG64(seed))
    return draw_cued_scene(64, 96, rng, vehicle=vehicle)


def is_any(labels, names):
    return np.isin(labels, [LABEL_ID[name] for name in names])


@given(st.integers(0, 2**32 - 1), st.sampled_from(VEHICLES), st.sampled_from(VEHICLES))
def test_the_sign_alone_tells_a_vehicle(seed, vehicle, other):
    """The same scene with another class has other pixels in the sign and nowhere else."""
    (image, labels), (image_2, labels_2) = cued_scene(seed, vehicle), cued_scene(seed, other)
    sign = is_any(labels, [SIGN_OF[vehicle].name])
    vehicles = is_any(labels, [vehicle])
    rows, columns = np.nonzero(sign)
    box = np.zeros_like(sign)  # with the pixels of the sign that carry no label
    box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    assert np.array_equal(image[~box], image_2[~box])
    assert np.array_equal(labels[~sign & ~vehicles], labels_2[~sign & ~vehicles])
    assert np.array_equal(vehicles, is_any(labels_2, [other]))
    assert (vehicle == other) == np.array_equal(image[box], image_2[box])
    assert np.nonzero(vehicles)[0].min() > rows.max() + 16  # the config's network has cells of 4


def test_each_scene_has_one_sign_and_the_vehicles_it_announces_in_turn(tmp_path):
    generate(tmp_path, train=2 * len(VEHICLES), val=0, size=(64, 96), kind="cues")
    for index, path in enumerate(sorted(tmp_path.rglob("*_labelIds.png"))):
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        vehicle = VEHICLES[index % len(VEHICLES)]
        present = [name for name in VEHICLES if is_any(labels, [name]).any()]
        signs = [sign.name for sign in SIGN_OF.values() if is_any(labels, [sign.name]).any()]
        assert (present, signs) == ([vehicle], [SIGN_OF[vehicle].name])


def test_many_pixels_of_vehicles_are_in_other_columns_than_the_sign():
    """One round of attention carries the sign's colour up and down its columns only."""
    apart = total = 0
    for seed in range(60):
        _, labels = cued_scene(seed, "bus")
        below = is_any(labels, [SIGN_OF["bus"].name]).any(axis=0)
        vehicles = is_any(labels, ["bus"]).sum(axis=0)
        apart, total = apart + vehicles[~below].sum(), total + vehicles.sum()
    assert apart / total > 0.3


def test_every_class_is_large_enough_and_one_percent_is_ignored(tmp_path):
    generate(tmp_path, train=24, val=0)
    paths = sorted((tmp_path / "gtFine/train").rglob("*_labelIds.png"))
    maps = np.stack([to_train_ids(cv2.imread(str(p), cv2.IMREAD_UNCHANGED)) for p in paths])
    share = {name: (maps == i).mean() for i, name in enumerate(CLASSES)}
    present = {name for name, value in share.items() if value}
    assert present == {"road", "sidewalk", "building", "vegetation", "sky", "car", "person", "pole"}
    assert min(share[name] for name in present) > 0.02
    assert (maps == IGNORE).mean() == pytest.approx(0.01, abs=0.001)
    for thin in ("person", "pole"):  # at stride 8, as the network sees them: 4 cells and more
        cells = (maps == CLASSES.index(thin)).reshape(24, 16, 8, 32, 8).mean((2, 4)) > 0.5
        seen = cells.sum((1, 2))
        assert (seen[seen > 0] >= 4).mean() > 0.9


def test_earlier_scenes_are_replaced_and_a_foreign_data_set_is_left_alone(tmp_path):
    generate(tmp_path / "a", train=3, val=1, size=(16, 32))
    generate(tmp_path / "a", train=1, val=1, size=(16, 32))
    assert len(list((tmp_path / "a").rglob("*.png"))) == 4
    (tmp_path / "real/leftImg8bit").mkdir(parents=True)
    with pytest.raises(DataError, match="was not made here"):
        generate(tmp_path / "real", train=1, val=1)


def test_the_command_refuses_a_size_that_is_none(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "--size", "128"])
    assert "HEIGHTxWIDTH" in capsys.readouterr().err


@given(st.integers(1, 40), st.integers(1, 300), st.booleans(), st.integers(0, 2**32 - 1))
def test_png_files_decode_to_the_pixels_they_were_made_of(height, width, grey, seed):
    shape = (height, width) if grey else (height, width, 3)
    pixels = np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)
    data = encode_png(pixels)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded, pixels)

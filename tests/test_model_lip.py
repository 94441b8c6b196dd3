"""LIP: its layouts and their faults, synthetic people, training, and left against right."""

import json
import shutil
import sys

import cv2
import numpy as np
import pytest
import torch
from fault_run import forget
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from test_model_metrics import evaluate
from tiny_run import run
from torch.utils.data import DataLoader

import model.data.geometry
from harness import Policy, Verdict, compare, read_run
from model import build_model, load_config
from model.build import CONFIGS
from model.config_errors import check_flips
from model.data import InfiniteSampler, LIPDataset
from model.data.lip import CLASSES, LEFT_RIGHT, PUBLISHED
from model.data.synthetic import generate
from model.data.synthetic.lip import draw_person
from model.errors import ConfigError, DataError
from model.registry import DATASETS
from model.train import main

DEMO = "ccnet_r18-d8_lip-demo"
PREFIX = {
    "img_path": "TrainVal_images/train_images",
    "seg_map_path": "TrainVal_parsing_annotations/train_segmentations",
}
LIST = "TrainVal_images/train_id.txt"


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lip") / "people"
    generate(folder, train=48, val=8, size=(64, 48), kind="lip")
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def dataset(root, ann_file=LIST, **kwargs):
    with DefaultScope.overwrite_default_scope("model"):
        return LIPDataset(data_root=str(root), data_prefix=PREFIX, ann_file=ann_file, **kwargs)


def names(data):
    return [data.get_data_info(i)["img_path"].rpartition("/")[2] for i in range(len(data))]


# --- the folders


def test_the_classes_are_lips_and_each_pair_is_left_and_right_of_one_part():
    assert len(CLASSES) == 20
    for left, right in LEFT_RIGHT:
        assert CLASSES[left] == CLASSES[right].replace("right", "left") != CLASSES[right]
    sided = {i for i, name in enumerate(CLASSES) if name.startswith(("left-", "right-"))}
    assert sided == {i for pair in LEFT_RIGHT for i in pair}


@pytest.mark.parametrize("layout", ["archives", "doubled", "flat"])
def test_each_layout_in_circulation_gives_the_same_pairs(people, tmp_path, layout):
    root = tmp_path / "lip"
    shutil.copytree(people, root)
    for top in ("TrainVal_images", "TrainVal_parsing_annotations"):
        if layout == "doubled":
            (root / top).rename(root / "aside")
            (root / top).mkdir()
            (root / "aside").rename(root / top / top)
        elif layout == "flat":
            for entry in (root / top).iterdir():
                entry.rename(root / entry.name)
            (root / top).rmdir()
    data = dataset(root)
    assert names(data) == [f"person_{i:06d}.jpg" for i in range(48)]
    assert names(dataset(root, ann_file="")) == names(data)
    info = data.get_data_info(3)
    image, labels = cv2.imread(info["img_path"]), cv2.imread(info["seg_map_path"], -1)
    assert image.shape[:2] == labels.shape


def test_missing_files_and_folders_are_named_with_the_way_to_get_them(people, tmp_path):
    with pytest.raises(DataError, match=r"found no folder .*train_images; expected LIP's layout.*"
                       r"TrainVal_images\.zip.*--kind lip"):  # fmt: skip
        dataset(tmp_path / "absent")
    root = tmp_path / "lip"
    shutil.copytree(people, root)
    (root / PREFIX["seg_map_path"] / "person_000002.png").unlink()
    with pytest.raises(DataError, match=r"1 file is missing of the 48 .*person_000002\.png"):
        dataset(root)
    (root / LIST).unlink()
    with pytest.raises(DataError, match=r"found no file .*train_id\.txt"):
        dataset(root)


def published(root, count):
    """A split with the names of the real one, and without pixels."""
    found = [f"{i}_1" for i in range(count)]
    for folder, suffix in ((PREFIX["img_path"], ".jpg"), (PREFIX["seg_map_path"], ".png")):
        (root / folder).mkdir(parents=True)
        for name in found:
            (root / folder / f"{name}{suffix}").touch()
    (root / LIST).write_text("\n".join(found))
    (root / "TrainVal_images/mine.txt").write_text("0_1\n")


def test_a_half_downloaded_split_is_an_error_unless_another_list_chose_it(tmp_path):
    published(tmp_path, 30)
    missing = PUBLISHED["train"] - 30
    for listed in (LIST, ""):
        with pytest.raises(DataError, match=f"LIP train is incomplete: {missing} of 30462 images"):
            dataset(tmp_path, ann_file=listed)
    assert len(dataset(tmp_path, ann_file="TrainVal_images/mine.txt")) == 1


# --- synthetic people


def test_people_have_both_sides_sizes_of_their_own_and_the_same_pixels_always(people, tmp_path):
    generate(tmp_path / "again", train=2, val=1, size=(64, 48), kind="lip")
    shapes, whole = set(), 0
    for path in sorted((people / PREFIX["seg_map_path"]).iterdir()):
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        shapes.add(labels.shape)
        sides = [[(labels == side).nonzero()[1] for side in pair] for pair in LEFT_RIGHT]
        for left, right in sides:  # whoever faces the camera has the left side on its right
            assert not (left.size and right.size) or left.mean() > right.mean()
        whole += all(columns.size for pair in sides for columns in pair)
    assert len(shapes) > 20
    assert whole > 36  # of 48; the image's edge cuts the others off
    for path in (tmp_path / "again").rglob("*.png"):
        assert path.read_bytes() == (people / path.relative_to(tmp_path / "again")).read_bytes()


def test_the_side_of_the_image_does_not_give_the_side_of_the_body_away():
    """Else a network would need no person to tell left from right."""
    wrong = total = 0
    for seed in range(40):
        _, labels = draw_person(96, 96, np.random.Generator(np.random.PCG64(seed)))
        half = np.arange(96) >= 48
        wrong += (half & np.isin(labels, [15, 17, 19])).sum()
        wrong += (~half & np.isin(labels, [14, 16, 18])).sum()
        total += (labels >= 14).sum()
    assert wrong / total > 0.1


def test_left_and_right_limbs_look_alike():
    """The mean colour of a person's arms and legs is that of skin, on either side."""
    for seed in range(10):
        image, labels = draw_person(96, 72, np.random.Generator(np.random.PCG64(seed)))
        for left, right in LEFT_RIGHT:
            colours = [image[labels == side].mean(axis=0) for side in (left, right)]
            assert np.abs(colours[0] - colours[1]).max() < 6  # the noise, over some 50 pixels


# --- metrics, as LIP's benchmark and CE2P report them


def test_accuracies_and_iou_are_those_of_a_confusion_matrix():
    rng = np.random.default_rng(0)
    labels = [rng.integers(20, size=(30, 40)) for _ in range(3)]
    predictions = [np.where(rng.random((30, 40)) < 0.6, t, rng.integers(20)) for t in labels]
    matrix = np.zeros((20, 20))
    for prediction, label in zip(predictions, labels, strict=True):
        for p, t in zip(prediction.ravel(), label.ravel(), strict=True):
            matrix[t, p] += 1
    right = [matrix[i, i] for i in range(20)]
    accuracy = [right[i] / matrix[i].sum() for i in range(20)]
    union = [matrix[i].sum() + matrix[:, i].sum() - right[i] for i in range(20)]
    want = {
        "aAcc": sum(right) / matrix.sum(),
        "mAcc": sum(accuracy) / 20,
        "mIoU": sum(right[i] / union[i] for i in range(20)) / 20,
    }
    found = evaluate(predictions, labels, 20)
    assert found == pytest.approx({k: 100 * v for k, v in want.items()}, abs=0.0051)


# --- configs and training


def test_the_published_settings_are_ce2ps():
    for net, depth in (("r50", 50), ("r101", 101)):
        cfg = load_config(f"ccnet_{net}-d8_5xb8-115k_lip-473x473")
        assert cfg.model.backbone.depth == depth
        assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 20
        assert cfg.model.data_preprocessor.size == (473, 473)
        assert cfg.train_dataloader.batch_size * 5 == cfg.auto_scale_lr.base_batch_size == 40
        assert cfg.optim_wrapper.optimizer.lr == 0.007
        assert cfg.train_cfg.max_iters == cfg.param_scheduler[0].end == 115000
        assert 150 <= 115000 * 40 / PUBLISHED["train"] < 152  # epochs


def test_no_config_for_lip_mixes_left_and_right():
    paths = list(CONFIGS.glob("ccnet/*lip*.py"))
    assert len(paths) == 3
    for path in paths:
        cfg = load_config(path)
        check_flips(cfg.train_dataloader, "train_dataloader", LIPDataset.METAINFO)
        check_flips(cfg.tta_pipeline, "tta_pipeline", LIPDataset.METAINFO)


def test_pairs_beyond_the_classes_are_refused():
    flips = [{"type": "RandomFlip", "swap_seg_labels": [(1, 7)]}]
    with pytest.raises(ConfigError, match=r"tta\.0\.swap_seg_labels has 7; .* 0 to 2"):
        check_flips(flips, "tta", {"classes": ("a", "b", "c")})


def options(people, steps):
    roots = [f"{part}_dataloader.dataset.data_root={people}" for part in ("train", "val", "test")]
    return [*roots, f"train_cfg.max_iters={steps}", f"train_cfg.val_interval={steps}"]


def trained(people, folder, *args, steps=6, more=()):
    """The log of a run in this process."""
    given = ["--config", DEMO, "--device", "cpu", "--work-dir", str(folder), *args]
    try:
        assert main([*given, "--cfg-options", *options(people, steps), *more]) == 0
    finally:
        forget()
    return read_run(folder / "port.log")


def test_a_config_without_the_swap_does_not_train(people, tmp_path, capfd):
    given = ["--config", DEMO, "--device", "cpu", "--work-dir", str(tmp_path / "x")]
    forgotten = "train_dataloader.dataset.pipeline.4.swap_seg_labels=None"
    assert main([*given, "--cfg-options", *options(people, 2), forgotten]) == 2
    err = capfd.readouterr().err
    assert "pipeline.4.swap_seg_labels is missing" in err
    assert "[(14, 15), (16, 17), (18, 19)]" in err
    assert not (tmp_path / "x").exists()


def test_the_harness_sees_a_flip_without_the_swap_in_the_first_batch(people, tmp_path, monkeypatch):
    alike = ["--same-start", "--steps", "2", "--seed", "1"]
    baseline = trained(people, tmp_path / "a", *alike)
    everything = np.arange(256, dtype=np.uint8)
    monkeypatch.setattr(model.data.geometry, "swap_table", lambda _: everything)
    faulty = trained(people, tmp_path / "c", *alike)
    assert faulty.facts["start_images"] == baseline.facts["start_images"]
    assert faulty.facts["start_labels"] != baseline.facts["start_labels"]
    found = compare([baseline], [faulty])
    assert found.verdict is Verdict.INCOMPARABLE
    assert "the first labels differ" in str(found)


def test_a_training_is_judged_against_another_seed_and_its_checkpoint_is_evaluated(
    people, tmp_path
):
    twelve = ["default_hooks.checkpoint.interval=12", "optim_wrapper.optimizer.lr=0.03"]
    baseline = trained(people, tmp_path / "a", "--seed", "1", steps=12, more=twelve)
    candidate = trained(people, tmp_path / "b", "--seed", "2", steps=12, more=twelve)
    for rule, verdict in (("rtol=0.5", Verdict.PASS), ("rtol=0.0001", Verdict.FAIL)):
        policy = Policy(rules=(f"tolerance:{rule}",), min_steps=12)
        assert compare(baseline, candidate, policy).verdict is verdict
    checkpoint = str(tmp_path / "a/iter_12.pth")
    out = tmp_path / "out"
    argv = [sys.executable, "-m", "model.evaluate", DEMO, checkpoint, "--out", str(out), "--tta"]
    done = run([*argv, "--device", "cpu", "--cfg-options", *options(people, 12)], tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(json.loads((out / "metrics.json").read_text())) == {"aAcc", "mAcc", "mIoU"}
    assert len(list((out / "pictures").glob("person_*.png"))) == 8


# --- what the swap is worth


def part_of(cfg, name, people, pairs):
    """The data set of one part of the demo, with these pairs in its flip."""
    settings = cfg[f"{name}_dataloader"].dataset
    settings.update(data_root=str(people), serialize_data=False)
    for transform in settings.pipeline:
        if transform["type"] == "RandomFlip":
            transform["swap_seg_labels"] = pairs
    with DefaultScope.overwrite_default_scope("model"):
        return DATASETS.build(settings)


def learnt(people, pairs, *, steps=90):
    """The demo's network after some steps, and its share of limbs on the right side.

    Of the limbs' pixels that it takes for that limb, left or right.
    """
    cfg = load_config(DEMO)
    torch.manual_seed(0)
    network = build_model(cfg)
    network.init_weights()
    data = part_of(cfg, "train", people, pairs)
    sampler = InfiniteSampler(data, seed=0)
    batches = iter(DataLoader(data, batch_size=4, sampler=sampler, collate_fn=pseudo_collate))
    sgd = torch.optim.SGD(network.parameters(), lr=0.3, momentum=0.9, weight_decay=5e-4)
    for step in range(steps):
        sgd.param_groups[0]["lr"] = 0.3 * (1 - step / steps) ** 0.9
        network.train_step(next(batches), OptimWrapper(sgd))
    network.eval()
    found = right = 0
    for sample in part_of(cfg, "val", people, pairs):
        with torch.no_grad():
            (seen,) = network.val_step(pseudo_collate([sample]))
        label, prediction = seen.gt_sem_seg.data, seen.pred_sem_seg.data
        limb = (label >= 14) & (label // 2 == prediction // 2)
        found += int(limb.sum())
        right += int((limb & (label == prediction)).sum())
    assert found > 1000
    return right / found


def test_a_network_tells_left_from_right_with_the_swap_and_guesses_without(people):
    assert learnt(people, LEFT_RIGHT) > 0.75
    assert 0.3 < learnt(people, []) < 0.65

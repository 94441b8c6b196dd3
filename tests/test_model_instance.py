"""Instance segmentation without its packages, and its synthetic images, which need none."""

import hashlib
import json
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from model.build import build_network, load_config, named_configs
from model.data.synthetic import generate
from model.data.synthetic.coco import IDS, Shape, draw_shapes, run_lengths
from model.errors import ConfigError
from model.instance import needed
from model.instance.pictures import draw_objects, overlap, strips
from model.instance.structures import DetDataSample
from model.registry import DATASETS, METRICS, MODELS, TRANSFORMS, VISUALIZERS

CONFIGS = [name for name in named_configs() if name.startswith("maskrcnn")]
# Of the annotations and pixels of `generate(out, train=3, val=2, size=(48, 64), seed=7)`.
DIGEST = "4e4ac4822538784129a994bbacb42d8fc5f7bf82134b687afafd0571f1a1ff85"


@pytest.fixture
def absent(monkeypatch):
    """A machine without torchvision and pycocotools."""
    monkeypatch.setattr(needed, "find_spec", lambda name: None)


def test_the_types_are_known_without_the_packages(absent):
    with DefaultScope.overwrite_default_scope("model"):
        assert MODELS.get("MaskRCNN") is not None
        assert METRICS.get("CocoMetric") is not None
        assert VISUALIZERS.get("InstanceLocalVisualizer") is not None
        assert TRANSFORMS.get("LoadInstances") is not None


@pytest.mark.parametrize("part", ["model", "train_dataloader", "val_evaluator"])
def test_what_needs_the_packages_names_the_extra(absent, part):
    cfg = load_config("maskrcnn_r18-fpn_coco-demo")
    makers = {
        "model": lambda: build_network(cfg),
        "train_dataloader": lambda: DATASETS.build(cfg.train_dataloader.dataset),
        "val_evaluator": lambda: METRICS.build(cfg.val_evaluator),
    }
    text = r"torchvision and pycocotools cannot be imported; expected the extra \[instance\]"
    with pytest.raises(ConfigError, match=text):
        makers[part]()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_says_what_its_name_says(name):
    cfg = load_config(name)
    depth = int(name.partition("_r")[2].partition("-")[0])
    assert cfg.model.depth == depth
    assert (cfg.model.get("attention") is not None) == ("rcca" in name)
    if "rcca" in name:
        place = "res4" if "res4" in name else "c5"
        assert cfg.model.attention == {"place": place, "recurrence": 2}
    demo = name.endswith("-demo")
    assert cfg.model.get("pretrained") == (None if demo else f"torchvision://resnet{depth}")
    assert cfg.model.num_classes == (3 if demo else 80)
    assert cfg.train_dataloader.batch_size * (1 if demo else 8) == cfg.auto_scale_lr.base_batch_size
    assert cfg.param_scheduler[-1].milestones[-1] < cfg.train_cfg.max_iters


def test_with_and_without_attention_are_two_configs_that_differ_in_it_alone():
    pairs = [(name, name.replace("_rcca-res4", "").replace("_rcca", "")) for name in CONFIGS]
    pairs = [(attended, plain) for attended, plain in pairs if attended != plain]
    assert len(pairs) == 4
    for attended, plain in pairs:
        first, second = load_config(attended).to_dict(), load_config(plain).to_dict()
        del first["model"]["attention"]
        assert first == second


# The synthetic images


def digest(folder):
    total = hashlib.sha256()
    for path in sorted(folder.rglob("instances_*.json")):
        total.update(path.read_bytes())
    for index in range(3):
        rng = np.random.Generator(np.random.PCG64([7, 0, index]))
        total.update(draw_shapes(48, 64, rng, crowd=index == 0)[0].tobytes())
    return total.hexdigest()


def test_the_synthetic_set_is_the_same_on_every_run_and_machine(tmp_path):
    for name in "ab":
        generate(tmp_path / name, train=3, val=2, size=(48, 64), seed=7, kind="coco")
    assert digest(tmp_path / "a") == digest(tmp_path / "b") == DIGEST
    names = {p.name for p in (tmp_path / "a" / "train2017").iterdir()}
    assert names == {f"{number:012d}.jpg" for number in (1, 2, 3)}
    files = [p.read_bytes() for f in "ab" for p in sorted((tmp_path / f / "val2017").iterdir())]
    assert files[:2] == files[2:]
    pixels = cv2.imdecode(np.frombuffer(files[0], np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (48, 64, 3)


def test_a_file_of_annotations_lists_boxes_around_what_is_seen(tmp_path):
    generate(tmp_path, train=9, val=1, size=(64, 96), seed=1, kind="coco")
    file = json.loads((tmp_path / "annotations" / "instances_train2017.json").read_text())
    assert [image["id"] for image in file["images"]] == [*range(1, 10)]
    assert {c["name"]: c["id"] for c in file["categories"]} == IDS
    assert [a["id"] for a in file["annotations"]] == [*range(1, len(file["annotations"]) + 1)]
    crowds = [a["image_id"] for a in file["annotations"] if a["iscrowd"]]
    assert crowds == [1, 9]
    hidden = [a for a in file["annotations"] if isinstance(a["segmentation"], dict)]
    for annotation in hidden:
        counts = annotation["segmentation"]["counts"]
        flat = np.repeat(np.arange(len(counts)) % 2, counts).astype(bool)
        mask = flat.reshape(64, 96, order="F")
        rows, columns = np.nonzero(mask)
        left, top, wide, high = annotation["bbox"]
        assert (left, top) == (columns.min(), rows.min())
        assert (left + wide, top + high) == (columns.max() + 1, rows.max() + 1)
        assert annotation["area"] == mask.sum()


@pytest.mark.parametrize("name", IDS)
def test_a_shape_is_where_its_outline_is(name):
    shape = Shape(name=name, x=24, y=16, radius=10)
    corners = np.array(shape.outline()).reshape(-1, 2)
    mask = shape.mask(32, 48)
    slow = np.zeros((32, 48), dtype=bool)
    outline = corners.astype(np.float32)[:, None]
    for row in range(32):
        for column in range(48):
            slow[row, column] = cv2.pointPolygonTest(outline, (column + 0.5, row + 0.5), False) >= 0
    assert (mask ^ slow).sum() <= 12  # the 32 corners of the circle cut off its edge
    assert mask.sum() > 190


@pytest.mark.parametrize("first", [False, True])
def test_run_lengths_count_down_the_columns_and_start_outside(first):
    mask = np.array([[first, True], [False, True], [True, False]])
    counts = run_lengths(mask)["counts"]
    flat = [bit for n, count in enumerate(counts) for bit in [bool(n % 2)] * count]
    assert flat == [mask[row, column] for column in range(2) for row in range(3)]
    assert counts[0] == (0 if first else 2)


def test_the_images_go_to_the_network_as_rgb_from_0_to_1_each_in_its_size():
    preprocessor = MODELS.build({"type": "model.DetDataPreprocessor"})
    images = [torch.zeros(3, 4, 6, dtype=torch.uint8), torch.zeros(3, 8, 5, dtype=torch.uint8)]
    images[0][0] = 255  # blue
    batch = preprocessor({"inputs": images, "data_samples": None})["inputs"]
    assert [tuple(image.shape) for image in batch] == [(3, 4, 6), (3, 8, 5)]
    assert batch[0].dtype == torch.float32
    assert batch[0].amax(dim=(1, 2)).tolist() == [0, 0, 1]


# The pictures

RED, GREEN = (200, 0, 0), (0, 200, 0)


def found(*scores, labels=None):
    """Objects of which each fills one and the same square, with scores."""
    masks = torch.zeros(len(scores), 96, 96, dtype=torch.bool)
    masks[:, 20:80, 10:70] = True
    return InstanceData(
        bboxes=torch.tensor([[10.0, 20.0, 70.0, 80.0]] * len(scores)),
        labels=torch.tensor(labels or [0] * len(scores)),
        masks=masks,
        scores=torch.tensor(scores),
    )


def test_no_name_is_covered_by_another_name_a_mask_or_a_box():
    image = np.full((96, 96, 3), 90, dtype=np.uint8)
    drawn = draw_objects(image, found(0.9, 0.7, 0.8), ["dog"], [RED])
    grey = (drawn.max(axis=2) == drawn.min(axis=2)) & (drawn[..., 0] != 90)
    alone = draw_objects(image, found(0.9), ["dog"], [RED])
    one = (alone.max(axis=2) == alone.min(axis=2)) & (alone[..., 0] > 90)
    white = grey & (drawn[..., 0] > 90)
    assert one.sum() > 800
    assert white.sum() == pytest.approx(3 * one.sum(), rel=0.05)


@pytest.mark.parametrize("box", [(0, 0, 10, 10), (470, 470, 480, 480), (100, 100, 300, 300)])
def test_a_name_stays_within_the_picture(box):
    places = strips(box, (80, 16), (480, 480, 3))
    for left, top, right, bottom in places:
        assert 0 <= left < right < 480
        assert 0 <= top < bottom < 480
        assert (right - left, bottom - top) == (80, 16)
    assert not any(overlap(*pair) for pair in pairwise(places[:-1]))


def test_objects_of_a_low_score_are_not_drawn_and_the_most_certain_mask_is_on_top():
    image = np.full((96, 96, 3), 90, dtype=np.uint8)
    drawn = draw_objects(image, found(0.9, 0.49, 0.6, labels=[0, 1, 1]), ["a", "b"], [RED, GREEN])
    without = draw_objects(image, found(0.9, 0.6, labels=[0, 1]), ["a", "b"], [RED, GREEN])
    assert np.array_equal(drawn, without)
    middle = drawn[60 * 5, 40 * 5].astype(int)
    under = (np.full(3, 90) + GREEN) // 2
    assert np.abs(middle - (under + RED) // 2).max() <= 1


def test_annotated_and_predicted_objects_stand_apart_under_their_titles(tmp_path):
    sample = DetDataSample()
    sample.gt_instances = sample.pred_instances = found(0.9)
    visualizer = VISUALIZERS.build({"type": "model.InstanceLocalVisualizer", "name": "apart"})
    visualizer.dataset_meta = {"classes": ["dog"], "palette": [RED]}
    image = np.full((96, 96, 3), 90, dtype=np.uint8)
    visualizer.add_datasample("x", image, sample, out_file=str(tmp_path / "x.png"))
    drawn = cv2.imread(str(tmp_path / "x.png"))
    assert (drawn[:, 8 + 480 : 8 + 480 + 8] == 255).all()  # the gap
    for left in (8, 8 + 488):
        assert (drawn[:20, left : left + 480] < 128).any()  # a title

"""Cityscapes' folders, the transforms and the stream of samples, against what others define."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import InfiniteSampler as MmengineSampler
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

import model.data
from model.data import (
    CityscapesDataset,
    ConcatDataset,
    InfiniteSampler,
    LoadAnnotations,
    LoadImageFromFile,
    PackSegInputs,
    PhotoMetricDistortion,
    RandomCrop,
    RandomFlip,
    RandomResize,
    Resize,
    TestTimeAug,
)
from model.data.cityscapes import CITIES
from model.data.labels import CLASSES, PALETTE, to_train_ids
from model.data.photometric import linear
from model.data.stream import StreamDataset
from model.errors import DataError
from model.registry import DATASETS

# label id -> train id, as cityscapesScripts tabulates them
TRAIN_IDS = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip
PREFIX = {"img_path": "leftImg8bit/train", "seg_map_path": "gtFine/train"}
TRAIN_PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "RandomResize", "scale": (64, 32), "ratio_range": (0.5, 2.0), "keep_ratio": True},
    {"type": "RandomCrop", "crop_size": (16, 24), "cat_max_ratio": 0.75},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PhotoMetricDistortion"},
    {"type": "PackSegInputs"},
]


def dataset(root, pipeline=(), **kwargs):
    with DefaultScope.overwrite_default_scope("model"):
        return CityscapesDataset(
            data_root=str(root), data_prefix=PREFIX, pipeline=list(pipeline), **kwargs
        )


def copy_of(scenes, folder):
    shutil.copytree(scenes, folder / "copy")
    return folder / "copy"


def write(path: Path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


# --- Cityscapes


def test_label_ids_become_the_19_train_ids_and_all_others_255():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    want = np.array([TRAIN_IDS.get(i, 255) for i in range(256)], np.uint8).reshape(16, 16)
    assert np.array_equal(to_train_ids(every), want)
    assert len(CLASSES) == len(PALETTE) == len(set(PALETTE)) == 19


def test_images_are_paired_with_label_ids_and_with_train_ids_where_they_exist(tmp_path):
    image, ids = np.zeros((4, 6, 3), np.uint8), np.full((4, 6), 26, np.uint8)
    for frame in ("a_0", "a_1"):
        write(tmp_path / f"leftImg8bit/train/a/{frame}_leftImg8bit.png", image)
        write(tmp_path / f"gtFine/train/a/{frame}_gtFine_labelIds.png", ids)
    write(tmp_path / "gtFine/train/a/a_1_gtFine_labelTrainIds.png", np.full((4, 6), 5, np.uint8))
    data = dataset(tmp_path, [{"type": "LoadAnnotations"}])
    assert [set(np.unique(data[i]["gt_seg_map"])) for i in range(2)] == [{13}, {5}]
    assert data.metainfo["classes"] == CLASSES


def test_a_missing_folder_says_how_to_get_data(tmp_path):
    with pytest.raises(DataError, match=r"leftImg8bit/train; expected .*model\.data\.synthetic"):
        dataset(tmp_path)


def test_missing_files_are_named_and_counted(scenes, tmp_path):
    root = copy_of(scenes, tmp_path)
    labels = sorted((root / "gtFine/train").rglob("*.png"))
    images = sorted((root / "leftImg8bit/train").rglob("*.png"))
    labels[0].unlink()
    labels[3].unlink()
    images[5].unlink()
    with pytest.raises(DataError, match="3 files are missing of 8 pairs") as error:
        dataset(root)
    assert all(str(path) in str(error.value) for path in (labels[0], labels[3], images[5]))


def test_a_half_downloaded_cityscapes_is_an_error_unless_it_is_meant(tmp_path):
    assert sum(CITIES.values()) == 2975 + 500
    for city, count in CITIES.items():
        if city in ("frankfurt", "lindau", "munster", "zurich"):
            continue
        for i in range(count - 2 * (city == "ulm")):
            for folder, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
                path = tmp_path / folder / "train" / city / f"{city}_{i}_{suffix}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    with pytest.raises(DataError, match=r"124 of 2975 .*: ulm 93 of 95, zurich 0 of 122\."):
        dataset(tmp_path)
    assert len(dataset(tmp_path, allow_partial=True)) == 2975 - 124


@pytest.mark.parametrize(
    ("keep", "reason"),
    [(0, "0 bytes that are not an image"), (100, "cut short at 100"), (0.5, "cut"), (-8, "cut")],
)
def test_a_damaged_image_is_named_and_never_half_decoded(scenes, tmp_path, keep, reason):
    whole = next((scenes / "leftImg8bit/train").rglob("*.png")).read_bytes()
    size = int(len(whole) * keep) if isinstance(keep, float) else keep
    path = tmp_path / "x.png"
    path.write_bytes(whole[:size])
    with pytest.raises(DataError, match=rf"x\.png: .*{reason}.*download it again"):
        LoadImageFromFile()({"img_path": str(path)})
    with pytest.raises(DataError, match="cannot be read"):
        LoadImageFromFile()({"img_path": str(tmp_path / "absent.png")})


def test_labels_of_three_channels_are_refused(scenes):
    image = next((scenes / "leftImg8bit/train").rglob("*.png"))
    with pytest.raises(DataError, match="expected one channel"):
        LoadAnnotations()({"seg_map_path": str(image)})


# --- transforms


def sample(height, width, seed=0, **more):
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=(height, width), dtype=np.uint8)
    image = np.stack([labels * 60, labels * 30, 255 - labels], axis=-1)
    return {"img": image, "gt_seg_map": labels, "seg_fields": ["gt_seg_map"], "rng": rng, **more}


@pytest.mark.parametrize(
    ("shape", "scale", "want"),
    [
        ((1024, 2048), (2048, 1024), (1024, 2048)),
        ((1024, 2048), (1331, 665), (665, 1330)),
        ((97, 200), (2048, 1024), (993, 2048)),
        ((200, 97), (2048, 1024), (2048, 993)),
        ((50, 50), (2048, 1024), (1024, 1024)),
    ],
)
def test_keep_ratio_gives_the_largest_image_that_fits(shape, scale, want):
    out = Resize(scale=scale, keep_ratio=True)(sample(*shape))
    assert out["img"].shape[:2] == out["gt_seg_map"].shape == out["img_shape"] == want
    assert out["scale_factor"] == (want[1] / shape[1], want[0] / shape[0])


def test_labels_are_resized_by_nearest_neighbour_and_images_bilinearly():
    first = sample(6, 8)
    image, labels = first["img"].astype(float), first["gt_seg_map"]
    out = Resize(scale=(12, 9))(first)
    for row in range(9):
        for column in range(12):
            y, x = (row + 0.5) * 6 / 9 - 0.5, (column + 0.5) * 8 / 12 - 0.5
            y0, x0 = int(np.floor(y)), int(np.floor(x))
            want = sum(
                image[np.clip(a, 0, 5), np.clip(b, 0, 7)] * (1 - abs(y - a)) * (1 - abs(x - b))
                for a in (y0, y0 + 1)
                for b in (x0, x0 + 1)
            )
            assert np.abs(out["img"][row, column] - want).max() <= 1
            assert out["gt_seg_map"][row, column] == labels[row * 6 // 9, column * 8 // 12]


def test_random_resize_covers_its_range_evenly():
    resize = RandomResize(scale=(64, 32), ratio_range=(0.5, 2.0), keep_ratio=True)
    widths = [resize(sample(32, 64, seed))["img"].shape[1] for seed in range(300)]
    assert 31 <= min(widths) < 36
    assert 124 < max(widths) <= 128
    assert np.mean(widths) == pytest.approx(80, abs=5)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 1000))
def test_crop_takes_the_same_window_of_image_and_labels(height, width, seed):
    out = RandomCrop(crop_size=(8, 12))(sample(height, width, seed))
    assert out["gt_seg_map"].shape == out["img_shape"] == (min(height, 8), min(width, 12))
    assert np.array_equal(out["img"][..., 0], out["gt_seg_map"] * 60)


def test_crop_reaches_every_position():
    first = np.arange(64, dtype=np.uint8).reshape(8, 8)
    seen = set()
    for seed in range(300):
        start = {"img": first[..., None].repeat(3, 2), "rng": np.random.default_rng(seed)}
        seen.add(int(RandomCrop(crop_size=(6, 6))(start)["img"][0, 0, 0]))
    assert seen == {int(first[r, c]) for r in range(3) for c in range(3)}


def test_cat_max_ratio_avoids_windows_that_one_class_fills():
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 30:] = 1
    labels[0, :] = 255
    shares = {1.0: [], 0.75: []}
    for seed in range(200):
        for ratio, found in shares.items():
            start = {
                "img": np.zeros((40, 40, 3), np.uint8),
                "gt_seg_map": labels.copy(),
                "seg_fields": ["gt_seg_map"],
                "rng": np.random.default_rng(seed),
            }
            window = RandomCrop(crop_size=(10, 10), cat_max_ratio=ratio)(start)["gt_seg_map"]
            found.append(max((window == c).sum() / (window != 255).sum() for c in (0, 1)))
    free, kept = (np.array(found) for found in shares.values())
    bad = 26 / 31  # of the 31 positions, 5 have 3 to 7 columns of either class
    assert (free >= 0.75).mean() == pytest.approx(bad, abs=0.07)
    assert (kept >= 0.75).mean() == pytest.approx(bad**11, abs=0.07)


def test_ignored_pixels_do_not_count_as_a_class_that_fills_the_window():
    labels = np.full((10, 10), 255, np.uint8)
    labels[0] = [0] * 5 + [1] * 5
    first = np.arange(200, dtype=np.uint8).reshape(10, 20)
    start = {
        "img": first[..., None].repeat(3, 2),
        "gt_seg_map": np.concatenate([labels, np.zeros((10, 10), np.uint8)], axis=1),
        "seg_fields": ["gt_seg_map"],
        "rng": Script(0, 0),  # one window at (0, 0): a second draw would find nothing
    }
    out = RandomCrop(crop_size=(10, 10), cat_max_ratio=0.75)(start)
    assert out["img"][0, 0, 0] == 0


def test_flip_mirrors_image_and_labels_together_as_often_as_asked():
    flipped = 0
    for seed in range(400):
        first = sample(3, 5, seed)
        labels = first["gt_seg_map"]
        out = RandomFlip(prob=0.25)(first)
        assert np.array_equal(out["gt_seg_map"], labels[:, ::-1] if out["flip"] else labels)
        assert np.array_equal(out["img"][..., 0], out["gt_seg_map"] * 60)
        assert out["flip_direction"] == ("horizontal" if out["flip"] else None)
        flipped += out["flip"]
    assert 0.18 < flipped / 400 < 0.32


class Script:
    """A generator that returns what it was given, in order."""

    def __init__(self, *values):
        self.values = list(values)

    def integers(self, *_):
        return self.values.pop(0)

    def uniform(self, *_):
        return self.values.pop(0)


def test_distortion_steps_do_what_they_say():
    image = np.array([[[0, 0, 200], [10, 100, 250]]], np.uint8)  # BGR

    def distort(*script):
        return PhotoMetricDistortion()({"img": image, "rng": Script(*script)})["img"]

    nothing = (0, 0, 0, 0, 0)
    assert np.array_equal(distort(*nothing), image)
    assert distort(1, 30.7, 0, 0, 0, 0).tolist() == [[[30, 30, 230], [40, 130, 255]]]
    early = distort(0, 1, 1, 0.5, 0, 0)  # contrast before
    late = distort(0, 0, 0, 0, 1, 0.5)  # and after saturation and hue
    assert early.tolist() == late.tolist() == [[[0, 0, 100], [5, 50, 125]]]
    grey = distort(0, 0, 1, 0.0, 0, 0)  # no saturation: all channels at the value of HSV
    assert grey.tolist() == [[[200] * 3, [250] * 3]]
    assert distort(0, 0, 0, 1, 60, 0)[0, 0].tolist() == [0, 200, 0]  # red turned by 120 degrees
    assert distort(0, 0, 0, 1, -60, 0)[0, 0].tolist() == [200, 0, 0]  # and the other way round


@given(st.integers(0, 255), st.floats(0.5, 1.5), st.floats(-32, 32))
def test_linear_clips_and_cuts(value, alpha, beta):
    got = int(linear(np.full((1, 1), value, np.uint8), alpha=alpha, beta=beta)[0, 0])
    exact = min(max(value * alpha + beta, 0), 255)
    assert got in {int(exact - 1e-4), int(exact), int(exact + 1e-4)}


def test_packing_gives_channels_first_and_labels_in_a_sample():
    out = PackSegInputs()(sample(3, 5, img_path="a.png", ori_shape=(3, 5), secret=1))
    assert out["inputs"].shape == (3, 3, 5)
    assert out["inputs"].dtype == torch.uint8
    labels = out["data_samples"].gt_sem_seg.data
    assert labels.shape == (1, 3, 5)
    assert labels.dtype == torch.int64
    assert torch.equal(out["inputs"][0], (labels[0] * 60).to(torch.uint8))
    assert set(out["data_samples"].metainfo_keys()) == {"img_path", "ori_shape"}


def test_test_time_augmentation_takes_every_path_last_stage_fastest(scenes):
    stages = [
        [{"type": "Resize", "scale_factor": r, "keep_ratio": True} for r in (0.5, 1.0)],
        [{"type": "RandomFlip", "prob": p} for p in (0.0, 1.0)],
        [{"type": "LoadAnnotations"}],
        [{"type": "PackSegInputs"}],
    ]
    with DefaultScope.overwrite_default_scope("model"):
        augment = TestTimeAug(transforms=stages)
    out = augment(LoadImageFromFile()(dataset(scenes).get_data_info(0)))
    assert [tuple(t.shape) for t in out["inputs"]] == [(3, 16, 32)] * 2 + [(3, 32, 64)] * 2
    assert [s.flip for s in out["data_samples"]] == [False, True, False, True]
    assert all(s.gt_sem_seg.data.shape == (1, 32, 64) for s in out["data_samples"])
    assert torch.equal(out["inputs"][3], out["inputs"][2].flip(-1))


# --- the stream


@pytest.mark.parametrize("shuffle", [True, False])
def test_order_is_that_of_mmengines_sampler(shuffle):
    data = range(7)
    ours = iter(InfiniteSampler(data, shuffle=shuffle, seed=3))
    theirs = iter(MmengineSampler(data, shuffle=shuffle, seed=3))
    assert [int(next(ours)) for _ in range(40)] == [next(theirs) for _ in range(40)]


def test_ranks_share_the_stream_and_a_start_skips_its_beginning():
    whole = InfiniteSampler(range(5), seed=1)
    stream = [index for index, _ in zip(whole, range(30), strict=False)]
    for rank in range(3):
        part = InfiniteSampler(range(5), seed=1)
        part.rank, part.world_size, part.start = rank, 3, 4
        mine = [index for index, _ in zip(part, range(6), strict=False)]
        assert [(int(i), i.position) for i in mine] == [
            (int(i), i.position) for i in stream[rank::3][4:]
        ]


def test_every_place_and_seed_has_random_numbers_of_its_own():
    def draws(seed, count):
        stream = zip(InfiniteSampler(range(2), seed=seed), range(count), strict=False)
        return [float(index.rng().random()) for index, _ in stream]

    assert len({*draws(0, 50), *draws(1, 50)}) == 100
    assert draws(0, 50) == draws(0, 50)


def batches(scenes, workers, start, count=4):
    data = dataset(scenes, TRAIN_PIPELINE)
    sampler = InfiniteSampler(data, seed=5)
    sampler.start = start * 3
    loader = DataLoader(
        data, batch_size=3, sampler=sampler, num_workers=workers, collate_fn=pseudo_collate
    )
    found = [batch for batch, _ in zip(loader, range(count), strict=False)]
    return [torch.cat([t.flatten() for t in batch["inputs"]]) for batch in found]


def test_augmentation_depends_on_the_place_in_the_stream_only(scenes):
    alone = batches(scenes, 0, start=0)
    assert all(map(torch.equal, alone, batches(scenes, 2, start=0)))
    assert all(map(torch.equal, alone[2:], batches(scenes, 0, start=2, count=2)))
    assert not torch.equal(alone[0], alone[1])


def test_a_late_start_reads_no_earlier_image(scenes, monkeypatch):
    reads = []
    load = LoadImageFromFile.__call__

    def counted(self, results):
        reads.append(results["img_path"])
        return load(self, results)

    monkeypatch.setattr(LoadImageFromFile, "__call__", counted)
    batches(scenes, 0, start=1000, count=2)
    assert 6 <= len(reads) <= 9  # two batches, and the one that zip fetches to find its end


def test_every_data_set_takes_its_random_numbers_from_the_stream():
    registered = DATASETS.module_dict.values()
    assert CityscapesDataset in registered
    alone = [kind for kind in registered if kind is not ConcatDataset]
    assert all(issubclass(kind, StreamDataset) for kind in alone)


def test_every_module_that_registers_something_is_imported_with_the_package():
    folder = Path(model.data.__file__).parent
    package = (folder / "__init__.py").read_text(encoding="utf-8")
    registering = {p.stem for p in folder.glob("*.py") if ".register_module()" in p.read_text()}
    assert registering
    assert {
        name for name in registering if f"from model.data.{name} import" not in package
    } == set()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RandomFlip(prob="x"), "prob is 'x'; expected a number"),
        (lambda: RandomFlip(prob=True), "prob is True; expected a number"),
        (lambda: RandomResize(scale=(64, 32), ratio_range=0.5), "ratio_range is 0.5; expected two"),
        (lambda: RandomResize(scale="64", ratio_range=(0.5, 2.0)), "scale is '64'; expected two"),
        (lambda: RandomCrop(crop_size=(32,)), r"crop_size is \(32,\); expected two numbers"),
        (lambda: RandomCrop(crop_size=32, cat_max_ratio="y"), "cat_max_ratio is 'y'"),
        (lambda: Resize(scale_factor="z"), "scale_factor is 'z'; expected a number"),
        (lambda: Resize(scale=(64, "a")), "scale is 'a'; expected a number"),
        (lambda: PhotoMetricDistortion(hue_delta=None), "hue_delta is None; expected a number"),
        (lambda: PhotoMetricDistortion(contrast_range=1), "contrast_range is 1; expected two"),
    ],
)
def test_a_transform_refuses_what_is_no_number_when_it_is_made(make, said):
    with pytest.raises(ValueError, match=said):
        make()

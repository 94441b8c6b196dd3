"""Clips from files to tensors: which frames belong to one, and that all are treated alike."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from model.data import (
    CamVidDataset,
    LoadAnnotations,
    LoadClip,
    LoadImageFromFile,
    PackSegInputs,
    PhotoMetricDistortion,
    RandomCrop,
    RandomFlip,
    RandomResize,
    Resize,
)
from model.data.clips import clip_numbers
from model.data.synthetic import camvid as camvid_videos
from model.data.synthetic import generate
from model.data.synthetic.camvid import draw_video
from model.errors import ConfigError, DataError
from model.preprocess import SegDataPreProcessor

PREFIX = {"img_path": "train", "seg_map_path": "trainannot"}
REAL = ("0001TP_006690", "0001TP_006720", "0001TP_006750", "0006R0_f00930", "0016E5_00390",
        "Seq05VD_f00000")  # fmt: skip


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def image_of(name, size=(6, 8)):
    """An image of one grey value, which its name determines."""
    return np.full((*size, 3), sum(name.encode()) % 251, dtype=np.uint8)


@pytest.fixture
def camvid(tmp_path):
    """CamVid's folders with a few images under their published names, and a list."""
    for name in REAL:
        write(tmp_path / f"train/{name}.png", image_of(name))
        labels = np.array([[*range(8)], [*range(8, 12), 0, 0, 0, 0]] * 3, dtype=np.uint8)
        write(tmp_path / f"trainannot/{name}.png", labels)
    lines = [f"/SegNet/CamVid/train/{n}.png /SegNet/CamVid/trainannot/{n}.png\n" for n in REAL[:4]]
    (tmp_path / "train.txt").write_text("".join(lines))
    return tmp_path


def built(root, **options):
    return CamVidDataset(data_root=str(root), data_prefix=PREFIX, allow_partial=True, **options)


def stems(dataset, index=0):
    return [path.rpartition("/")[2].partition(".")[0] for path in dataset[index]["frame_paths"]]


def test_labels_are_eleven_classes_and_void_is_ignored(camvid):
    dataset = built(camvid, pipeline=[LoadImageFromFile(), LoadAnnotations()])
    assert len(dataset) == len(REAL)
    assert len(dataset.metainfo["classes"]) == len(dataset.metainfo["palette"]) == 11
    labels = dataset[0]["gt_seg_map"]
    assert labels[0].tolist() == list(range(8))
    assert labels[1].tolist() == [8, 9, 10, 255, 0, 0, 0, 0]


def test_a_list_of_the_tutorial_chooses_the_images_and_their_order(camvid):
    dataset = built(camvid, ann_file="train.txt")
    assert [dataset[i]["img_path"].rpartition("/")[2] for i in range(4)] == [
        f"{name}.png" for name in REAL[:4]
    ]
    assert len(dataset) == 4


def test_a_clip_of_labelled_images_stays_in_its_sequence_and_repeats_the_ends(camvid):
    dataset = built(camvid, clip_length=5)
    a, b, c, alone, *_ = REAL
    assert stems(dataset, 0) == [a, a, a, b, c]
    assert stems(dataset, 1) == [a, a, b, c, c]
    assert stems(dataset, 3) == [alone] * 5


def test_the_neighbours_of_a_listed_image_need_not_be_listed(camvid):
    (camvid / "train.txt").write_text(f"/x/{REAL[1]}.png /y/{REAL[1]}.png\n")
    assert stems(built(camvid, clip_length=3, ann_file="train.txt")) == list(REAL[:3])


@pytest.mark.parametrize(
    ("middle", "step", "expected"),
    [
        (10, 2, [6, 8, 10, 12, 14]),
        (3, 2, [1, 1, 3, 5, 7]),
        (0, 3, [0, 0, 0, 3, 6]),
        (20, 7, [6, 13, 20, 20, 20]),
        (19, 1, [17, 18, 19, 20, 20]),
    ],
)
def test_a_clip_keeps_its_step_and_repeats_the_outermost_frame(middle, step, expected):
    assert clip_numbers(middle, 5, step, first=0, last=20) == expected


def with_frames(root, first=6686, last=6752, suffix=".jpg"):
    for number in range(first, last + 1):
        write(root / f"frames/0001TP_{number:06d}{suffix}", image_of(str(number)))
    for name in REAL[3:]:
        sequence, _, number = name.partition("_")
        write(root / f"frames/{sequence}_{int(number.lstrip('f')):06d}.png", image_of(name))


def test_a_clip_of_a_video_has_the_frames_around_the_labelled_image(camvid):
    with_frames(camvid)
    dataset = built(camvid, clip_length=5, frame_folder="frames", frame_step=2)
    assert stems(dataset) == [f"0001TP_{n:06d}" for n in (6686, 6688, 6690, 6692, 6694)]
    paths = dataset[0]["frame_paths"]
    assert paths[2].endswith("train/0001TP_006690.png")
    assert paths[1].endswith("frames/0001TP_006688.jpg")
    assert stems(dataset, 2) == [f"0001TP_{n:06d}" for n in (6746, 6748, 6750, 6752, 6752)]
    assert stems(dataset, 3) == [REAL[3]] * 5


def test_missing_frames_are_counted_and_named(camvid):
    with_frames(camvid)
    for number in (6688, 6689, 6721):
        (camvid / f"frames/0001TP_{number:06d}.jpg").unlink()
    with pytest.raises(DataError, match=r"3 frames of the clips around 6 images .*0001TP_006688"):
        built(camvid, clip_length=5, frame_folder="frames").full_init()


def test_a_sequence_without_frames_is_named(camvid):
    with_frames(camvid)
    (camvid / "frames/0016E5_000390.png").unlink()
    with pytest.raises(DataError, match="all of 0016E5"):
        built(camvid, clip_length=5, frame_folder="frames").full_init()


def test_a_missing_folder_of_frames_says_what_is_expected(camvid):
    with pytest.raises(DataError, match=r"found no folder .*frames; expected CamVid's layout"):
        built(camvid, clip_length=5, frame_folder="frames").full_init()


def test_names_without_a_frame_number_are_refused(camvid):
    for folder in PREFIX.values():
        (camvid / folder / "0001TP_006690.png").rename(camvid / folder / "holiday.png")
    with pytest.raises(DataError, match=r"1 of 6 names .* state no frame of a sequence: holiday"):
        built(camvid, clip_length=3).full_init()


def test_two_names_of_one_frame_are_refused(camvid):
    for folder in PREFIX.values():
        source = camvid / folder / "0006R0_f00930.png"
        (camvid / folder / "0006R0_930.png").write_bytes(source.read_bytes())
    with pytest.raises(DataError, match=r"0006R0_\w+ and 0006R0_\w+ under .*number 930 of 0006R0"):
        built(camvid, clip_length=3).full_init()


def in_subfolders(root, name, *subfolders):
    """Moves an image with its labels into one subfolder, or copies it into several."""
    for folder in PREFIX.values():
        source = root / folder / f"{name}.png"
        data = source.read_bytes()
        source.unlink()
        for subfolder in subfolders:
            (root / folder / subfolder).mkdir(exist_ok=True)
            (root / folder / subfolder / f"{name}.png").write_bytes(data)


@pytest.mark.parametrize("length", [1, 3])
def test_images_in_subfolders_have_the_clips_of_their_names(camvid, length):
    before = sorted(stems(built(camvid, clip_length=length), i) for i in range(6))
    in_subfolders(camvid, REAL[1], "a")
    dataset = built(camvid, clip_length=length)
    assert sorted(stems(dataset, i) for i in range(6)) == before
    assert any("/a/" in path for i in range(6) for path in dataset[i]["frame_paths"])


@pytest.mark.parametrize("length", [1, 3])
def test_one_name_in_two_subfolders_is_refused(camvid, length):
    in_subfolders(camvid, REAL[1], "a", "b")
    with pytest.raises(DataError, match=rf"{REAL[1]}\.png and .*{REAL[1]}\.png have one name"):
        built(camvid, clip_length=length).full_init()


@pytest.mark.parametrize(("option", "value"), [("clip_length", 4), ("clip_length", 0),
                                               ("frame_step", 0)])  # fmt: skip
def test_a_clip_has_an_odd_number_of_frames_at_a_step(camvid, option, value):
    with pytest.raises(ConfigError, match=f"{option} is {value}"):
        built(camvid, **{option: value})


def test_a_half_downloaded_split_is_refused_and_a_synthetic_one_is_not(camvid, tmp_path_factory):
    with pytest.raises(DataError, match=r"CamVid's train is incomplete: 361 of 367 images"):
        CamVidDataset(data_root=str(camvid), data_prefix=PREFIX)
    other = tmp_path_factory.mktemp("synthetic")
    generate(other, train=1, val=1, size=(16, 32), kind="camvid")
    assert len(CamVidDataset(data_root=str(other), data_prefix=PREFIX)) == 1


@pytest.mark.parametrize("name", ["LabeledApproved_full", "class_dict.csv", "train_labels"])
def test_the_release_with_32_classes_is_recognised(camvid, name):
    (camvid / name).mkdir()
    with pytest.raises(DataError, match=rf"holds {name}: CamVid with 32 classes in colours"):
        built(camvid).full_init()


def test_frames_of_another_size_are_refused(camvid):
    write(camvid / f"train/{REAL[1]}.png", image_of(REAL[1], size=(9, 8)))
    dataset = built(camvid, clip_length=3, pipeline=[LoadClip()])
    with pytest.raises(DataError, match=r"is 8x9 pixels, and .* 8x6; expected frames of one size"):
        dataset[0]


def results(frames, seed=3):
    """What LoadClip and LoadAnnotations leave of frames [H, W, 3], with labels in the red."""
    clip = np.concatenate(frames, axis=2)
    found = {"img": clip, "img_shape": clip.shape[:2], "ori_shape": clip.shape[:2]}
    found |= {"gt_seg_map": clip[..., 2] % 5, "seg_fields": ["gt_seg_map"]}
    return {**found, "rng": np.random.default_rng(seed)}


@pytest.mark.parametrize(
    "transform",
    [
        Resize(scale_factor=0.5),
        Resize(scale=(61, 40)),
        RandomResize(scale=(64, 48), ratio_range=(0.5, 2.0), keep_ratio=True),
        RandomCrop(crop_size=(20, 30), cat_max_ratio=0.75),
        RandomFlip(prob=1.0),
        PhotoMetricDistortion(),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_every_frame_of_a_clip_is_treated_as_the_image_alone(transform):
    draw = np.random.default_rng(1)
    frames = [draw.integers(0, 256, size=(48, 64, 3), dtype=np.uint8) for _ in range(5)]
    for seed in range(4):
        clip = transform(results(frames, seed))["img"]
        for k, frame in enumerate(frames):
            alone = results([frame], seed)
            alone["gt_seg_map"] = results(frames)["gt_seg_map"]
            expected = transform(alone)["img"]
            assert np.array_equal(clip[..., 3 * k : 3 * k + 3], expected), (seed, k)


def test_a_packed_clip_has_an_axis_of_frames_also_if_it_is_one(camvid):
    pipeline = [LoadClip(), LoadAnnotations(), RandomFlip(prob=1.0), PackSegInputs()]
    for length in (1, 3):
        packed = built(camvid, clip_length=length, pipeline=pipeline)[1]
        assert packed["inputs"].shape == (length, 3, 6, 8)
        values = packed["inputs"][:, 0, 0, 0].tolist()
        names = [REAL[1]] if length == 1 else REAL[:3]
        assert values == [int(image_of(name)[0, 0, 0]) for name in names]
        assert packed["data_samples"].gt_sem_seg.data.shape == (1, 6, 8)


def test_the_preprocessor_treats_each_frame_as_an_image():
    options = {"mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0], "size": (10, 12)}
    clip = torch.randint(0, 256, (3, 3, 8, 11), dtype=torch.uint8)
    found = SegDataPreProcessor(**options, bgr_to_rgb=True)({"inputs": [clip]}, training=True)
    frames = SegDataPreProcessor(**options, bgr_to_rgb=True)({"inputs": list(clip)}, training=True)
    assert found["inputs"].shape == (1, 3, 3, 10, 12)
    assert torch.equal(found["inputs"][0], frames["inputs"])


def test_the_labelled_frame_does_not_show_what_moves(monkeypatch):
    """With all figures standing still, the middle frame keeps its pixels, and people are poles."""

    def videos():
        return [draw_video(64, 128, np.random.Generator(np.random.PCG64(i))) for i in range(8)]

    moving, draw = videos(), camvid_videos._figure
    monkeypatch.setattr(camvid_videos, "_figure", lambda *args: replace(draw(*args), speed=0))
    pole, person = (list(camvid_videos.CLASSES).index(name) for name in ("Pole", "Pedestrian"))
    changed = 0
    for (frames, labels), (still, poles) in zip(moving, videos(), strict=True):
        assert np.array_equal(frames[2], still[2])
        assert np.array_equal(np.where(labels == person, pole, labels), poles)
        changed += not np.array_equal(frames[0], still[0])
    assert changed >= 6


def test_synthetic_videos_are_the_same_each_time_and_have_every_list(tmp_path):
    for name in ("a", "b"):
        generate(tmp_path / name, train=2, val=1, size=(16, 32), kind="camvid")
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert {str(f) for f in files} >= {"train.txt", "val.txt", "test.txt"}
    assert sum("frames" in str(f) for f in files) == 5 * 4
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    line = (tmp_path / "a/val.txt").read_text().splitlines()
    assert len(line) == 1
    assert re.fullmatch(r"\S+/val/synthval0000_000002\.png \S+/valannot/\S+\.png", line[0])

"""Data sets in folders, also ADE20K and VOC: pairs, values of labels, and what is wrong."""

import io

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from PIL import Image
from torch.utils.data import DataLoader

from model import load_config
from model.data import (
    ADE20KDataset,
    ConcatDataset,
    InfiniteSampler,
    LoadAnnotations,
    LoadImageFromFile,
    Pad,
    PascalVOCDataset,
    SegmentationFolder,
    ade20k,
    voc,
)
from model.data.concat import roots, without_pipeline
from model.data.loading import read_image, read_labels
from model.data.palettes import distinct_colours
from model.data.synthetic import KINDS, generate
from model.data.synthetic.files import encode_jpeg, encode_png
from model.doctor import machine
from model.doctor.check import Asked
from model.errors import ConfigError, DataError
from model.metrics.iou import IoUMetric
from model.registry import DATASETS

FOLDERS = {"img_path": "images", "seg_map_path": "labels"}
VOC_FOLDERS = {"img_path": "JPEGImages", "seg_map_path": "SegmentationClass"}
ADE_FOLDERS = {"img_path": "images/training", "seg_map_path": "annotations/training"}
LISTS = "ImageSets/Segmentation"


def put(path, data=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def pair(root, name, values, *, size=(4, 6)):
    labels = np.resize(np.array(values, np.uint8), size)
    put(root / f"images/{name}.jpg", encode_jpeg(np.zeros((*size, 3), np.uint8)))
    put(root / f"labels/{name}.png", encode_png(labels))
    return labels


def folder(root, classes=("a", "b"), **more):
    options = {"data_prefix": FOLDERS, "metainfo": {"classes": classes}, **more}
    pipeline = [LoadImageFromFile(), LoadAnnotations()]
    return SegmentationFolder(data_root=str(root), pipeline=pipeline, **options)


def values(data, index=0):
    return data[index]["gt_seg_map"]


def test_pairs_are_found_in_subfolders_in_the_order_of_paths_or_of_the_list(tmp_path):
    for name in ("b", "a", "city/c"):
        pair(tmp_path, name, [0, 1])
    put(tmp_path / "images/._a.jpg")
    put(tmp_path / "some.txt", "city/c\n\na\n")

    def names(data):
        return [data.get_data_info(i)["img_path"].partition("images/")[2] for i in range(len(data))]

    assert names(folder(tmp_path)) == ["a.jpg", "b.jpg", "city/c.jpg"]
    assert names(folder(tmp_path, ann_file="some.txt")) == ["city/c.jpg", "a.jpg"]


def test_images_and_labels_may_lie_in_one_folder(tmp_path):
    for name in ("a", "b"):
        put(tmp_path / f"x/{name}.png", encode_png(np.zeros((2, 2, 3), np.uint8)))
        put(tmp_path / f"x/{name}_label.png", encode_png(np.ones((2, 2), np.uint8)))
    both = {"img_path": "x", "seg_map_path": "x"}
    data = folder(tmp_path, data_prefix=both, img_suffix=".png", seg_map_suffix="_label.png")
    assert len(data) == 2
    assert values(data).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("reduce", [False, True])
@pytest.mark.parametrize("ignored", [255, 9])
def test_each_value_becomes_its_class_or_255(reduce, ignored, tmp_path):
    given = [0, 1, 2, ignored] if reduce else [0, 1, ignored]
    labels = pair(tmp_path, "a", given)
    got = values(folder(tmp_path, ignore_index=ignored, reduce_zero_label=reduce))
    for value, mapped in zip(labels.ravel().tolist(), got.ravel().tolist(), strict=True):
        none = value == ignored or (reduce and value == 0)
        assert mapped == (255 if none else value - reduce)


def test_a_value_that_is_no_class_is_named_with_its_file_and_count(tmp_path):
    pair(tmp_path, "a", [0, 1, 7, 8, 7, 0])
    said = (
        r"labels/a\.png: 12 of 24 pixels are no class .* 7 \(8 pixels\), 8 \(4 pixels\); expected "
        r"0 to 1, or 255 for no class\. .*ignore_index"
    )
    with pytest.raises(DataError, match=said):
        folder(tmp_path)[0]


def test_a_pipeline_that_contradicts_the_data_set_is_refused(tmp_path):
    pair(tmp_path, "a", [0, 1])
    data = folder(tmp_path)
    data.pipeline.transforms[1] = LoadAnnotations(reduce_zero_label=True)
    with pytest.raises(ConfigError, match="reduce_zero_label=True and the data set False"):
        data[0]


def test_colours_are_generated_alike_and_differ_from_each_other_and_from_black(tmp_path):
    pair(tmp_path, "a", [0])
    colours = [tuple(colour) for colour in distinct_colours(255)]
    assert len({*colours, (0, 0, 0)}) == 256
    assert folder(tmp_path).metainfo["palette"] == [[128, 0, 0], [0, 128, 0]]
    for mine in ([(1, 2, 3), (4, 5, 6)], np.array([[1, 2, 3], [4, 5, 6]], np.uint8)):
        data = folder(tmp_path, metainfo={"classes": ("a", "b"), "palette": mine})
        assert data.metainfo["palette"] == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("metainfo", "said"),
    [
        (None, r"expected metainfo=dict\(classes="),
        ({"classes": "ab"}, "classes of SegmentationFolder are 'ab'"),
        ({"classes": ("a", "a")}, "2 classes of 1 name;"),
        ({"classes": ("a",), "palette": [[1, 2]]}, "palette .* 1 entry for 1 class; expected"),
        ({"classes": ("a", "b"), "palette": [[1, 2, 3]]}, "1 entry for 2 classes"),
        ({"classes": ("a",), "palette": 3}, "palette .* is 3 for 1 class; expected a list or"),
        ({"classes": ("a",), "palette": np.ones(3, int)}, "palette .* 3 entries for 1 class;"),
        ({"classes": ("a",), "palette": [[1, 2, 256]]}, "from 0 to 255"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_classes_and_colours_that_do_not_fit_are_refused(metainfo, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        folder(tmp_path, metainfo=metainfo)


def no_labels(root):
    (root / "labels/b.png").unlink()


def no_image(root):
    (root / "images/b.jpg").unlink()


def other_suffix(root):
    for name in "abc":
        (root / f"images/{name}.jpg").rename(root / f"images/{name}.JPG")


def absent(root):
    (root / "labels").rename(root / "annotations")


def larger(root):
    put(root / "labels/a.png", encode_png(np.zeros((4, 7), np.uint8)))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_labels, r"1 file is missing of 3 pairs .*labels/b\.png"),
        (no_image, r"1 file is missing of 3 pairs .*images/b\.jpg"),
        (other_suffix, r"no images: found no \*\.jpg under .*, but 3 of \.JPG; .*img_suffix"),
        (absent, r"found no folder .*labels; expected a folder of images"),
        (larger, r"a\.jpg is 6x4 pixels and its labels .* 7x4"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named_and_counted(spoil, said, tmp_path):
    for name in "abc":
        pair(tmp_path, name, [0, 1])
    spoil(tmp_path)
    with pytest.raises(DataError, match=said):
        folder(tmp_path)[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a\nx\n", r"2 files are missing of the 2 pairs .* lists: .*images/x\.jpg, .*labels/x"),
        (b"a\nb\na\n", r"of 2 names, 1 is listed more than once: a\."),
        (b"\n", "is empty"),
        (b"\xff\xfe", "it is not text"),
        (None, "found no file"),
    ],
)
def test_what_is_wrong_with_a_list_is_named(text, said, tmp_path):
    pair(tmp_path, "a", [0])
    pair(tmp_path, "b", [0])
    if text is not None:
        put(tmp_path / "l.txt", text)
    with pytest.raises(DataError, match=said):
        folder(tmp_path, ann_file="l.txt")


def test_a_list_may_begin_with_the_mark_of_an_editor(tmp_path):
    pair(tmp_path, "a", [0])
    put(tmp_path / "l.txt", b"\xef\xbb\xbfa\r\n")
    assert len(folder(tmp_path, ann_file="l.txt")) == 1


def test_what_lies_in_the_place_of_a_missing_file_is_named(tmp_path):
    for name in "abcd":
        pair(tmp_path, name, [0])
    (tmp_path / "images/b.jpg").rename(tmp_path / "images/b.JPG")
    (tmp_path / "images/c.jpg").rename(tmp_path / "c.jpg")
    (tmp_path / "images/c.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(DataError, match="2 files are missing of 4 pairs") as told:
        folder(tmp_path).full_init()
    assert "b.jpg (there is b.JPG)" in str(told.value)
    assert "c.jpg (a link to" in str(told.value)
    put(tmp_path / "l.txt", b"a.jpg\n")
    with pytest.raises(DataError, match=r"a\.jpg\.jpg \(there is a\.jpg\)"):
        folder(tmp_path, ann_file="l.txt").full_init()
    for name in "abd":
        (tmp_path / f"images/{name}.jpg").unlink(missing_ok=True)
    (tmp_path / "images/b.JPG").unlink()
    with pytest.raises(DataError, match="but 1 of links that lead nowhere"):
        folder(tmp_path).full_init()


def test_one_name_in_two_forms_of_unicode_is_told_apart(tmp_path):
    pair(tmp_path, "\xe9", [0])
    (tmp_path / "images/\xe9.jpg").rename(tmp_path / "images/e\u0301.jpg")
    with pytest.raises(DataError, match=r"\(there is 'e\\u0301\.jpg'\)"):
        folder(tmp_path).full_init()


def test_folders_that_are_linked_into_themselves_are_read_once(tmp_path):
    for name in ("a", "street/b"):
        pair(tmp_path, name, [0])
    for part in FOLDERS.values():
        (tmp_path / part / "self").symlink_to(".")
        (tmp_path / part / "street/up").symlink_to("..")
    assert len(folder(tmp_path)) == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ignore_index": None}, "ignore_index of SegmentationFolder is None; expected a whole"),
        (
            {"data_prefix": dict.fromkeys(FOLDERS, "labels"), "img_suffix": ".png"},
            "are the same files",
        ),
        ({"data_prefix": FOLDERS | {"img_path": None}}, "data_prefix .* is .*None.*; expected the"),
        ({"data_prefix": None}, "data_prefix of SegmentationFolder is None; expected the folders"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(more, said, tmp_path):
    pair(tmp_path, "a", [0])
    with pytest.raises(ConfigError, match=said):
        folder(tmp_path, **more)


# --- files


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_of_a_palette_png_the_indices_are_read_not_the_colours(bits, tmp_path):
    indices = np.random.default_rng(bits).integers(2**bits, size=(5, 7), dtype=np.uint8)
    image = Image.fromarray(indices, mode="P")
    image.putpalette([c for colour in distinct_colours(2**bits) for c in colour])
    file = io.BytesIO()
    image.save(file, "PNG", bits=bits)
    put(tmp_path / "a.png", file.getvalue())
    assert cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED).ndim == 3
    assert np.array_equal(read_labels(str(tmp_path / "a.png")), indices)
    put(tmp_path / "cut.png", file.getvalue()[:-9])
    with pytest.raises(DataError, match=r"cut\.png: the file is cut short"):
        read_labels(str(tmp_path / "cut.png"))


def test_a_palette_png_with_damage_inside_is_refused(tmp_path):
    image = Image.fromarray(np.zeros((40, 60), np.uint8), mode="P")
    image.putpalette([0, 0, 0, 9, 9, 9])
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=0)
    data = bytearray(file.getvalue())
    data[data.index(b"IDAT") + 200] = 1  # a pixel of another class
    put(tmp_path / "a.png", bytes(data))
    with pytest.raises(DataError, match=r"a\.png: cannot be decoded .*checksum"):
        read_labels(str(tmp_path / "a.png"))


def test_a_png_may_have_bytes_after_its_end(tmp_path):
    put(tmp_path / "a.png", encode_png(np.ones((4, 6), np.uint8)) + b"\0" * 200)
    assert (read_labels(str(tmp_path / "a.png")) == 1).all()


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_an_image_is_read_as_it_is_stored_whatever_its_exif_states(orientation, suffix, tmp_path):
    pair(tmp_path, "a", [0, 1])
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.repeat(np.arange(4 * 6, dtype=np.uint8).reshape(4, 6, 1) * 10, 3, axis=2)
    path = tmp_path / f"images/a.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif, quality=100)
    got = folder(tmp_path, img_suffix=f".{suffix}")[0]["img"]
    assert np.abs(got.astype(int) - pixels).max() <= 2
    assert np.array_equal(read_image(str(path)), got)


def test_labels_that_fit_an_image_as_exif_turns_it_are_refused_with_the_reason(tmp_path):
    pair(tmp_path, "a", [0, 1], size=(6, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "images/a.jpg", exif=exif)
    with pytest.raises(DataError, match=r"6x4 pixels and its labels .* 4x6; .* EXIF orientation"):
        folder(tmp_path)[0]


@pytest.mark.parametrize(
    ("mode", "said"),
    [("LA", r"2 channels \(grey and alpha\)"), ("RGB", "3 channels"), ("RGBA", "4 channels")],
)
def test_labels_with_several_channels_are_refused_with_the_channels_of_the_file(
    mode, said, tmp_path
):
    Image.new(mode, (16, 12)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=f"labels have {said}.*; expected one channel"):
        read_labels(str(tmp_path / "a.png"))


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_a_png_with_damage_inside_is_no_image(shape, tmp_path):
    data = bytearray(cv2.imencode(".png", np.zeros(shape, np.uint8), [16, 0])[1].tobytes())
    data[data.index(b"IDAT") + 200] = 1
    put(tmp_path / "a.png", bytes(data))
    for read in (read_image, read_labels):
        with pytest.raises(DataError, match=r"a\.png: \d+ bytes that are not an image"):
            read(str(tmp_path / "a.png"))


def test_labels_whose_values_a_decoder_would_change_are_refused(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.eye(4, dtype=bool)).save(file, "PNG")
    put(tmp_path / "one.png", file.getvalue())
    with pytest.raises(DataError, match="grey with 1 bit a pixel"):
        read_labels(str(tmp_path / "one.png"))
    put(tmp_path / "a.png", encode_jpeg(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(DataError, match="labels are a JPEG"):
        read_labels(str(tmp_path / "a.png"))


def test_a_jpeg_that_is_cut_short_is_noticed_also_behind_a_preview(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(32, 48, 3), dtype=np.uint8)
    whole, preview = encode_jpeg(pixels), encode_jpeg(pixels[:8, :8])
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    for data in (whole, whole[:2] + segment + whole[2:], whole + b"\0" * 40):
        put(tmp_path / "a.jpg", data)
        assert np.array_equal(read_image(str(tmp_path / "a.jpg")), cv2.imdecode(
            np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR
        ))  # fmt: skip
    for data in (whole[:-2], whole[:2] + segment + whole[2:-30], whole[:40]):
        put(tmp_path / "a.jpg", data)
        with pytest.raises(DataError, match=r"a\.jpg: the file is cut short at"):
            read_image(str(tmp_path / "a.jpg"))


def test_padding_fills_the_right_and_the_bottom_and_larger_images_stay():
    start = {"img": np.full((3, 5, 3), 7, np.uint8), "gt_seg_map": np.ones((3, 5), np.uint8)}
    out = Pad(size=(4, 6))({**start, "seg_fields": ["gt_seg_map"]})
    assert out["img_shape"] == out["gt_seg_map"].shape == (6, 5)
    for row in range(6):
        assert (out["img"][row] == (7 if row < 3 else 0)).all()
        assert (out["gt_seg_map"][row] == (1 if row < 3 else 255)).all()


# --- ADE20K


def ade(root, **more):
    return ADE20KDataset(data_root=str(root), data_prefix=ADE_FOLDERS, **more)


def test_ade20k_has_150_classes_from_value_1_and_0_is_ignored(tmp_path):
    generate(tmp_path, train=2, val=1, size=(32, 64), kind="ade20k")
    data = ade(tmp_path, pipeline=[LoadImageFromFile(), LoadAnnotations(reduce_zero_label=True)])
    assert len(data.metainfo["classes"]) == len(data.metainfo["palette"]) == 150
    for index in range(2):
        info = data.get_data_info(index)
        raw = cv2.imread(info["seg_map_path"], cv2.IMREAD_UNCHANGED)
        assert np.array_equal(values(data, index), np.where(raw == 0, 255, raw.astype(int) - 1))
    assert ade20k.CLASSES[values(data, 1)[0, 30]] in ("ceiling", "wall")
    assert {ade20k.CLASSES[c] for c in np.unique(values(data, 0)) if c < 255} >= {"sky", "road"}


def test_a_half_unpacked_ade20k_is_counted_and_a_list_may_choose(tmp_path):
    for index in range(1, 4):
        name = f"ADE_train_{index:08d}"
        put(tmp_path / f"images/training/{name}.jpg")
        put(tmp_path / f"annotations/training/{name}.png")
    with pytest.raises(DataError, match=r"20207 of 20210 images are .*ADEChallengeData"):
        ade(tmp_path)
    put(tmp_path / "few.txt", "ADE_train_00000002\n")
    assert len(ade(tmp_path, ann_file="few.txt")) == 1


def test_a_folder_of_ade20k_with_two_splits_is_refused_and_other_names_are_not_counted(tmp_path):
    def put_pairs(names):
        for name in names:
            put(tmp_path / f"images/training/{name}.jpg")
            put(tmp_path / f"annotations/training/{name}.png")

    put_pairs(["ADE_val_00000001", "mine"])
    with pytest.raises(DataError, match="1999 of 2000 images are missing"):
        ade(tmp_path)
    put_pairs([f"ADE_train_{n:08d}" for n in range(3)])
    with pytest.raises(DataError, match=r"two splits, 3 ADE_train_\* and 1 ADE_val_\*; expected"):
        ade(tmp_path)
    put(tmp_path / "few.txt", "ADE_train_00000002\nADE_val_00000001\n")
    assert len(ade(tmp_path, ann_file="few.txt")) == 2


def test_the_full_release_of_ade20k_is_recognised(tmp_path):
    put(tmp_path / "images/ADE/training/a/b/ADE_train_00000001_seg.png")
    with pytest.raises(DataError, match=r"full release of ADE20K \(it has images/ADE\)"):
        ade(tmp_path)


def test_other_classes_than_the_published_ones_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="names 1 class other than its 150"):
        ade(tmp_path, metainfo={"classes": ("wall",)})


# --- VOC


def voc_set(root, name="train", **more):
    return PascalVOCDataset(
        data_root=str(root), data_prefix=VOC_FOLDERS, ann_file=f"{LISTS}/{name}.txt", **more
    )


def test_voc_has_the_colours_of_its_development_kit():
    assert voc.PALETTE[:4] == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert voc.PALETTE[20] == (0, 64, 128)
    assert len(voc.CLASSES) == len(set(voc.PALETTE)) == 21


def test_both_label_folders_of_voc_hold_the_same_classes_and_borders(tmp_path):
    generate(tmp_path, train=4, val=1, size=(32, 64), kind="voc")
    pipeline = [LoadImageFromFile(), LoadAnnotations()]
    fine = voc_set(tmp_path, pipeline=pipeline)
    aug = VOC_FOLDERS | {"seg_map_path": "SegmentationClassAug"}
    grey = PascalVOCDataset(
        data_root=str(tmp_path), data_prefix=aug, ann_file=f"{LISTS}/train.txt", pipeline=pipeline
    )
    assert len(fine) == len(grey) == 2
    for index in range(2):
        assert np.array_equal(values(fine, index), values(grey, index))
        assert {0, 255} < set(np.unique(values(fine, index)))


OF_2012 = [f"2007_{i:06d}" for i in range(2913)]


@pytest.mark.parametrize(
    ("name", "names", "said"),
    [
        ("train", OF_2012[:1400], r"train\.txt is incomplete: 64 of 1464 names are missing in"),
        ("train", [*OF_2012[:1463], "odd"], "1 of 1464 names is missing in"),
        ("trainval", OF_2012[:1000], r"trainval\.txt .* 1913 of 2913 names"),
        ("trainval", OF_2012, None),
        ("mine", OF_2012[:1000], None),
        ("train", ["odd"], None),
    ],
)
def test_a_list_with_the_name_of_a_published_one_has_all_its_names(name, names, said, tmp_path):
    put(tmp_path / f"{LISTS}/{name}.txt", "\n".join(names))
    data = voc_set(tmp_path, name, lazy_init=True)
    if said is None:
        data.check_names(names)
    else:
        with pytest.raises(DataError, match=said):
            data.check_names(names)


def test_additional_labels_of_voc_that_are_missing_are_named_with_their_origin(tmp_path):
    generate(tmp_path, train=2, val=1, size=(32, 64), kind="voc")
    (tmp_path / "SegmentationClassAug").rename(tmp_path / "elsewhere")
    prefix = VOC_FOLDERS | {"seg_map_path": "SegmentationClassAug"}
    with pytest.raises(DataError, match=r"^found no folder .*Aug; .*Semantic Boundaries Dataset"):
        PascalVOCDataset(data_root=str(tmp_path), data_prefix=prefix, ann_file=f"{LISTS}/aug.txt")
    assert len(voc_set(tmp_path)) == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            [f"2007_{i:06d}" for i in range(9)],
            r"VOC2012's train\.txt .* 1455 of 1464 names are missing in",
        ),
        ([f"{i:06d}" for i in range(9)], r"9 names, such as 000000, are those of VOC2007"),
    ],
)
def test_a_list_of_voc_that_is_cut_short_or_of_2007_is_named(names, said, tmp_path):
    for name in names:
        put(tmp_path / f"JPEGImages/{name}.jpg")
        put(tmp_path / f"SegmentationClass/{name}.png")
    put(tmp_path / f"{LISTS}/train.txt", "\n".join(names))
    with pytest.raises(DataError, match=said):
        voc_set(tmp_path)


def test_voc2007_in_place_of_voc2012_is_named(tmp_path):
    (tmp_path / "VOC2007").mkdir()
    with pytest.raises(DataError, match=r"found no folder .*VOC2012, only .*VOC2007"):
        voc_set(tmp_path / "VOC2012")


def test_the_folder_of_a_concatenation_is_that_of_each_part(tmp_path):
    generate(tmp_path, train=4, val=1, size=(32, 64), kind="voc")
    settings = load_config("ccnet_r50-d8_4xb4-20k_voc12aug-512x512").train_dataloader.dataset
    assert roots(settings) == ["data/VOCdevkit/VOC2012"]
    settings.data_root = str(tmp_path)
    assert roots(settings) == roots(without_pipeline(settings)) == [str(tmp_path)]
    with DefaultScope.overwrite_default_scope("model"):
        data = DATASETS.build(settings)
    assert all(str(tmp_path) in data.get_data_info(i)["img_path"] for i in range(len(data)))
    assert len(data) == 4


def test_the_parts_of_a_concatenation_augment_by_the_place_in_the_stream_only(tmp_path):
    generate(tmp_path, train=4, val=1, size=(32, 64), kind="voc")
    steps = ["LoadImageFromFile", "LoadAnnotations", "PhotoMetricDistortion", "PackSegInputs"]
    part = {
        "type": "PascalVOCDataset",
        "data_root": str(tmp_path),
        "data_prefix": VOC_FOLDERS | {"seg_map_path": "SegmentationClassAug"},
        "pipeline": [{"type": step} for step in steps],
    }
    parts = [{**part, "ann_file": f"{LISTS}/{name}.txt"} for name in ("train", "aug")]

    def batches(workers, start, count):
        with DefaultScope.overwrite_default_scope("model"):
            data = ConcatDataset(parts)
        sampler = InfiniteSampler(data, seed=5)
        sampler.start = 2 * start
        loader = DataLoader(
            data, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=pseudo_collate
        )
        return [torch.stack(b["inputs"]) for b, _ in zip(loader, range(count), strict=False)]

    alone = batches(0, 0, 4)
    assert all(map(torch.equal, alone, batches(2, 0, 4)))
    assert all(map(torch.equal, alone[2:], batches(0, 2, 2)))


# --- synthetic sets, the doctor and the metric


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_replaced_by_itself_and_refused_over_a_foreign_set(kind, tmp_path):
    generate(tmp_path / "a", train=3, val=1, size=(32, 64), kind=kind)
    generate(tmp_path / "a", train=1, val=1, size=(32, 64), kind=kind)
    generate(tmp_path / "b", train=1, val=1, size=(32, 64), kind=kind)
    first, second = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second
    (tmp_path / "c" / KINDS[kind].folders[0]).mkdir(parents=True)
    with pytest.raises(DataError, match="was not made here"):
        generate(tmp_path / "c", train=1, val=1, kind=kind)


@pytest.mark.parametrize(("kind", "pairs"), [("ade20k", 4), ("voc", 4)])
def test_the_doctor_counts_the_pairs_and_reports_a_missing_one(kind, pairs, tmp_path):
    generate(tmp_path / "x", train=4, val=2, size=(32, 64), kind=kind)
    asked = Asked(config=f"ccnet_r18-d8_{kind}-demo", data_root=str(tmp_path / "x"))
    assert f"{pairs} pairs in train, 2 pairs in val" in machine.data(asked).found
    next((tmp_path / "x").rglob("*.jpg")).unlink()
    assert "1 file is missing" in machine.data(asked).found


def test_absent_classes_of_150_do_not_count_in_the_means():
    rng = np.random.default_rng(0)
    label = rng.choice([3, 7, 9, 255], size=(1, 20, 30))
    prediction = np.where(rng.random(label.shape) < 0.7, label, 11).clip(max=149)
    metric = IoUMetric()
    metric.dataset_meta = {"classes": ade20k.CLASSES}
    sample = {
        "pred_sem_seg": {"data": torch.from_numpy(prediction)},
        "gt_sem_seg": {"data": torch.from_numpy(label)},
    }
    metric.process({}, [sample])
    got = metric.compute_metrics(metric.results)
    kept = [(p, t) for p, t in zip(prediction.ravel(), label.ravel(), strict=True) if t != 255]
    ious, accs = [], []
    for c in range(150):
        hit = sum(p == t == c for p, t in kept)
        union = sum(c in pair for pair in kept)
        of_class = sum(t == c for _, t in kept)
        ious += [hit / union] if union else []
        accs += [hit / of_class] if of_class else []
    assert len(ious) == len(accs) + 1 == 4 + (149 in prediction[label != 255])
    assert got["mIoU"] == pytest.approx(100 * np.mean(ious), abs=0.006)
    assert got["mAcc"] == pytest.approx(100 * np.mean(accs), abs=0.006)

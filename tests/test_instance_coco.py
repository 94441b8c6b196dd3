"""COCO's files: what is read from them, how objects move with the image, what is refused."""

import json

import cv2
import numpy as np
import pytest
import torch
from instance_data import LENGTHS, SQUARE, annotation, built, content, write
from mmengine.registry import DefaultScope

from model.data.stream import StreamIndex
from model.data.synthetic import generate
from model.data.synthetic.coco import IDS, Shape
from model.errors import DataError
from model.instance.classes import NAMES
from model.instance.masks import decode, encode
from model.instance.weights import ABSENT_IDS

PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadInstances"},
    {"type": "RandomFlipInstances", "prob": 0.0},
    {"type": "PackDetInputs"},
]


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope("model"):
        yield


def flipped(direction):
    return [
        *PIPELINE[:2],
        {"type": "RandomFlipInstances", "prob": 1.0, "direction": direction},
        PIPELINE[3],
    ]


def test_objects_have_the_boxes_classes_and_masks_of_the_file(tmp_path):
    data = built(write(tmp_path), pipeline=PIPELINE)
    assert [data.get_data_info(i)["img_id"] for i in range(len(data))] == [9]
    packed = data[0]
    objects = packed["data_samples"].gt_instances
    assert packed["inputs"].shape == (3, 40, 64)
    assert packed["inputs"].dtype == torch.uint8
    assert objects.bboxes.tolist() == [[10, 5, 30, 25], [40, 10, 60, 30]]
    assert objects.labels.tolist() == [1, 0]  # toothbrush has id 90, and is the second class
    square = torch.zeros(40, 64, dtype=torch.uint8)
    square[5:25, 10:30] = 1
    assert torch.equal(objects.masks[0], square)
    assert packed["data_samples"].img_id == 9


def test_a_test_keeps_images_without_objects_and_sorts_them_by_id(tmp_path):
    data = built(write(tmp_path), test_mode=True, pipeline=PIPELINE)
    assert [data.get_data_info(i)["img_id"] for i in range(3)] == [4, 7, 9]
    empty = data[0]["data_samples"].gt_instances
    assert empty.bboxes.shape == (0, 4)
    assert empty.masks.shape == (0, 40, 64)
    assert len(empty.labels) == 0


def test_a_crowd_is_no_object_and_a_box_beyond_the_edge_is_cut(tmp_path):
    made = content()
    made["annotations"] += [
        annotation(8, 4, 18, SQUARE, bbox=[-5.0, 30.0, 80.0, 30.0]),
        annotation(9, 4, 18, SQUARE, bbox=[63.5, 0.0, 9.0, 9.0]),  # half a pixel is left
    ]
    data = built(write(tmp_path, made), test_mode=True)
    objects = data.get_data_info(0)["instances"]
    assert [each["bbox"] for each in objects] == [[0, 30, 64, 40]]


@pytest.mark.parametrize(
    ("direction", "boxes"),
    [
        ("horizontal", [[34, 5, 54, 25], [4, 10, 24, 30]]),
        ("vertical", [[10, 15, 30, 35], [40, 10, 60, 30]]),
    ],
)
def test_a_flip_moves_image_boxes_and_masks_alike(tmp_path, direction, boxes):
    root = write(tmp_path)
    still, moved = (built(root, pipeline=p)[0] for p in (PIPELINE, flipped(direction)))
    objects, before = (each["data_samples"].gt_instances for each in (moved, still))
    assert objects.bboxes.tolist() == boxes
    axis = {"horizontal": 2, "vertical": 1}[direction]
    assert torch.equal(objects.masks, before.masks.flip(axis))
    assert torch.equal(moved["inputs"], still["inputs"].flip(axis))
    rows, columns = np.nonzero(objects.masks[0].numpy())
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == boxes[0]
    assert bool((moved["inputs"][:, objects.masks[0] == 1] > 200).all())  # the white square


def test_a_flip_is_drawn_from_the_place_in_the_stream(tmp_path):
    pipeline = [*PIPELINE[:2], {"type": "RandomFlipInstances", "prob": 0.5}, PIPELINE[3]]
    data = built(write(tmp_path), pipeline=pipeline)
    flips = [
        data[StreamIndex.at(0, seed=3, position=place)]["data_samples"].flip for place in range(40)
    ]
    again = [
        data[StreamIndex.at(0, seed=3, position=place)]["data_samples"].flip for place in range(40)
    ]
    assert flips == again
    assert 10 < sum(flips) < 30


def test_polygons_run_lengths_and_their_compressed_form_are_the_same_mask():
    inside = np.zeros((40, 64), dtype=np.uint8)
    inside[:, 0] = 1
    column = [[0.0, 0.0, 1.0, 0.0, 1.0, 40.0, 0.0, 40.0]]
    forms = [LENGTHS, column, *encode(inside[None])]
    for mask in decode(forms, 40, 64):
        assert np.array_equal(mask, inside)


def test_two_polygons_of_an_object_are_one_mask():
    parts = [SQUARE[0], [0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0]]
    (mask,) = decode([parts], 40, 64)
    assert mask[:4, :4].all()
    assert mask[5:25, 10:30].all()
    assert mask.sum() == 16 + 400


@pytest.mark.parametrize("name", IDS)
def test_the_outline_of_a_synthetic_shape_covers_its_pixels(name):
    shape = Shape(name=name, x=31, y=20, radius=15)
    (drawn,) = decode([[shape.outline()]], 40, 64)
    own = shape.mask(40, 64)
    both, either = (drawn & own).sum(), (drawn | own).sum()
    assert both / either > 0.93, both / either


def test_the_synthetic_set_loads_and_has_crowds_polygons_and_run_lengths(tmp_path):
    generate(tmp_path, train=10, val=3, size=(96, 128), kind="coco")
    file = json.loads((tmp_path / "annotations" / "instances_train2017.json").read_text())
    kinds = {(a["iscrowd"], type(a["segmentation"])) for a in file["annotations"]}
    assert kinds == {(0, list), (0, dict), (1, dict)}
    data = built(tmp_path, metainfo={"classes": tuple(IDS)}, pipeline=PIPELINE)
    for sample in data:
        objects = sample["data_samples"].gt_instances
        assert bool((objects.masks.flatten(1).sum(1) > 20).all())
        assert not bool((objects.masks.sum(0) > 1).sum() > 0.05 * objects.masks.sum())
        for box, mask in zip(objects.bboxes.tolist(), objects.masks.numpy(), strict=True):
            rows, columns = np.nonzero(mask)
            around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.abs(np.array(box) - around).max() <= 1, (box, around)


def test_the_80_classes_are_torchvisions_and_ten_ids_are_absent():
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

    published = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    assert tuple(n for n in published if n not in ("__background__", "N/A")) == NAMES
    assert tuple(i for i, n in enumerate(published) if n == "N/A") == ABSENT_IDS


# What is refused


def test_no_data_set_at_all_is_told_with_its_layout(tmp_path):
    with pytest.raises(DataError, match=r"found no folder .*expected COCO 2017 .*Set data_root"):
        built(tmp_path / "absent")


def test_an_image_in_a_subfolder_is_found_and_a_missing_one_is_named(tmp_path):
    root = write(tmp_path)
    made = content()
    for image in made["images"]:
        image["file_name"] = f"a/{image['file_name']}"
    (root / "train2017" / "a").mkdir()
    write(root, made)
    assert built(root).get_data_info(0)["img_path"].endswith("train2017/a/000000000009.jpg")
    (root / "train2017" / "a" / "000000000004.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of the 3 images .*: a/000000000004\.jpg"):
        built(root)


def test_the_annotations_of_another_year_are_named(tmp_path):
    root = write(tmp_path)
    file = root / "annotations" / "instances_train2017.json"
    file.rename(file.with_name("instances_train2014.json"))
    with pytest.raises(DataError, match=r"no file .*2017\.json, but instances_train2014\.json"):
        built(root)


def test_missing_images_are_counted_named_and_where_to_get_them_is_said(tmp_path):
    root = write(tmp_path)
    (root / "train2017" / "000000000004.jpg").unlink()
    (root / "train2017" / "000000000007.jpg").unlink()
    text = (
        r"2 of the 3 images that .*instances_train2017\.json lists are missing under .*train2017: "
        r"000000000004\.jpg, 000000000007\.jpg\. Download annotations_trainval2017\.zip"
    )
    with pytest.raises(DataError, match=text):
        built(root)


def test_a_published_file_that_lists_too_few_images_is_refused_and_a_part_has_another_name(
    tmp_path,
):
    made = content()
    made["info"] = {"description": "COCO 2017 Dataset", "year": 2017}
    root = write(tmp_path, made)
    text = r"instances_train2017\.json is incomplete: 118284 of 118287 images are missing"
    with pytest.raises(DataError, match=text):
        built(root)
    file = root / "annotations" / "instances_train2017.json"
    file.rename(file.with_name("three.json"))
    assert len(built(root, ann_file="annotations/three.json")) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"images": [{"id": 1', r"20 bytes that are no JSON .*may be cut short.*Download"),
        ("", r"0 bytes that are no JSON"),
        ("[]", r"holds a list; expected an object"),
        ('{"images": []}', r"has no list 'categories'"),
        (
            '{"images": [{"id": 1}], "categories": [], "annotations": []}',
            r"1 of 1 entries of 'images', the first at place 0, lack some of id, file_name",
        ),
    ],
)
def test_a_file_that_is_no_annotations_is_named(tmp_path, text, said):
    root = write(tmp_path)
    (root / "annotations" / "instances_train2017.json").write_text(text)
    with pytest.raises(DataError, match=said):
        built(root)


def changed(**change):
    """The content with one annotation altered."""
    made = content()
    made["annotations"][1].update(change)
    return made


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (changed(segmentation=[[1.0, 2.0, 3.0, 4.0]]), r"segmentation of annotation 2 is \[\[1.0"),
        (changed(bbox=[1.0, 2.0, 3.0]), r"bbox of annotation 2 is '\[1\.0, 2.*expected four numb"),
        (changed(bbox=None), r"bbox of annotation 2 is 'None'; expected four numbers"),
        (changed(bbox="1234"), r"bbox of annotation 2 is '1234'; expected four numbers"),
        (changed(bbox=[0.0, 0.0, "9", 9.0]), r"bbox of annotation 2 is .*expected four numbers"),
        (changed(image_id=[9]), r"image_id of annotation 2 is '\[9\]'; expected a whole number"),
        (changed(id=None), r"id of annotation at place 1 is 'None'; expected a whole number"),
        (changed(segmentation=[["a"] * 6]), r"segmentation of annotation 2 is \[\['a'"),
        (changed(segmentation=[[float("nan")] * 6]), r"segmentation of annotation 2 is \[\[nan"),
        (
            changed(segmentation={"counts": [0, 40, 2520], "size": [64, 40]}),
            r"lengths of annotation 2 have the size \[64, 40\]; expected .* \[40, 64\]",
        ),
        (
            {**content(), "categories": [{"id": 18, "name": "dog"}, {"id": 90, "name": "dog"}]},
            r"categories 18 and 90 are both named dog",
        ),
        (
            {
                **content(),
                "images": [*content()["images"], {**content()["images"][0], "file_name": "b.jpg"}],
            },
            r"images 000000000009\.jpg and b\.jpg both have the id 9",
        ),
        (changed(segmentation=[]), r"segmentation of annotation 2 is \[\]; expected polygons"),
        (changed(image_id=5), r"annotation 2 is of image 5 and category 18"),
        (changed(category_id=91), r"annotation 2 is of image 9 and category 91"),
        ({**content(), "images": []}, r"lists no images"),
        ({**content(), "annotations": []}, r"no object in 3 images"),
        (
            {**content(), "categories": [{"id": 1, "name": "cat"}]},
            r"has the 1 categories cat; expected the 2 classes dog, toothbrush\. Give the classes",
        ),
    ],
)
def test_annotations_that_do_not_fit_are_named(tmp_path, made, said):
    with pytest.raises(DataError, match=said):
        built(write(tmp_path, made))


def test_cocos_own_classes_are_expected_where_a_config_gives_none(tmp_path):
    with pytest.raises(DataError, match=r"the 2 categories dog, toothbrush; expected the 80 clas"):
        built(write(tmp_path), metainfo=None)


def test_an_image_of_another_size_and_one_cut_short_are_named(tmp_path):
    root = write(tmp_path)
    data = built(root, pipeline=PIPELINE)
    image = root / "train2017" / "000000000009.jpg"
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"000000000009\.jpg.*cut short"):
        _ = data[0]
    image.write_bytes(cv2.imencode(".jpg", np.zeros((40, 65, 3), np.uint8))[1].tobytes())
    with pytest.raises(DataError, match=r"is 65x40 pixels; the annotations say 64x40"):
        _ = data[0]


def test_nothing_is_printed_when_a_set_is_loaded(tmp_path, capsys):
    _ = built(write(tmp_path), pipeline=PIPELINE)[0]
    assert capsys.readouterr().out == ""

"""Pictures of predictions: sizes, panels, colours, what is marked as wrong, and the legend."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.structures import PixelData

from model.pictures import (
    GAP,
    HEIGHT,
    LINE,
    WIDTH,
    colour_map,
    differing,
    legend,
    overlay,
    panel_size,
    picture,
    resized,
    wrong_share,
)
from model.structures import SegDataSample
from model.visualization import SegLocalVisualizer

CLASSES = ["sky", "road", "a car"]
PALETTE = [(10, 20, 200), (90, 90, 90), (200, 0, 10)]


def shown(image, labels, prediction):
    return picture(image, labels=labels, prediction=prediction, classes=CLASSES, palette=PALETTE)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 4))
def test_a_panel_keeps_its_shape_fits_the_picture_and_a_small_image_grows_by_whole_numbers(
    height, width, columns
):
    h, w = panel_size(height, width, columns=columns)
    assert columns * (w + GAP) + GAP <= WIDTH
    assert h <= HEIGHT
    assert abs(h - height * w / width) <= 0.5 + height / width / 2 or min(h, w) == 1
    if h > height:
        assert (h % height, w % width, h // height) == (0, 0, w // width)
    elif max(height, width) <= 192 and columns * 2 * width <= 1500:
        assert h >= 2 * height


def test_a_landscape_has_two_rows_and_a_portrait_one():
    labels = np.zeros((100, 200), np.uint8)
    wide = shown(np.zeros((100, 200, 3), np.uint8), labels, labels)
    tall = shown(np.zeros((200, 100, 3), np.uint8), labels.T, labels.T)
    row = LINE + 100 + GAP
    assert wide.shape[0] == 2 * row + LINE  # the last line names one class
    assert tall.shape[0] == LINE + 200 + GAP + LINE


def test_panels_show_the_image_its_labels_the_prediction_and_what_is_wrong():
    rng = np.random.default_rng(0)
    image = rng.integers(256, size=(300, 400, 3), dtype=np.uint8)
    labels = rng.integers(3, size=(300, 400)).astype(np.uint8)
    labels[:5] = 255
    prediction = np.where(rng.random((300, 400)) < 0.2, (labels + 1) % 3, labels % 3)
    drawn = shown(image, labels, prediction)
    wide = drawn.shape[1] // 2
    panels = [
        drawn[top + LINE : top + LINE + 300, left : left + 400]
        for top in (0, LINE + 300 + GAP)
        for left in (GAP, wide + GAP // 2)
    ]
    assert np.array_equal(panels[0], image)
    assert np.array_equal(panels[1], overlay(image, labels, PALETTE))
    assert np.array_equal(panels[2], overlay(image, prediction, PALETTE))
    red = panels[3][..., 0].astype(int) - panels[3][..., 1] > 60
    assert np.array_equal(red, (labels != prediction) & (labels != 255))


def test_without_labels_the_image_and_the_prediction_are_shown():
    image, found = np.zeros((200, 150, 3), np.uint8), np.ones((200, 150), np.int64)
    drawn = shown(image, None, found)
    assert drawn.shape[0] == LINE + 200 + GAP + LINE
    assert drawn.shape[1] < 3 * 200
    assert not (drawn == (230, 25, 25)).all(axis=2).any()


def test_class_colours_lie_over_the_image_and_pixels_without_a_class_are_hatched():
    labels = np.array([[0, 2] * 6, [255, 3] * 6])
    colours = colour_map(labels, PALETTE)
    assert colours[0].tolist() == [list(PALETTE[0]), list(PALETTE[2])] * 6
    greys = {tuple(pixel) for pixel in colours[1].tolist()}
    assert len(greys) == 2
    assert all(len(set(grey)) == 1 for grey in greys)
    image = np.full((2, 12, 3), 100, np.uint8)
    want = (100 + colours.astype(int)) / 2
    assert np.abs(overlay(image, labels, PALETTE, alpha=0.5) - want).max() <= 0.5


def test_the_wrong_share_counts_labelled_pixels_only():
    labels = np.array([[0, 1, 255, 3]])
    prediction = np.array([[0, 2, 1, 1]])
    assert wrong_share(labels, prediction, 3) == 0.5
    assert np.isnan(wrong_share(labels[:, 2:], prediction[:, 2:], 3))
    image = np.full((1, 4, 3), 120, np.uint8)
    marked = differing(image, labels, prediction, classes=3)
    assert [len(set(pixel)) for pixel in marked[0].tolist()] == [1, 2, 1, 1]


def test_labels_never_get_a_value_between_two_classes():
    labels = np.random.default_rng(1).choice([0, 100], (900, 700)).astype(np.uint8)
    for size in ((300, 233), (1800, 1400)):
        assert set(np.unique(resized(labels, size))) == {0, 100}
    image = np.array([[[0] * 3, [200] * 3]] * 2, np.uint8)
    assert resized(image, (1, 1)).tolist() == [[[100] * 3]]  # an average, no aliasing


# --- the legend


def boxes(strip):
    """The colours in the legend that are no grey: its swatches."""
    colours = np.unique(strip.reshape(-1, 3), axis=0).astype(int)
    return {tuple(colour) for colour in colours[np.ptp(colours, axis=1) > 30].tolist()}


def test_the_legend_names_what_is_there_and_nothing_else():
    strip = legend([0, 2], 400, CLASSES, PALETTE)
    assert boxes(strip) == {PALETTE[0], PALETTE[2]}
    assert strip.shape == (LINE, 400, 3)
    renamed = legend([0, 2], 400, ["sky", "road", "a cat"], PALETTE)
    assert not np.array_equal(strip, renamed)
    assert legend([], 100, CLASSES, PALETTE).shape == (0, 100, 3)


def test_ids_without_a_class_share_one_hatched_entry():
    two, one = (legend(ids, 400, CLASSES, PALETTE) for ids in ([1, 3, 255], [1, 255]))
    assert np.array_equal(two, one)
    assert not np.array_equal(one, legend([1], 400, CLASSES, PALETTE))


@pytest.mark.parametrize("width", [120, 500, 1600])
def test_150_classes_have_an_entry_each_that_no_other_covers(width):
    classes = [f"something, thing that is number {i}" for i in range(150)]
    palette = [(i + 1, 255 - i, 50) for i in range(150)]
    strip = legend(range(150), width, classes, palette)
    assert {p for p in boxes(strip) if p[2] == 50} >= set(palette)
    colours, counts = np.unique(strip.reshape(-1, 3), axis=0, return_counts=True)
    areas = dict(zip(map(tuple, colours.tolist()), counts.tolist(), strict=True))
    assert {areas[colour] for colour in palette} == {(LINE - 8) ** 2}  # whole, in its outline
    assert (strip[:, -2:] == 255).all()  # and no name runs out of the picture


def test_names_in_other_alphabets_are_drawn():
    word, question = (legend([0], 200, [name], PALETTE[:1]) for name in ("дом", "???"))
    assert not np.array_equal(word, question)


# --- the visualizer


def drawn_by(meta, tmp_path, name):
    painter = SegLocalVisualizer(name=f"{tmp_path.name}-{name}")
    painter.dataset_meta = meta
    sample = SegDataSample()
    sample.pred_sem_seg = PixelData(data=torch.ones(1, 200, 150, dtype=torch.long))
    path = tmp_path / f"{name}.png"
    image = np.zeros((200, 150, 3), np.uint8)
    painter.add_datasample("x", image, sample, out_file=str(path))
    return cv2.imread(str(path))[..., ::-1]


def test_names_and_colours_are_those_of_the_data_set(tmp_path):
    meta = {"classes": CLASSES, "palette": PALETTE}
    image, found = np.zeros((200, 150, 3), np.uint8), np.ones((200, 150), np.int64)
    assert np.array_equal(drawn_by(meta, tmp_path, "a"), shown(image, None, found))
    plain = drawn_by({"classes": CLASSES}, tmp_path, "b")  # colours are chosen
    assert plain.shape == shown(image, None, found).shape
    numbered = drawn_by({}, tmp_path, "c")
    assert not np.array_equal(numbered, plain)

"""The preprocessor: channel order, normalising, padding, and what the samples learn."""

import pytest
import torch
from mmengine.structures import PixelData

from model.preprocess import SegDataPreProcessor
from model.structures import SegDataSample

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def make(**options):
    return SegDataPreProcessor(mean=MEAN, std=STD, bgr_to_rgb=True, **options)


def sample(height, width):
    return SegDataSample(gt_sem_seg=PixelData(data=torch.ones(1, height, width, dtype=torch.long)))


def test_training_pads_right_and_bottom_after_normalising():
    images = [torch.full((3, 4, 5), 200, dtype=torch.uint8), torch.zeros(3, 6, 3)]
    images[0][0] = 10  # blue
    samples = [sample(4, 5), sample(6, 3)]
    out = make(size=(6, 8))({"inputs": images, "data_samples": samples}, training=True)
    batch, samples = out["inputs"], out["data_samples"]
    assert batch.shape == (2, 3, 6, 8)
    assert batch.dtype == torch.float32
    expected = torch.tensor([(200 - MEAN[0]) / STD[0], (200 - MEAN[1]) / STD[1]])
    torch.testing.assert_close(batch[0, :2, 3, 4], expected)
    assert batch[0, 2, 0, 0].item() == pytest.approx((10 - MEAN[2]) / STD[2])  # now last: RGB
    assert not batch[0, :, 4:].any()
    assert not batch[0, :, :, 5:].any()
    labels = samples[0].gt_sem_seg.data
    assert labels.shape == (1, 6, 8)
    assert (labels[:, :4, :5] == 1).all()
    assert (labels[:, 4:] == 255).all()
    assert (labels[:, :, 5:] == 255).all()
    assert samples[0].img_shape == (4, 5)
    assert samples[0].pad_shape == (6, 8)
    assert samples[1].img_padding_size == (0, 5, 0, 0)


def test_training_without_a_size_pads_to_the_largest():
    data = {"inputs": [torch.zeros(3, 4, 5), torch.zeros(3, 2, 9)]}
    assert make()(data, training=True)["inputs"].shape == (2, 3, 4, 9)
    assert make(size_divisor=8)(data, training=True)["inputs"].shape == (2, 3, 8, 16)


def test_testing_pads_only_when_told_to():
    data = {"inputs": [torch.zeros(3, 5, 7)], "data_samples": [sample(5, 7)]}
    assert make(size=(16, 16))(data)["inputs"].shape == (1, 3, 5, 7)
    out = make(test_cfg={"size_divisor": 8})(data)
    assert out["inputs"].shape == (1, 3, 8, 8)
    assert out["data_samples"][0].img_padding_size == (0, 1, 0, 3)
    assert out["data_samples"][0].gt_sem_seg.shape == (5, 7)


def test_a_test_batch_of_several_sizes_is_refused():
    with pytest.raises(ValueError, match="one size"):
        make()({"inputs": [torch.zeros(3, 4, 4), torch.zeros(3, 4, 5)]})


def test_half_given_settings_are_refused():
    with pytest.raises(ValueError, match="together"):
        SegDataPreProcessor(mean=MEAN)
    with pytest.raises(ValueError, match="exclude"):
        SegDataPreProcessor(bgr_to_rgb=True, rgb_to_bgr=True)


def test_nothing_enters_the_state_dict():
    assert not make().state_dict()

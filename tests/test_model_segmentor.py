"""The segmentor in mmengine's contract: modes, train and test steps, sliding, augmentation."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData

from model import build_model, load_config
from model.inference import SegTTAModel, slide
from model.pretrained import PretrainedError
from model.structures import SegDataSample


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_model("ccnet_r18-d8_demo")


def batch(n=2, height=40, width=56):
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 19, (n, 1, height, width), generator=g)
    images = torch.randint(0, 256, (n, 3, height, width), generator=g, dtype=torch.uint8)
    meta = {"ori_shape": (height, width)}
    samples = [SegDataSample(gt_sem_seg=PixelData(data=x), metainfo=meta) for x in labels]
    return {"inputs": list(images), "data_samples": samples}


def test_a_train_step_logs_mmsegmentations_names_and_moves_the_weights(network):
    before = copy.deepcopy(network.state_dict())
    wrapper = OptimWrapper(torch.optim.SGD(network.parameters(), lr=0.1))
    log = network.train_step(batch(), wrapper)
    assert list(log) == ["loss", "decode.loss_ce", "decode.acc_seg", "aux.loss_ce", "aux.acc_seg"]
    assert log["loss"].item() == pytest.approx((log["decode.loss_ce"] + log["aux.loss_ce"]).item())
    assert not torch.equal(
        network.decode_head.conv_seg.weight, before["decode_head.conv_seg.weight"]
    )


def test_a_test_step_returns_predictions_at_the_original_size(network):
    data = batch()
    data["data_samples"][0].set_metainfo({"ori_shape": (80, 112)})
    with torch.no_grad():
        found = network.eval().test_step(data)
    assert found[0].pred_sem_seg.data.shape == (1, 80, 112)
    assert found[0].seg_logits.data.shape == (19, 80, 112)
    assert found[1].pred_sem_seg.data.shape == (1, 40, 56)
    assert torch.equal(found[0].pred_sem_seg.data[0], found[0].seg_logits.data.argmax(0))


def test_modes(network):
    x = torch.randn(1, 3, 40, 56)
    assert network.eval()(x, mode="tensor").shape == (1, 19, 5, 7)
    assert network(x, mode="predict")[0].pred_sem_seg.shape == (40, 56)
    with pytest.raises(ValueError, match="data_samples"):
        network(x, mode="loss")
    with pytest.raises(RuntimeError, match="'train'"):
        network(x, mode="train")


def test_a_flip_is_undone(network):
    x = torch.randn(1, 3, 40, 56)
    meta = {"ori_shape": (40, 56), "flip": True, "flip_direction": "horizontal"}
    with torch.no_grad():
        plain = network.eval().inference(x)
        found = network.predict(x, [SegDataSample(metainfo=meta)])[0].seg_logits.data
    torch.testing.assert_close(found, plain[0].flip(2))


def test_sliding_covers_every_pixel_and_averages_overlaps():
    image = torch.rand(2, 3, 10, 17)
    seen = []

    def scores(crop):
        seen.append(tuple(crop.shape[2:]))
        return crop[:, :2] * 2

    found = slide(scores, image, 2, crop=(6, 7), stride=(4, 5))
    torch.testing.assert_close(found, image[:, :2] * 2)
    assert set(seen) == {(6, 7)}
    assert len(seen) == 2 * 3
    small = slide(scores, image, 2, crop=(20, 7), stride=(4, 5))
    torch.testing.assert_close(small, image[:, :2] * 2)


def test_augmentation_averages_probabilities():
    first, second = torch.tensor([[[4.0]], [[0.0]]]), torch.tensor([[[0.0]], [[3.0]]])
    third = torch.tensor([[[0.0]], [[3.0]]])
    versions = [SegDataSample(metainfo={"img_path": "a.png"}) for _ in range(3)]
    for version, scores in zip(versions, (first, second, third), strict=True):
        version.seg_logits = PixelData(data=scores)
    versions[0].gt_sem_seg = PixelData(data=torch.ones(1, 1, 1))
    merged = SegTTAModel._merge(versions)
    assert merged.pred_sem_seg.data.tolist() == [[[1]]]
    assert merged.img_path == "a.png"
    assert "gt_sem_seg" in merged


def test_augmented_test_step_undoes_scale_and_flip(network):
    cfg = load_config("ccnet_r18-d8_demo")
    tta = SegTTAModel(module=network.eval())
    image = torch.randint(0, 256, (3, 40, 56), dtype=torch.uint8)
    metas = [
        {"ori_shape": (40, 56), "flip": flip, "flip_direction": "horizontal", "img_path": "x"}
        for flip in (False, True)
    ]
    data = {
        "inputs": [[image], [image.flip(2)]],
        "data_samples": [[SegDataSample(metainfo=meta)] for meta in metas],
    }
    assert cfg.tta_model.type == "SegTTAModel"
    with torch.no_grad():
        (found,) = tta.test_step(data)
    assert found.pred_sem_seg.data.shape == (1, 40, 56)


def test_training_under_bfloat16_autocast_stays_close(network):
    data = network.data_preprocessor(batch(), training=True)
    torch.manual_seed(1)
    exact = network(**data, mode="loss")["decode.loss_ce"].item()
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        losses = network(**data, mode="loss")
    total, _ = network.parse_losses(losses)
    total.backward()
    assert losses["decode.loss_ce"].item() == pytest.approx(exact, rel=0.02)
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_sync_bn_is_batch_norm_in_one_process_with_equal_keys(network):
    part = load_config("ccnet_r18-d8_demo").model
    for head in (part.backbone, part.decode_head, part.auxiliary_head):
        head.norm_cfg.type = "BN"
    plain = build_model(part)
    plain.load_state_dict(network.state_dict(), strict=True)
    x = torch.randn(2, 3, 40, 56)
    assert torch.equal(plain.eval()(x), network.eval()(x))


def test_init_weights_uses_pretrained_and_says_what_to_do_without(network, tmp_path):
    part = load_config("ccnet_r18-d8_demo").model
    file = tmp_path / "backbone.pth"
    torch.save(network.backbone.state_dict(), file)
    found = build_model(part, pretrained=str(file))
    assert torch.equal(found.backbone.stem[0].weight, network.backbone.stem[0].weight)
    with pytest.raises(PretrainedError, match=r"model\.pretrained"):
        build_model(part, pretrained=str(tmp_path / "absent.pth"))


def test_a_whole_checkpoint_can_be_named_in_init_cfg(network, tmp_path):
    file = tmp_path / "whole.pth"
    torch.save({"state_dict": network.state_dict(), "meta": {}}, file)
    part = load_config("ccnet_r18-d8_demo").model
    part.init_cfg = {"type": "Pretrained", "checkpoint": str(file)}
    found = build_model(part)
    found.init_weights()
    assert all(torch.equal(v, found.state_dict()[k]) for k, v in network.state_dict().items())


def test_unknown_test_mode_is_refused():
    part = load_config("ccnet_r18-d8_demo").model
    part.test_cfg = {"mode": "tiles"}
    with pytest.raises(ValueError, match="tiles"):
        build_model(part)


@pytest.mark.parametrize(
    ("wanted", "narrow", "last"),
    [
        (None, True, True),
        (None, False, False),
        ("channels_last", False, True),
        ("contiguous", True, False),
    ],
)
def test_images_lie_in_memory_as_the_config_says_or_as_is_faster(
    wanted, narrow, last, monkeypatch, network
):
    network.memory_format = wanted
    monkeypatch.setattr(network, "_parameter_count", 0 if narrow else 10**9)
    seen = []
    network.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.randn(2, 3, 40, 56)
    network.eval()(x)
    assert seen[0].is_contiguous(memory_format=torch.channels_last) is last
    assert torch.equal(seen[0], x)


def test_a_memory_format_that_torch_does_not_have_is_refused():
    config = load_config("ccnet_r18-d8_demo")
    with pytest.raises(ValueError, match="memory_format is 'NHWC'; expected channels_last or"):
        build_model({**config.model, "memory_format": "NHWC"})

"""The network on clips: one frame gives the 2-D network's numbers, and labels of the middle one."""

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData

from model import build_model, load_config
from model.config_errors import check_network
from model.errors import ConfigError
from model.structures import SegDataSample

T5 = "ccnet3d-t5_r101-d8_4xb2-20k_camvid-360x480"
T1 = "ccnet3d-t1_r101-d8_4xb2-20k_camvid-360x480"
SIZE = (16, 24)


def settings(kind, head, **options):
    """A narrow network's config; its heads have 3 classes."""
    cfg = load_config("ccnet3d_r18-d8_camvid-demo").model.to_dict()
    cfg["type"], cfg["decode_head"]["type"] = kind, head
    cfg["backbone"] |= {"base_channels": 4, "stem_channels": 4}
    cfg["decode_head"] |= {"in_channels": 32, "channels": 8, "num_classes": 3, "recurrence": 2}
    cfg["auxiliary_head"] |= {"in_channels": 16, "channels": 4, "num_classes": 3}
    return {**cfg, **options}


def of_clips(**options):
    return build_model(Config({"model": settings("ClipEncoderDecoder", "CCHead3D", **options)}))


@pytest.fixture
def pair():
    """A network on clips and one on images with the same weights, whose attention counts."""
    torch.manual_seed(0)
    image = build_model(Config({"model": settings("EncoderDecoder", "CCHead")}))
    torch.nn.init.constant_(image.decode_head.cca.gamma.scale, 0.8)
    clip = of_clips()
    clip.load_state_dict(image.state_dict(), strict=True)
    return clip, image


def samples(count):
    draw = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 3, (count, 1, *SIZE), generator=draw)
    return [SegDataSample(gt_sem_seg=PixelData(data=each)) for each in labels]


def images(*shape):
    return torch.randn(*shape, 3, *SIZE, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("training", [True, False])
def test_a_clip_of_one_frame_gets_the_losses_and_scores_of_the_image(pair, training):
    clip, image = (network.train(training) for network in pair)
    x = images(2)
    losses = []
    for network, inputs in ((clip, x[:, None]), (image, x)):
        torch.manual_seed(3)  # the masks of dropout
        loss = network(inputs, samples(2), mode="loss")
        (loss["decode.loss_ce"] + loss["aux.loss_ce"]).backward()
        losses.append(loss)
    assert losses[0].keys() == losses[1].keys()
    assert all(torch.equal(losses[0][name], losses[1][name]) for name in losses[0])
    for (name, ours), theirs in zip(clip.named_parameters(), image.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7, msg=name)
    clip.eval(), image.eval()
    assert torch.equal(clip(x[:, None]), image(x))


def test_the_scores_are_those_of_the_middle_frame(pair):
    """Without attention, the other frames have no influence."""
    clip, image = (network.eval() for network in pair)
    x = images(2, 3)
    for network in pair:
        torch.nn.init.zeros_(network.decode_head.cca.gamma.scale)
    torch.testing.assert_close(clip(x), image(x[:, 1]))
    torch.nn.init.constant_(clip.decode_head.cca.gamma.scale, 0.8)
    for other in (0, 2):
        changed = x.clone()
        changed[:, other] += 1
        assert not torch.allclose(clip(changed), clip(x), atol=1e-4)


def test_the_auxiliary_head_sees_the_middle_frame_only(pair):
    clip = pair[0].eval()
    x = images(1, 3)
    changed = x.clone()
    changed[:, [0, 2]] += 1
    names = [clip(inputs, samples(1), mode="loss") for inputs in (x, changed)]
    torch.testing.assert_close(names[0]["aux.loss_ce"], names[1]["aux.loss_ce"])
    assert not torch.equal(names[0]["decode.loss_ce"], names[1]["decode.loss_ce"])


def test_the_order_of_the_other_frames_has_no_influence(pair):
    """Attention has no positions: a clip and its reversal are the same to it."""
    clip = pair[0].double().eval()
    x = images(1, 5).double()
    torch.testing.assert_close(clip(x), clip(x.flip(1)), rtol=1e-10, atol=1e-12)


def test_predictions_have_the_size_of_the_image_also_by_sliding_crops():
    torch.manual_seed(0)
    sliding = {"mode": "slide", "crop_size": (16, 16), "stride": (8, 8)}
    for test_cfg in ({"mode": "whole"}, sliding):
        clip = of_clips(test_cfg=test_cfg).eval()
        (sample,) = clip(images(1, 3), mode="predict")
        assert sample.pred_sem_seg.shape == SIZE
        assert sample.seg_logits.shape == SIZE


def test_parts_that_do_not_fit_are_found_on_a_clip_before_training():
    check_network(Config({"model": settings("ClipEncoderDecoder", "CCHead3D")}))
    wrong = settings("ClipEncoderDecoder", "CCHead3D")
    wrong["decode_head"]["in_channels"] = 48
    with pytest.raises(ConfigError, match="the backbone gives 4, 8, 16, 32 channels"):
        check_network(Config({"model": wrong}))
    with pytest.raises(ConfigError, match="its parts do not fit each other"):
        check_network(Config({"model": settings("ClipEncoderDecoder", "CCHead")}))


@pytest.mark.parametrize(("name", "length", "frames"), [(T5, 5, "frames"), (T1, 1, None)])
def test_configs_say_what_their_names_say(name, length, frames):
    cfg = load_config(name)
    assert cfg.model.type == "ClipEncoderDecoder"
    assert (cfg.model.decode_head.type, cfg.model.decode_head.recurrence) == ("CCHead3D", 3)
    assert cfg.model.backbone.depth == 101
    assert cfg.model.pretrained == "open-mmlab://resnet101_v1c"
    assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 11
    assert cfg.model.data_preprocessor.size == cfg.crop_size == (360, 480)
    for part, folder in (("train", "train"), ("val", "val"), ("test", "test")):
        dataset = cfg[f"{part}_dataloader"].dataset
        assert (dataset.clip_length, dataset.frame_folder) == (length, frames)
        assert dataset.data_prefix == {"img_path": folder, "seg_map_path": f"{folder}annot"}
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[0].end == 20000

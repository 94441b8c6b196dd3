"""Mask R-CNN with criss-cross attention: torchvision's keys and numbers, and the attention's."""

import copy

import pytest
import torch
from mmengine.structures import InstanceData
from torch import nn
from torchvision.models import resnet18, resnet50
from torchvision.models.detection import maskrcnn_resnet50_fpn

from model.build import build_network, load_config
from model.instance.attention import PLACES, AttendedStage, attend
from model.instance.structures import DetDataSample
from model.instance.weights import IDS
from model.ops import criss_cross_attention_reference
from model.pretrained import PretrainedError

R50 = "maskrcnn_r50-fpn_1x_coco"
RCCA = "maskrcnn_r50-fpn_rcca_1x_coco"
RES4 = "maskrcnn_r50-fpn_rcca-res4_1x_coco"
DEMO = "maskrcnn_r18-fpn_coco-demo"
DEMO_RCCA = "maskrcnn_r18-fpn_rcca_coco-demo"


def network(name, **changes):
    """The network of a config with fixed weights, as it starts."""
    cfg = load_config(name)
    cfg.merge_from_dict({f"model.{key}": value for key, value in changes.items()})
    torch.manual_seed(0)
    return build_network(cfg)


@pytest.fixture(scope="module")
def published():
    """torchvision's own network as its published weights have it: 91 outputs, fresh weights."""
    torch.manual_seed(1)
    return maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=91, trainable_backbone_layers=None
    )


def batch(count=2, size=64):
    """Images of different sizes with two objects each."""
    generator = torch.Generator().manual_seed(4)
    images, samples = [], []
    for n in range(count):
        height, width = size, size + 16 * n
        images.append(torch.rand(3, height, width, generator=generator))
        masks = torch.zeros(2, height, width, dtype=torch.uint8)
        masks[0, 4:30, 6:40] = 1
        masks[1, 30:60, 20:50] = 1
        sample = DetDataSample()
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[6.0, 4.0, 40.0, 30.0], [20.0, 30.0, 50.0, 60.0]]),
            labels=torch.tensor([0, 2]),
            masks=masks,
        )
        samples.append(sample)
    return images, samples


# Keys and weights


def test_without_attention_the_keys_and_shapes_are_torchvisions_but_for_the_91_outputs(published):
    own = {key: tuple(value.shape) for key, value in network(R50).state_dict().items()}
    theirs = {key: tuple(value.shape) for key, value in published.state_dict().items()}
    theirs = {k: v for k, v in theirs.items() if not k.endswith("num_batches_tracked")}
    assert set(own) == set(theirs)
    other = {key for key in own if own[key] != theirs[key]}
    layers = ("cls_score", "bbox_pred", "mask_fcn_logits")
    assert {key.split(".")[-2] for key in other} == set(layers)


def test_published_weights_load_with_every_key_and_the_rows_of_the_80_classes(published):
    own = network(R50)
    state = {k: v for k, v in published.state_dict().items() if "num_batches_tracked" not in k}
    own.load_state_dict(copy.deepcopy(state), strict=True)
    loaded = own.state_dict()
    layer = "roi_heads.box_predictor.bbox_pred.weight"
    for place, number in enumerate((0, *IDS)):
        rows = state[layer][4 * number : 4 * number + 4]
        assert torch.equal(loaded[layer][4 * place : 4 * place + 4], rows)
        for key in ("box_predictor.cls_score.bias", "mask_predictor.mask_fcn_logits.weight"):
            assert torch.equal(loaded[f"roi_heads.{key}"][place], state[f"roi_heads.{key}"][number])
    assert torch.equal(loaded["backbone.body.conv1.weight"], state["backbone.body.conv1.weight"])
    assert len(state[layer]) == 91 * 4  # the state that was given is unchanged


@pytest.mark.parametrize(("name", "stage"), [(RCCA, "layer4"), (RES4, "layer3")])
def test_with_attention_the_attentions_entries_alone_are_missing(published, name, stage):
    own = network(name)
    state = {k: v for k, v in published.state_dict().items() if "num_batches_tracked" not in k}
    result = own.load_state_dict(state, strict=False)
    assert result.unexpected_keys == []
    parts = ("query_conv", "key_conv", "value_conv")
    names = [f"{part}.{kind}" for part in parts for kind in ("weight", "bias")]
    assert set(result.missing_keys) == {
        f"backbone.body.{stage}.cca.{key}" for key in (*names, "gamma.scale")
    }
    channels = {"layer4": 2048, "layer3": 1024}[stage]
    query = own.state_dict()[f"backbone.body.{stage}.cca.query_conv.weight"]
    assert query.shape == (channels // 8, channels, 1, 1)


@pytest.mark.parametrize("name", [R50, RCCA])
def test_imagenet_weights_load_into_the_resnet_and_leave_the_attention_as_it_started(
    tmp_path, name
):
    torch.manual_seed(3)
    theirs = resnet50(weights=None).state_dict()
    torch.save(theirs, tmp_path / "resnet50.pth")
    own = network(name)
    before = copy.deepcopy(own.state_dict())
    own.pretrained = str(tmp_path / "resnet50.pth")
    own.init_weights()
    for key, value in own.state_dict().items():
        part = key.removeprefix("backbone.body.")
        wanted = before[key] if part == key or ".cca." in key else theirs[part]
        assert torch.equal(value, wanted), key


def test_a_file_that_lacks_a_part_of_the_resnet_is_refused(tmp_path):
    theirs = resnet50(weights=None).state_dict()
    del theirs["layer2.0.conv1.weight"]
    torch.save(theirs, tmp_path / "resnet50.pth")
    own = network(RCCA)
    own.pretrained = str(tmp_path / "resnet50.pth")
    with pytest.raises(PretrainedError, match=r"lacks 1 of .*'layer2\.0\.conv1\.weight'"):
        own.init_weights()


# Numbers


def reference(net, images, samples):
    """Losses and predictions of torchvision's own class around the same parts."""
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

    theirs = GeneralizedRCNN(net.backbone, net.rpn, net.roi_heads, net.transform).train(
        net.training
    )
    if samples is None:
        return theirs(list(images))
    targets = [
        {"boxes": o.bboxes, "labels": o.labels + 1, "masks": o.masks}
        for o in (sample.gt_instances for sample in samples)
    ]
    return theirs(list(images), targets)


def test_losses_are_torchvisions_for_images_of_two_sizes():
    net = network(DEMO).train()
    images, samples = batch()
    torch.manual_seed(5)
    own = net(images, samples, mode="loss")
    net = network(DEMO).train()
    torch.manual_seed(5)
    theirs = reference(net, images, samples)
    assert {name: value.item() for name, value in own.items()} == {
        name: value.item() for name, value in theirs.items()
    }
    assert set(own) == {
        "loss_classifier",
        "loss_box_reg",
        "loss_mask",
        "loss_objectness",
        "loss_rpn_box_reg",
    }


@torch.no_grad()
def test_predictions_are_torchvisions_with_classes_from_0_and_masks_of_the_image():
    net = network(DEMO).eval()
    images, samples = batch()
    net.roi_heads.score_thresh = 0.0
    own = net(images, samples, mode="predict")
    theirs = reference(net, images, None)
    for image, sample, found in zip(images, own, theirs, strict=True):
        objects = sample.pred_instances
        assert len(objects) > 0
        assert torch.equal(objects.bboxes, found["boxes"])
        assert torch.equal(objects.labels, found["labels"] - 1)
        assert torch.equal(objects.masks, found["masks"][:, 0] >= 0.5)
        assert objects.masks.shape[1:] == image.shape[1:]
        assert objects.labels.min() >= 0


def without_attention(name, **changes):
    """The network of a config, and the one without attention that has its other weights."""
    attended = network(name, **changes)
    plain = network(DEMO)
    state = {k: v for k, v in attended.state_dict().items() if ".cca." not in k}
    plain.load_state_dict(state, strict=True)
    return attended, plain


@pytest.mark.parametrize("place", PLACES)
def test_with_gamma_at_0_losses_gradients_and_predictions_are_the_same_bits(place):
    attended, plain = without_attention(DEMO_RCCA, **{"attention.place": place})
    images, samples = batch()
    found = []
    for net in (attended.train(), plain.train()):
        torch.manual_seed(6)
        losses = net(images, samples, mode="loss")
        sum(losses.values()).backward()
        found.append((losses, dict(net.named_parameters()), net))
    (losses, weights, _), (plain_losses, plain_weights, _) = found
    assert all(torch.equal(losses[name], plain_losses[name]) for name in plain_losses)
    for name, weight in plain_weights.items():
        assert torch.equal(weights[name].grad, weight.grad), name
    stage = PLACES[place][0]
    assert weights[f"backbone.body.{stage}.cca.gamma.scale"].grad != 0
    with torch.no_grad():
        ours, theirs = (n.eval()(images, mode="tensor") for n in (attended, plain))
    assert all(torch.equal(ours[level], theirs[level]) for level in theirs)


def test_with_another_gamma_the_levels_from_c5_down_change():
    attended, plain = without_attention(DEMO_RCCA)
    nn.init.constant_(attended.backbone.body.layer4.cca.gamma.scale, 0.5)
    images, _ = batch()
    with torch.no_grad():
        ours, theirs = (net.eval()(images, mode="tensor") for net in (attended, plain))
    assert list(ours) == ["0", "1", "2", "3", "pool"]
    assert not any(torch.equal(ours[level], theirs[level]) for level in theirs)


@pytest.mark.parametrize(("place", "before"), [("c5", 2), ("res4", 1)])
def test_the_stage_attends_where_its_place_says(place, before):
    torch.manual_seed(7)
    body = resnet18(weights=None).eval()
    plain = copy.deepcopy(body)
    attend(body, place=place, recurrence=2)
    stage = getattr(body, PLACES[place][0])
    assert isinstance(stage, AttendedStage)
    nn.init.constant_(stage.cca.gamma.scale, 0.7)
    blocks = list(getattr(plain, PLACES[place][0]))
    cca = stage.cca
    x = torch.rand(2, blocks[0].conv1.in_channels, 10, 12)
    with torch.no_grad():
        wanted = x
        for block in blocks[:before]:
            wanted = block(wanted)
        for _ in range(2):
            wanted = criss_cross_attention_reference(
                wanted,
                *(
                    (conv.weight, conv.bias)
                    for conv in (cca.query_conv, cca.key_conv, cca.value_conv)
                ),
                cca.gamma.scale,
            )
        for block in blocks[before:]:
            wanted = block(wanted)
        torch.testing.assert_close(stage(x), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("last", [False, True])
def test_the_memory_format_stays_as_it_was(last):
    body = resnet18(weights=None).eval()
    attend(body, place="c5", recurrence=1)
    wanted = torch.channels_last if last else torch.contiguous_format
    x = torch.rand(2, 256, 6, 8).contiguous(memory_format=wanted)
    assert body.layer4(x).is_contiguous(memory_format=wanted)


# What learns, and what is refused


def test_the_first_parts_of_a_pretrained_backbone_are_frozen_and_the_attention_learns():
    net = network(RCCA)
    frozen = {name for name, p in net.named_parameters() if not p.requires_grad}
    parts = {name.split(".")[2] for name in frozen}
    assert parts == {"conv1", "layer1"}
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.backbone.body.modules())
    assert all(p.requires_grad for p in network(DEMO).parameters())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depth": 20}, "depth is 20; expected one of 18, 34"),
        ({"attention": {"place": "c4", "recurrence": 2}}, "'c4'; expected c5 or res4"),
        ({"anchor_sizes": (8, 16)}, "anchor_sizes has 2 sizes; expected 5"),
        ({"trainable_layers": 6}, "trainable_layers is 6; expected 0 to 5"),
        ({"norm_cfg": {"type": "LN"}}, "norm_cfg type 'LN' is not known"),
        ({"init_cfg": {"type": "Pretrained"}}, "init_cfg .* is not supported"),
    ],
)
def test_a_part_that_does_not_exist_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        network(DEMO, **change).init_weights()

"""What configs of the FCN family ask of the parts: norms, frozen stages, stems, dilation."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from model import build_model, load_config
from model.backbones import ResNet, ResNetV1c
from model.heads import FCNHead
from model.layers import ConvModule, build_norm
from model.pretrained import load_pretrained

GN = {"type": "GN", "num_groups": 4, "requires_grad": True}
SMALL = {"depth": 18, "base_channels": 8, "stem_channels": 8}


def test_group_norm_is_torchs_under_the_published_keys():
    x = torch.randn(2, 8, 5, 6)
    block = ConvModule(8, 8, 3, norm_cfg=GN)
    assert list(block.state_dict()) == ["conv.weight", "gn.weight", "gn.bias"]
    want = functional.relu(
        functional.group_norm(block.conv(x), 4, block.gn.weight, block.gn.bias, 1e-5)
    )
    assert torch.equal(block(x), want)
    keys = ResNetV1c(**SMALL, norm_cfg=GN).state_dict()
    assert {"layer1.0.gn1.weight", "layer1.0.gn2.bias", "stem.1.weight"} <= set(keys)
    assert not any("bn" in key or "running" in key for key in keys)
    assert not build_norm({**GN, "requires_grad": False}, 8).weight.requires_grad


def test_blocks_with_group_norm_start_as_identity():
    network = ResNetV1c(**SMALL, norm_cfg=GN)
    assert not network.layer1[0].gn2.weight.any()
    assert (network.layer1[0].gn1.weight == 1).all()


@pytest.mark.parametrize(
    ("norm_cfg", "message"),
    [
        ({"type": "GN"}, "has no num_groups; give it, as num_groups=32"),
        ({"type": "LN"}, "norm_cfg type 'LN' is not known; expected one of BN, BN2d, SyncBN, GN"),
        ({}, "norm_cfg type None is not known"),
    ],
)
def test_a_norm_that_cannot_be_built_is_refused(norm_cfg, message):
    with pytest.raises(ValueError, match=message):
        build_norm(norm_cfg, 8)


@pytest.mark.parametrize("frozen", [-1, 0, 1, 3])
@pytest.mark.parametrize("kind", [ResNet, ResNetV1c])
def test_frozen_parts_keep_their_parameters_and_statistics_through_training(kind, frozen):
    network = kind(**SMALL, frozen_stages=frozen)
    stem = ("stem.",) if kind is ResNetV1c else ("conv1.", "bn1.")
    names = (*stem, *(f"layer{i + 1}." for i in range(frozen))) if frozen >= 0 else ()
    network.eval().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.1)
    sum(out.square().sum() for out in network(torch.randn(2, 3, 33, 33))).backward()
    optimizer.step()
    for name, tensor in network.state_dict().items():
        same = torch.equal(tensor, before[name])
        assert same or not name.startswith(names), name
        if "running_mean" in name:
            assert same == name.startswith(names), name
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad == (not name.startswith(names)), name


def test_frozen_stages_must_be_there():
    with pytest.raises(ValueError, match=r"frozen_stages is 5; expected -1 \(none\) to 4 \(all\)"):
        ResNetV1c(**SMALL, frozen_stages=5)


def test_weights_are_loaded_into_frozen_parts(tmp_path):
    given = ResNetV1c(**SMALL)
    torch.save(given.state_dict(), tmp_path / "w.pth")
    network = ResNetV1c(**SMALL, frozen_stages=1)
    load_pretrained(network, str(tmp_path / "w.pth"))
    assert torch.equal(network.stem[0].weight, given.stem[0].weight)


def test_the_plain_stem_is_one_convolution_of_7x7_with_torchvisions_keys():
    network = ResNet(depth=50, base_channels=8, stem_channels=8)
    keys = list(network.state_dict())
    assert keys[:3] == ["conv1.weight", "bn1.weight", "bn1.bias"]
    assert network.conv1.kernel_size == (7, 7)
    x = torch.randn(1, 3, 32, 32)
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool, network.layer1)
    network.eval()
    assert torch.equal(network(x)[0], stem(x))


def test_dilation_spreads_the_kernels_of_the_blocks_alone():
    head = FCNHead(in_channels=8, channels=4, num_classes=3, dilation=6)
    assert [block.conv.dilation for block in head.convs] == [(6, 6), (6, 6)]
    assert [block.conv.padding for block in head.convs] == [(6, 6), (6, 6)]
    assert head.conv_cat.conv.dilation == (1, 1)
    assert head([torch.randn(2, 8, 9, 7)]).shape == (2, 3, 9, 7)


def test_ccnet_trains_with_group_norm_and_frozen_stages():
    part = load_config("ccnet_r18-d8_demo").model
    part.backbone.update(norm_cfg=GN, frozen_stages=1)
    part.decode_head.norm_cfg = part.auxiliary_head.norm_cfg = GN
    network = build_model(part)
    network(torch.randn(2, 3, 32, 64)).sum().backward()
    assert network.backbone.stem[0].weight.grad is None
    assert network.backbone.layer2[0].conv1.weight.grad is not None

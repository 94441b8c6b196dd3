"""ResNet-V1c: shapes, strides, dilations, start values, and batch normalisation over processes."""

import pytest
import torch
from torch import multiprocessing, nn

from model.backbones import ResNetV1c
from model.pretrained import PretrainedError
from model.sync_batch_norm import SyncBatchNorm2d

D8 = {"strides": (1, 2, 1, 1), "dilations": (1, 1, 2, 4), "contract_dilation": True}


def narrow(depth=50, **options):
    return ResNetV1c(depth, stem_channels=8, base_channels=4, **{**D8, **options})


@pytest.mark.parametrize(("depth", "expansion"), [(18, 1), (34, 1), (50, 4), (101, 4)])
def test_outputs_have_an_eighth_of_the_size_rounded_up(depth, expansion):
    x = torch.zeros(1, 3, 97, 129)
    shapes = [tuple(y.shape[1:]) for y in narrow(depth).eval()(x)]
    assert shapes == [
        (4 * expansion, 25, 33),
        (8 * expansion, 13, 17),
        (16 * expansion, 13, 17),
        (32 * expansion, 13, 17),
    ]


def test_first_block_of_a_dilated_stage_is_contracted():
    net = narrow()
    found = {s: [b.conv2.dilation[0] for b in getattr(net, s)] for s in net.stage_names}
    assert found["layer3"] == [1] + [2] * 5
    assert found["layer4"] == [2, 4, 4]
    wide = [b.conv2.dilation[0] for b in narrow(contract_dilation=False).layer4]
    assert wide == [4, 4, 4]


def test_blocks_start_as_identity_and_convolutions_as_kaiming():
    torch.manual_seed(0)
    net = ResNetV1c(18, **D8)
    for stage in net.stage_names:
        for block in getattr(net, stage):
            assert not block.bn2.weight.any()
            assert (block.bn1.weight == 1).all()
    weight = net.layer4[1].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)


def test_out_indices_and_norm_eval():
    net = narrow(18, out_indices=(1, 3), norm_eval=True, norm_cfg={"type": "SyncBN"}).train()
    assert len(net(torch.zeros(1, 3, 32, 32))) == 2
    assert not net.layer1[0].bn1.training
    assert net.layer1[0].training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 20}, "depth 20"),
        ({"style": "caffe"}, "style"),
        ({"strides": (1, 2)}, "strides"),
        ({"norm_cfg": {"type": "LN"}}, "LN"),
    ],
)
def test_what_is_not_supported_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        narrow(**options)


def test_pretrained_file_is_loaded_with_and_without_prefix(tmp_path):
    torch.manual_seed(0)
    source = narrow(18)
    for prefix in ("", "backbone."):
        state = {prefix + k: v for k, v in source.state_dict().items()}
        if not prefix:
            state["fc.weight"] = torch.zeros(3)
        file = tmp_path / f"{prefix}weights.pth"
        torch.save({"state_dict": state}, file)
        net = narrow(18, pretrained=str(file))
        net.init_weights()
        assert torch.equal(net.layer4[0].conv1.weight, source.layer4[0].conv1.weight)


def test_pretrained_weights_that_do_not_fit_are_errors(tmp_path):
    with pytest.raises(PretrainedError, match=r"model\.pretrained=None"):
        narrow(18, pretrained=str(tmp_path / "absent.pth")).init_weights()
    state = narrow(18).state_dict()
    del state["layer2.0.conv1.weight"]
    torch.save(state, tmp_path / "holes.pth")
    with pytest.raises(PretrainedError, match=r"layer2\.0\.conv1\.weight"):
        narrow(18, pretrained=str(tmp_path / "holes.pth")).init_weights()
    torch.save(narrow(50).state_dict(), tmp_path / "other.pth")
    with pytest.raises(PretrainedError, match="other shapes"):
        narrow(18, pretrained=str(tmp_path / "other.pth")).init_weights()


def _batch():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, 4, 6, generator=g) * 3 + 100
    return x, torch.randn(5, 3, 4, 6, generator=g)


def _filled(norm):
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        norm.bias.copy_(torch.tensor([0.1, -0.2, 0.3]))
    return norm


def _worker(rank, path, results):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{path}", rank=rank, world_size=2
    )
    try:
        norm = _filled(SyncBatchNorm2d(3)).train()
        x, weight = _batch()
        part = slice(0, 2) if rank == 0 else slice(2, 5)  # unequal batches
        mine = x[part].clone().requires_grad_()
        for _ in range(2):
            y = norm(mine)
        (y * weight[part]).sum().backward()
        torch.save(
            [y.detach(), mine.grad, norm.weight.grad, norm.bias.grad, norm.state_dict()],
            f"{results}/{rank}.pt",
        )
    finally:
        torch.distributed.destroy_process_group()


def test_two_processes_normalise_as_one_over_the_whole_batch(tmp_path):
    spawned = multiprocessing.spawn(
        _worker, args=(str(tmp_path / "store"), str(tmp_path)), nprocs=2, join=False
    )
    while not spawned.join(timeout=60):
        pass
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    norm = _filled(nn.BatchNorm2d(3)).train()
    x, weight = _batch()
    x.requires_grad_()
    for _ in range(2):
        y = norm(x)
    (y * weight).sum().backward()
    close = {"rtol": 1e-4, "atol": 2e-5}
    torch.testing.assert_close(torch.cat([first[0], second[0]]), y.detach(), **close)
    torch.testing.assert_close(torch.cat([first[1], second[1]]), x.grad, **close)
    torch.testing.assert_close(first[2] + second[2], norm.weight.grad, **close)
    torch.testing.assert_close(first[3] + second[3], norm.bias.grad, **close)
    for key, value in norm.state_dict().items():
        for part in (first, second):
            torch.testing.assert_close(part[4][key], value, **close)


def test_one_process_is_plain_batch_normalisation():
    x, _ = _batch()
    ours, plain = _filled(SyncBatchNorm2d(3)).train(), _filled(nn.BatchNorm2d(3)).train()
    assert torch.equal(ours(x), plain(x))
    assert ours.state_dict().keys() == plain.state_dict().keys()
    assert torch.equal(ours.running_var, plain.running_var)

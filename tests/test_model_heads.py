"""Heads: shapes, start values, what is shared, the option of the consistency loss."""

import pytest
import torch
from mmengine.structures import PixelData

from model.heads import CCHead, FCNHead
from model.structures import SegDataSample

SIZES = {"in_channels": 16, "channels": 8, "num_classes": 5}


def samples(n=2, size=32):
    g = torch.Generator().manual_seed(0)
    draw = torch.randint(0, 5, (n, 1, size, size), generator=g)
    return [SegDataSample(gt_sem_seg=PixelData(data=one)) for one in draw]


def test_scores_keep_the_feature_maps_size_and_prediction_takes_the_asked_one():
    head = CCHead(**SIZES).eval()
    features = [torch.zeros(2, 4, 9, 9), torch.randn(2, 16, 5, 7)]
    assert head(features).shape == (2, 5, 5, 7)
    assert head.predict(features, (33, 51)).shape == (2, 5, 33, 51)


def test_attention_starts_as_identity_whatever_the_recurrence():
    torch.manual_seed(0)
    head = CCHead(**SIZES).eval()
    x = [torch.randn(1, 16, 4, 6)]
    first = head(x)
    head.recurrence = 3
    assert torch.equal(head(x), first)
    torch.nn.init.constant_(head.cca.gamma.scale, 0.5)
    assert not torch.allclose(head(x), first)


def test_start_values():
    torch.manual_seed(0)
    head = CCHead(in_channels=64, channels=128, num_classes=19)
    head.init_weights()
    assert head.conv_seg.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not head.conv_seg.bias.any()
    assert head.cca.gamma.scale.item() == 0.0
    expected = (2 / (9 * 128)) ** 0.5
    assert head.convs[0].conv.weight.std().item() == pytest.approx(expected, rel=0.02)
    assert (head.convs[0].bn.weight == 1).all()


def test_losses_have_mmsegmentations_names():
    head = FCNHead(num_convs=1, concat_input=False, **SIZES)
    losses = head.loss([torch.randn(2, 16, 4, 4)], samples())
    assert set(losses) == {"loss_ce", "acc_seg"}


def test_losses_of_one_name_are_added_and_others_kept():
    ce = {"type": "CrossEntropyLoss", "loss_weight": 0.5}
    features = [torch.randn(2, 16, 4, 4)]
    one = FCNHead(loss_decode=ce, dropout_ratio=0, **SIZES)
    both = FCNHead(loss_decode=[ce, ce, {**ce, "loss_name": "loss_b"}], dropout_ratio=0, **SIZES)
    both.load_state_dict(one.state_dict())
    single, several = one.loss(features, samples()), both.loss(features, samples())
    assert several["loss_ce"].item() == pytest.approx(2 * single["loss_ce"].item())
    assert several["loss_b"].item() == pytest.approx(single["loss_ce"].item())


def test_consistency_loss_is_an_option_that_leaves_the_other_losses_alone():
    torch.manual_seed(0)
    plain = CCHead(dropout_ratio=0, **SIZES)
    option = {"type": "CategoryConsistentLoss"}
    head = CCHead(dropout_ratio=0, loss_consistency=option, consistency_channels=6, **SIZES)
    extra = set(head.state_dict()) - set(plain.state_dict())
    assert extra == {"conv_consistency.weight", "conv_consistency.bias"}
    assert head.conv_consistency.out_channels == 6
    head.load_state_dict(plain.state_dict(), strict=False)
    features = [torch.randn(2, 16, 4, 4)]
    with_it, without = head.loss(features, samples()), plain.loss(features, samples())
    assert set(with_it) == {"loss_ce", "acc_seg", "loss_ccl"}
    torch.testing.assert_close(with_it["loss_ce"], without["loss_ce"])
    with_it["loss_ccl"].backward()
    assert head.conv_consistency.weight.grad.any()
    assert head.convs[0].conv.weight.grad.any()
    assert head.convs[1].conv.weight.grad is None


def test_a_head_without_convolutions_is_refused():
    with pytest.raises(ValueError, match="num_convs"):
        FCNHead(num_convs=0, **SIZES)

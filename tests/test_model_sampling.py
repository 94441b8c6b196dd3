"""OHEM and the Dice loss against slow loops over pixels, from mmsegmentation's semantics."""

import math

import pytest
import torch
from mmengine.structures import PixelData

from model import build_model, load_config
from model.heads import FCNHead
from model.losses import CrossEntropyLoss, DiceLoss, OHEMPixelSampler
from model.structures import SegDataSample

N, K, H, W = 2, 4, 5, 6


def case(seed, *, ignored=0.2):
    g = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(N, K, H, W, generator=g)
    labels = torch.randint(0, K, (N, H, W), generator=g)
    labels[torch.rand(N, H, W, generator=g) < ignored] = 255
    return scores, labels


def pixels(labels):
    """The places of the pixels that count."""
    return [tuple(place) for place in (labels != 255).nonzero().tolist()]


def probability(scores, labels, place):
    n, i, j = place
    powers = [math.exp(x) for x in scores[n, :, i, j].tolist()]
    return powers[labels[n, i, j]] / sum(powers)


def kept_by_loops(scores, labels, *, thresh, min_kept, class_weight=None):
    """The places that are kept: below the limit, or of the highest losses."""
    right = {place: probability(scores, labels, place) for place in pixels(labels)}
    wanted = min_kept * N
    if not right:
        return set()
    if thresh is not None:
        ascending = sorted(right.values())
        limit = max(thresh, ascending[min(wanted, len(ascending) - 1)])
        return {place for place, p in right.items() if p < limit}
    weight = class_weight or [1.0] * K
    losses = {place: -weight[labels[place]] * math.log(p) for place, p in right.items()}
    return set(sorted(losses, key=losses.__getitem__, reverse=True)[:wanted])


@pytest.mark.parametrize("min_kept", [2, 7, 20, 100000])
@pytest.mark.parametrize("thresh", [None, 0.05, 0.3, 0.7, 1.0])
def test_the_kept_pixels_are_those_of_the_loops(thresh, min_kept):
    for seed in range(10):
        scores, labels = case(seed)
        sampler = OHEMPixelSampler(thresh=thresh, min_kept=min_kept)
        weights = sampler.weights(scores, labels, [CrossEntropyLoss()])
        assert weights.dtype == torch.float32
        assert set(weights.unique().tolist()) <= {0.0, 1.0}
        kept = {tuple(place) for place in weights.nonzero().tolist()}
        assert kept == kept_by_loops(scores, labels, thresh=thresh, min_kept=min_kept), seed


def test_losses_of_several_parts_with_class_weights_choose_by_their_sum():
    scores, labels = case(3)
    weight = [0.1, 3.0, 1.0, 0.5]
    losses = [CrossEntropyLoss(class_weight=weight, loss_weight=0.4) for _ in range(2)]
    weights = OHEMPixelSampler(min_kept=5).weights(scores, labels, losses)
    kept = {tuple(place) for place in weights.nonzero().tolist()}
    assert kept == kept_by_loops(scores, labels, thresh=None, min_kept=5, class_weight=weight)


def test_the_loss_is_of_kept_pixels_and_divided_by_all():
    scores, labels = case(5)
    sampler = {"type": "OHEMPixelSampler", "thresh": 0.7, "min_kept": 3}
    head = FCNHead(in_channels=8, channels=4, num_classes=K, sampler=sampler)
    loss = head.loss_by_scores(scores, labels)["loss_ce"].item()
    kept = kept_by_loops(scores, labels, thresh=0.7, min_kept=3)
    total = sum(-math.log(probability(scores, labels, place)) for place in kept)
    assert loss == pytest.approx(total / labels.numel(), rel=1e-5)
    plain = FCNHead(in_channels=8, channels=4, num_classes=K).loss_by_scores(scores, labels)
    assert loss < plain["loss_ce"].item()


def test_only_kept_pixels_have_a_gradient():
    scores, labels = case(6)
    scores.requires_grad_()
    weight = OHEMPixelSampler(min_kept=4).weights(scores, labels, [CrossEntropyLoss()])
    assert not weight.requires_grad
    CrossEntropyLoss()(scores, labels, weight=weight).backward()
    assert torch.equal(scores.grad.abs().sum(1) > 0, weight > 0)


@pytest.mark.parametrize("thresh", [None, 0.7])
def test_a_batch_without_labels_keeps_nothing_and_its_loss_is_zero(thresh):
    scores, labels = case(0, ignored=1.1)
    weight = OHEMPixelSampler(thresh=thresh).weights(scores, labels, [CrossEntropyLoss()])
    assert not weight.any()
    assert CrossEntropyLoss()(scores, labels, weight=weight).item() == 0.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_scores_are_judged_in_float32(dtype):
    scores, labels = case(1)
    scores = scores.to(dtype)
    for thresh in (None, 0.7):
        sampler = OHEMPixelSampler(thresh=thresh, min_kept=3)
        assert torch.equal(
            sampler.weights(scores, labels, [CrossEntropyLoss()]),
            sampler.weights(scores.float(), labels, [CrossEntropyLoss()]),
        )


def test_arguments_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="min_kept is 1; expected at least 2"):
        OHEMPixelSampler(min_kept=1)
    with pytest.raises(TypeError, match="thresh is 'abc'; expected a number"):
        OHEMPixelSampler(thresh="abc")
    losses = [{"type": "CrossEntropyLoss"}, {"type": "DiceLoss"}]
    with pytest.raises(ValueError, match="DiceLoss has no loss for each pixel"):
        FCNHead(
            in_channels=8, channels=4, num_classes=K,
            loss_decode=losses, sampler={"type": "OHEMPixelSampler"},
        )  # fmt: skip


def test_ccnet_trains_with_ohem_in_both_heads_as_the_authors_report():
    part = load_config("ccnet_r18-d8_demo").model
    part.decode_head.sampler = {"type": "OHEMPixelSampler", "thresh": 0.7, "min_kept": 10}
    part.auxiliary_head.sampler = {"type": "OHEMPixelSampler", "min_kept": 10}
    network = build_model(part)
    labels = torch.randint(0, 19, (1, 32, 64))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels)) for _ in range(2)]
    losses = network.loss(torch.randn(2, 3, 32, 64), samples)
    (losses["decode.loss_ce"] + losses["aux.loss_ce"]).backward()
    assert network.decode_head.cca.gamma.scale.grad is not None
    assert list(losses) == ["decode.loss_ce", "decode.acc_seg", "aux.loss_ce", "aux.acc_seg"]


# Dice


def dice_by_loops(scores, labels, *, activation, naive, dropped=255, eps=1e-3):
    """The loss of each image, over the classes but `dropped`, pixel by pixel."""
    losses = []
    for n in range(N):
        both = of_p = of_t = 0.0
        for i in range(H):
            for j in range(W):
                column = scores[n, :, i, j].tolist()
                whole = sum(math.exp(x) for x in column)
                for k, x in enumerate(column):
                    if k == dropped:
                        continue
                    p = {
                        "sigmoid": 1 / (1 + math.exp(-x)), "softmax": math.exp(x) / whole, "": x
                    }[activation]  # fmt: skip
                    t = 1.0 if labels[n, i, j] == k else 0.0
                    both += p * t
                    of_p += p if naive else p * p
                    of_t += t
        if naive:
            losses.append(1 - (2 * both + eps) / (of_p + of_t + eps))
        else:
            losses.append(1 - 2 * both / (of_p + eps + of_t + eps))
    return losses


@pytest.mark.parametrize("naive", [False, True])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax", ""])
@pytest.mark.parametrize("dropped", [255, 2])
def test_dice_equals_the_loops(activation, naive, dropped):
    scores, labels = case(4)
    want = dice_by_loops(scores, labels, activation=activation, naive=naive, dropped=dropped)
    options = {
        "use_sigmoid": activation == "sigmoid",
        "activate": activation != "",
        "naive_dice": naive,
        "ignore_index": dropped,
    }
    mean = DiceLoss(**options, loss_weight=3.0)(scores, labels)
    assert mean.item() == pytest.approx(3 * sum(want) / N, rel=1e-5)
    assert DiceLoss(**options, reduction="sum")(scores, labels).item() == pytest.approx(
        sum(want), rel=1e-5
    )


def test_dice_stands_beside_cross_entropy_and_trains():
    scores, labels = case(2)
    scores.requires_grad_()
    losses = [{"type": "CrossEntropyLoss"}, {"type": "DiceLoss", "loss_weight": 3.0}]
    head = FCNHead(in_channels=8, channels=4, num_classes=K, loss_decode=losses)
    found = head.loss_by_scores(scores, labels)
    assert list(found) == ["loss_ce", "loss_dice", "acc_seg"]
    found["loss_dice"].backward()
    assert scores.grad.abs().sum() > 0


def test_dice_has_no_reduction_that_leaves_several_numbers():
    with pytest.raises(ValueError, match="reduction is 'none'; expected 'mean' or 'sum'"):
        DiceLoss(reduction="none")

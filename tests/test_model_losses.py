"""Losses against closed forms and plain Python sums."""

import math

import pytest
import torch

from model.losses import (
    CategoryConsistentLoss,
    CrossEntropyLoss,
    accuracy,
    category_consistent_terms,
)


def scores_and_labels(shape=(2, 3, 4, 5)):
    g = torch.Generator().manual_seed(0)
    scores = torch.randn(shape, generator=g, dtype=torch.float64)
    labels = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=g)
    labels[0, :2] = 255
    return scores, labels


def pixel_losses(scores, labels, weight=None):
    """Return one loss a pixel that counts, by plain Python."""
    out = []
    for n, i, j in torch.cartesian_prod(*(torch.arange(s) for s in labels.shape)).tolist():
        label = labels[n, i, j].item()
        if label != 255:
            row = scores[n, :, i, j].tolist()
            loss = math.log(sum(map(math.exp, row))) - row[label]
            out.append(loss * (1.0 if weight is None else weight[label]))
    return out


def test_cross_entropy_divides_by_all_pixels_unless_told_otherwise():
    scores, labels = scores_and_labels()
    losses = pixel_losses(scores, labels)
    assert len(losses) == 30
    assert CrossEntropyLoss()(scores, labels).item() == pytest.approx(sum(losses) / 40)
    exact = CrossEntropyLoss(avg_non_ignore=True, loss_weight=0.4)
    assert exact(scores, labels).item() == pytest.approx(0.4 * sum(losses) / 30)


def test_class_weights_divide_by_their_own_sum():
    scores, labels = scores_and_labels()
    weight = [1.0, 2.0, 0.5]
    total = sum(weight[c] for c in labels.flatten().tolist() if c != 255)
    found = CrossEntropyLoss(class_weight=weight)(scores, labels).item()
    assert found == pytest.approx(sum(pixel_losses(scores, labels, weight)) / total)


@pytest.mark.parametrize("options", [{}, {"avg_non_ignore": True}, {"class_weight": [1.0] * 3}])
def test_a_batch_without_labels_gives_zero_and_zero_gradients(options):
    scores, labels = scores_and_labels()
    scores.requires_grad_()
    loss = CrossEntropyLoss(**options)(scores, torch.full_like(labels, 255))
    loss.backward()
    assert loss.item() == 0.0
    assert not scores.grad.any()


def test_half_precision_scores_are_summed_in_float32():
    scores, labels = scores_and_labels()
    loss = CrossEntropyLoss()(scores.bfloat16(), labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(CrossEntropyLoss()(scores, labels).item(), rel=2e-2)


def test_sigmoid_is_refused():
    with pytest.raises(ValueError, match="use_sigmoid"):
        CrossEntropyLoss(use_sigmoid=True)


def test_accuracy_is_a_percentage_of_the_pixels_that_count():
    scores = torch.tensor([[[[3.0, 0.0, 0.0, 0.0]], [[0.0, 1.0, 1.0, 1.0]]]])
    labels = torch.tensor([[[0, 1, 0, 255]]])
    assert accuracy(scores, labels).tolist() == [pytest.approx(200 / 3)]
    assert accuracy(scores, torch.full_like(labels, 255)).tolist() == [0.0]


def terms(pixels, labels):
    return category_consistent_terms(
        torch.tensor(pixels, dtype=torch.float64), torch.tensor(labels), delta_v=0.5, delta_d=1.5
    )


@pytest.mark.parametrize(
    ("distance", "penalty"),
    [(0.0, 0.0), (0.3, 0.0), (0.5, 0.0), (1.0, 0.25), (1.5, 1.0), (2.0, 1.5), (4.0, 3.5)],
)
def test_each_piece_of_the_distance(distance, penalty):
    found = terms([[distance, 0.0], [-distance, 0.0]], [7, 7])
    assert found.variance.item() == pytest.approx(penalty, abs=1e-15)
    assert found.distance.item() == 0.0
    assert found.regular.item() == 0.0


def test_equal_means_pay_the_full_distance_and_far_ones_nothing():
    assert terms([[1.0, 0.0], [1.0, 0.0]], [0, 1]).distance.item() == pytest.approx(9.0)
    assert terms([[0.0, 0.0], [3.0, 0.0]], [0, 1]).distance.item() == 0.0
    assert terms([[0.0, 0.0], [2.0, 0.0]], [0, 1]).distance.item() == pytest.approx(1.0)


def test_terms_equal_plain_sums():
    g = torch.Generator().manual_seed(3)
    pixels = (torch.randn(40, 4, generator=g, dtype=torch.float64) * 1.2).tolist()
    labels = torch.randint(0, 4, (40,), generator=g).tolist()
    groups = {c: [p for p, k in zip(pixels, labels, strict=True) if k == c] for c in set(labels)}
    means = {c: [sum(v) / len(g) for v in zip(*g, strict=True)] for c, g in groups.items()}
    variance = 0.0
    for c, members in groups.items():
        for p in members:
            d = math.dist(p, means[c])
            phi = 0.0 if d <= 0.5 else (d - 0.5) ** 2 if d <= 1.5 else d - 1.5 + 1.0
            variance += phi / len(members) / len(groups)
    pairs = [(a, b) for a in groups for b in groups if a != b]
    apart = sum(max(0.0, 3.0 - math.dist(means[a], means[b])) ** 2 for a, b in pairs) / len(pairs)
    regular = sum(math.hypot(*m) for m in means.values()) / len(means)
    found = terms(pixels, labels)
    assert [t.item() for t in found] == pytest.approx([variance, apart, regular])


def test_gradients_of_the_terms():
    g = torch.Generator().manual_seed(5)
    pixels = torch.randn(12, 3, generator=g, dtype=torch.float64).mul(1.5).requires_grad_()
    labels = torch.randint(0, 3, (12,), generator=g)

    def run(x):
        return tuple(category_consistent_terms(x, labels, delta_v=0.5, delta_d=1.5))

    assert torch.autograd.gradcheck(run, pixels)


def test_gradient_is_finite_where_pixels_equal_their_mean():
    pixels = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    sum(
        category_consistent_terms(pixels, torch.tensor([0, 0, 1, 1]), delta_v=0.5, delta_d=1.5)
    ).backward()
    assert torch.isfinite(pixels.grad).all()


def test_loss_weighs_the_terms_and_leaves_ignored_pixels_out():
    g = torch.Generator().manual_seed(1)
    embedding = torch.randn(2, 4, 3, 5, generator=g, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 3, 5), generator=g)
    labels[:, 0] = 255
    kept = labels != 255
    expected = category_consistent_terms(
        embedding.permute(0, 2, 3, 1)[kept], labels[kept], delta_v=0.5, delta_d=1.5
    )
    weighted = expected.variance + expected.distance + 0.001 * expected.regular
    loss = CategoryConsistentLoss(loss_weight=2.0)
    assert loss(embedding, labels).item() == pytest.approx(2.0 * weighted.item())
    large = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    assert loss(embedding, large).item() == pytest.approx(2.0 * weighted.item())
    embedding.requires_grad_()
    nothing = loss(embedding, torch.full_like(labels, 255))
    nothing.backward()
    assert nothing.item() == 0.0
    assert not embedding.grad.any()


def test_thresholds_must_be_in_order():
    with pytest.raises(ValueError, match="delta_v"):
        CategoryConsistentLoss(delta_v=2.0)

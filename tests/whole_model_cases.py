"""Whole-model cases of the reference: each function runs one and returns what the file keeps."""

import functools

import reference_recipe as recipe
import torch
from mmengine.structures import PixelData

from model import build_model, load_config
from model.structures import SegDataSample

R50 = "ccnet_r50-d8_4xb2-40k_cityscapes-512x1024"
R50_769 = "ccnet_r50-d8_4xb2-40k_cityscapes-769x769"
R101 = "ccnet_r101-d8_4xb2-40k_cityscapes-512x1024"
PARTS = ("backbone", "decode_head", "auxiliary_head")


def build(
    name, dtype=torch.float32, *, dropout=0.1, narrow=False, avg_non_ignore=False, test_cfg=None
):
    """Return the network of a config, filled by the recipe."""
    part = load_config(name).model
    part.decode_head.dropout_ratio = part.auxiliary_head.dropout_ratio = dropout
    part.decode_head.loss_decode.avg_non_ignore = avg_non_ignore
    if narrow:
        part.backbone.update(depth=18, stem_channels=16, base_channels=16)
        part.decode_head.update(in_channels=128, channels=64)
        part.auxiliary_head.update(in_channels=64, channels=32)
    if test_cfg is not None:
        part.test_cfg = test_cfg
    return recipe.fill(build_model(part).to(dtype))


def samples(shape):
    """Return samples with labels for images [N, 3, H, W]."""
    label = recipe.labels((shape[0], *shape[2:]))
    size = tuple(shape[2:])
    meta = {"ori_shape": size, "img_shape": size, "pad_shape": size}
    return [SegDataSample(gt_sem_seg=PixelData(data=one[None]), metainfo=meta) for one in label]


def predict(dtype, *, shape, name=R50, meta=None, with_samples=True, test_cfg=None):
    """Return the summary of the predicted scores and the class counts."""
    network = build(name, dtype, test_cfg=test_cfg).eval()
    data = samples(shape) if with_samples else None
    if meta is not None:
        data = [SegDataSample(metainfo=meta) for _ in range(shape[0])]
    with torch.no_grad():
        out = network(recipe.tensor("image", shape).to(dtype), data, mode="predict")
    scores = torch.stack([one.seg_logits.data for one in out])
    classes = torch.stack([one.pred_sem_seg.data for one in out])
    counts = torch.bincount(classes.flatten(), minlength=19).tolist()
    return {"logits": recipe.summary(scores), "counts": counts}


def tensors(dtype, *, shape):
    """Return the summaries of mode 'tensor' and of the backbone's outputs."""
    network = build(R50, dtype).eval()
    x = recipe.tensor("image", shape).to(dtype)
    with torch.no_grad():
        scores, features = network(x, mode="tensor"), network.extract_feat(x)
    return {"logits": recipe.summary(scores), "feats": [recipe.summary(f) for f in features]}


def train(dtype, *, name, shape, steps, **options):
    """Return losses and gradient norms of some SGD steps, dropout off."""
    network = build(name, dtype, dropout=0.0, **options).train()
    sgd = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    x, data, kept = recipe.tensor("image", shape).to(dtype), samples(shape), []
    for _ in range(steps):
        sgd.zero_grad()
        total, log = network.parse_losses(network(x, data, mode="loss"))
        total.backward()
        norms = {
            part: torch.stack([p.grad.norm() for p in getattr(network, part).parameters()])
            .norm()
            .item()
            for part in PARTS
        }
        losses = {key: value.detach().item() for key, value in log.items()}
        kept.append({"losses": losses, "grad_norms": norms})
        sgd.step()
    return {"steps": kept}


_PADDED = {"ori_shape": (70, 101), "img_shape": (90, 120), "pad_shape": (97, 129)}
PREDICTIONS = {
    "r50_tensor": functools.partial(tensors, shape=(2, 3, 97, 129)),
    "r50_whole": functools.partial(predict, shape=(2, 3, 97, 129)),
    "r50_whole_none": functools.partial(predict, shape=(2, 3, 97, 129), with_samples=False),
    "r50_flip_pad": functools.partial(
        predict,
        shape=(2, 3, 97, 129),
        meta={
            **_PADDED,
            "img_padding_size": (0, 9, 0, 7),
            "flip": True,
            "flip_direction": "horizontal",
        },
    ),
    "r50_vflip": functools.partial(
        predict,
        shape=(2, 3, 97, 129),
        meta={"ori_shape": (70, 101), "flip": True, "flip_direction": "vertical"},
    ),
    "r50_slide_ac": functools.partial(
        predict,
        shape=(1, 3, 97, 129),
        name=R50_769,
        test_cfg={"mode": "slide", "crop_size": (65, 65), "stride": (43, 43)},
    ),
    "r50_slide_wide": functools.partial(
        predict,
        shape=(1, 3, 97, 129),
        test_cfg={"mode": "slide", "crop_size": (64, 160), "stride": (32, 64)},
    ),
    "r101_whole": functools.partial(predict, shape=(1, 3, 65, 49), name=R101),
}


def _training(shape, steps, **options):
    def run(dtype, steps=steps):
        return train(dtype, shape=shape, steps=steps, **options)

    return run


TRAININGS = {
    "r50_train": _training((2, 3, 64, 128), 3, name=R50),
    "r50_train_ac_avg": _training((2, 3, 65, 97), 2, name=R50_769, avg_non_ignore=True),
    "r18_train": _training((2, 3, 65, 97), 3, name=R50, narrow=True),
}

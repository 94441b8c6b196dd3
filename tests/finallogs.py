"""Writes logs of whole trainings with a validation every tenth, as mmengine prints them."""

from collections.abc import Sequence
from pathlib import Path

HEAD = """\
2026/11/23 15:52:15 - mmengine - INFO -
------------------------------------------------------------
System environment:
    sys.platform: linux
    Python: 3.11.7
    seed: {seed}
    Distributed launcher: pytorch
    Distributed training: True
    GPU number: {world}
------------------------------------------------------------

2026/11/23 15:52:15 - mmengine - INFO - Config:
"""
TRAINING = """\
crop_size = (512, 1024)
optim_wrapper = dict(
    optimizer=dict(lr=0.01, momentum=0.9, type='SGD', weight_decay=0.0005), type='OptimWrapper')
param_scheduler = [
    dict(begin=0, by_epoch=False, end={steps}, eta_min=0.0001, power=0.9, type='PolyLR'),
]
train_cfg = dict(max_iters={steps}, type='IterBasedTrainLoop', val_interval={every})
train_dataloader = dict(
    batch_size=2,
    dataset=dict(data_prefix=dict(img_path='leftImg8bit/{trained}'), type='CityscapesDataset'))
"""
MODEL = """dict(
    backbone=dict(depth=50, type='ResNetV1c'),
    decode_head=dict(recurrence={recurrence}, type='CCHead'), type='EncoderDecoder')"""
SINGLE = "[dict(type='LoadImageFromFile'), dict(scale=(2048, 1024), type='Resize')]"
SEVERAL = "[dict(type='LoadImageFromFile'), dict(transforms=[], type='TestTimeAug')]"
LOADER = """\
{name} = dict(batch_size=1, dataset=dict(
    data_prefix=dict(img_path='leftImg8bit/{split}'), {indices}pipeline={pipeline},
    type='CityscapesDataset'))
"""
STAMP = "2026/11/23 15:52:15 - mmengine - INFO -"
LEARNING = (60.0, 65.0, 68.0, 70.0, 72.0, 74.0, 75.0, 76.0, 77.0)
"""The validations before the last one, in percent."""


def training(
    path: Path,
    values: Sequence[float],
    *,
    seed: int = 1,
    steps: int = 40000,
    world: int = 4,
    split: str = "val",
    trained: str = "train",
    tta: bool = False,
    indices: str = "",
    recurrence: int = 2,
) -> Path:
    """The log of a training with these validations in percent, a tenth of the steps apart."""
    every = steps // 10
    pipeline = SEVERAL if tta else SINGLE
    text = HEAD.format(seed=seed, world=world)
    text += f"model = {MODEL.format(recurrence=recurrence)}\n"
    text += TRAINING.format(steps=steps, every=every, trained=trained)
    text += LOADER.format(name="val_dataloader", split=split, pipeline=pipeline, indices=indices)
    for i, value in enumerate(values, 1):
        text += (
            f"\n{STAMP} Iter(train) [{i * every}/{steps}]  lr: 4.0e-03  time: 0.5  "
            f"loss: {2 - i / 10:.4f}\n"
            f"{STAMP} Iter(val) [500/500]    aAcc: 95.5000  mIoU: {value:.4f}  mAcc: 84.2000  "
            "time: 0.3000\n"
        )
    path.write_text(text, encoding="utf-8")
    return path


def ended(path: Path, last: float, **options) -> Path:
    """The log of a whole training that ends at this mIoU in percent."""
    return training(path, (*LEARNING, last), **options)


def evaluation(
    path: Path, value: float, *, tta: bool = False, split: str = "val", recurrence: int = 2
) -> Path:
    """The log of an evaluation of a checkpoint, as `python -m model.evaluate` writes it."""
    inner = MODEL.format(recurrence=recurrence)
    model = f"dict(module={inner}, type='SegTTAModel')" if tta else inner
    pipeline = SEVERAL if tta else SINGLE
    text = HEAD.format(seed=1, world=4) + f"crop_size = (512, 1024)\nmodel = {model}\n"
    text += LOADER.format(name="test_dataloader", split=split, pipeline=pipeline, indices="")
    text += f"\n{STAMP} Iter(test) [500/500]    aAcc: 95.5  mIoU: {value:.4f}  mAcc: 84.2\n"
    path.write_text(text, encoding="utf-8")
    return path

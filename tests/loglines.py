"""Writes small logs in the field's formats; the oracle of the parsers is what was written."""

import sys
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from harness.log.facts import RunFacts
from harness.log.run import Run, Series

ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
READ = ("facts", "formats", "lines", "skipped", "notes", "by_order", "dropped", "dropped_count")
"""What two readings of one log share beside the series, by the attributes of a run."""

ENVIRONMENT = """\
07/26 08:17:16 - mmengine - INFO - 
------------------------------------------------------------
System environment:
    sys.platform: linux
    Python: 3.12.9 | packaged by Anaconda, Inc. | (main, Feb  6 2025, 18:56:27) [GCC 11.2.0]
    CUDA available: True
    GPU 0,1: Some GPU
    PyTorch: 2.7.1+cu126

Runtime environment:
    dist_cfg: {{'backend': '{backend}'}}
    seed: {seed}
    Distributed launcher: pytorch
    Distributed training: True
    GPU number: {world}
------------------------------------------------------------

"""

CONFIG = """\
07/26 08:17:17 - mmengine - INFO - Config:
crop_size = (
    512,
    1024,
)
model = dict(
    backbone=dict(depth=50, type='ResNetV1c'),
    decode_head=dict(type='CCHead'),
    auxiliary_head=dict(loss_decode=dict(loss_weight={aux})),
    type='EncoderDecoder')
optim_wrapper = dict(
    clip_grad=None,
    optimizer=dict(lr={lr}, momentum=0.9, type='SGD', weight_decay=0.0005),
    type='AmpOptimWrapper')
param_scheduler = [
    dict(begin=0, by_epoch=False, end=400, power=0.9, type='PolyLR'),
]
train_cfg = dict(max_iters=400, type='IterBasedTrainLoop', val_interval=400)
train_dataloader = dict(
    batch_size={batch},
    dataset=dict(data_root='/data/x', type='CityscapesDataset'),
    num_workers=2)

07/26 08:17:20 - mmengine - INFO - Checkpoints will be saved to /x.
"""


def header(*, world=1, backend="nccl", seed=1, lr=0.01, batch=2, aux=0.4) -> str:
    """An environment block and a config block as mmengine prints them."""
    environment = ENVIRONMENT.format(world=world, backend=backend, seed=seed)
    return environment + CONFIG.format(lr=lr, batch=batch, aux=aux)


def record(step: int, loss: float | str, *, rank=0, epoch=0, time=0.5, batch=2) -> str:
    """One TCAPPDLL record as the field writes it, without its line end."""
    return (
        f"TCAPPDLL 2025-07-26 08:17:23.789113 - Epoch: {epoch} Iteration: {step}  rank : {rank}  "
        f"train.loss : {loss}  train.ips : {batch / time!r} imgs/s train.total_time : {time!r} "
    )


def records(losses: Iterable[float], **fields) -> str:
    """One record a line, steps from 0."""
    return "".join(record(i, loss, **fields) + "\n" for i, loss in enumerate(losses))


def run(losses: Sequence[float], *, steps=None, source="a.log", window=1, **facts) -> Run:
    """A run with one loss series of rank 0."""
    numbers = np.arange(len(losses)) if steps is None else steps
    series = Series(
        name="loss", rank=0, window=window, steps=numbers, values=np.asarray(losses, float)
    )
    return Run(source=source, series=(series,), facts=RunFacts(values_by_name=facts))


def decaying(n: int, *, seed=0, noise=0.02, scale=1.0) -> np.ndarray:
    """A loss curve (n,) that falls from 4 towards 1 with relative noise."""
    rng = np.random.default_rng(seed)
    return scale * (1 + 3 * np.exp(-np.arange(n) / 40)) * (1 + noise * rng.standard_normal(n))


def to_zst(data: bytes) -> bytes:
    """Returns packed data; skips the test where nothing can pack it."""
    return pytest.importorskip(ZSTD, reason="needs the extra [zstd]").compress(data)

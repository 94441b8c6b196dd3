"""A training with mmengine's Runner, ready for a port: DEVICE LOG [DRAW]."""

import sys

import mmengine.runner.runner
import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from same_start import exact
from same_start_mmengine import SameStart
from torch import nn
from torch.nn import functional

device, log, draw = sys.argv[1], sys.argv[2], int((*sys.argv[3:], 0)[0])
mmengine.runner.runner.get_device = lambda: device  # mmengine does not know every device


class Network(BaseModel):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16)
        self.last = nn.Linear(16, 5)

    def forward(self, inputs, data_samples=None, mode="tensor"):
        scores = self.last(functional.relu(self.norm(self.first(inputs))).mean((2, 3)))
        if mode == "loss":
            return {"loss": functional.cross_entropy(scores, data_samples)}
        return scores


class Images(torch.utils.data.Dataset):
    def __len__(self):
        return 320

    def __getitem__(self, index):
        numbers = np.random.default_rng([7, index])  # drawn by the host
        label = int(numbers.integers(5))
        return torch.from_numpy(numbers.normal(label / 4, size=(3, 12, 12)).astype("f")), label


exact(seed=1)
loader = {
    "batch_size": 16,
    "dataset": Images(),
    "sampler": {"type": "DefaultSampler", "shuffle": True},
    "collate_fn": {"type": "default_collate"},
}
runner = Runner(
    model=Network(),
    work_dir="work_dir",
    train_dataloader=loader,
    train_cfg={"by_epoch": False, "max_iters": 20},
    optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9}},
    randomness={"seed": 1},
    custom_hooks=[SameStart(log, "start.pt", draw)],
)
runner.train()

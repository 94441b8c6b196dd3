"""A plain training loop that begins from the same start: DEVICE LOG [DRAW]."""

import sys

import numpy as np
import torch
from same_start import Log, begin, exact, moved
from torch import nn
from torch.nn import functional

device, log, draw = sys.argv[1], sys.argv[2], int((*sys.argv[3:], 0)[0])


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16)
        self.second, self.last = nn.Conv2d(16, 16, 3), nn.Linear(16, 5)

    def forward(self, images):
        x = functional.relu(self.norm(self.first(images)))
        pixels = self.second(x).flatten(2).transpose(1, 2)
        weights = torch.softmax(pixels @ pixels.transpose(1, 2) / 4, dim=-1)
        return self.last((weights @ pixels).mean(1))


def batch(step):
    numbers = np.random.default_rng([7, step])  # drawn by the host
    labels = torch.from_numpy(numbers.integers(5, size=16))
    noise = torch.from_numpy(numbers.normal(size=(16, 3, 12, 12)).astype(np.float32))
    return noise + labels[:, None, None, None] / 4, labels


exact(seed=1)
model = Network().to(device)
begin(model, "start.pt", draw)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
out = Log(log, model, [batch(0), batch(1)], draw=draw)
for step in range(20):
    images, labels = batch(step)
    images, labels = moved(images, draw, step).to(device), labels.to(device)
    loss = functional.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    out.write(step, loss)
    optimizer.zero_grad()

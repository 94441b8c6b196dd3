"""A plain training loop that finds a wrong operator: replay | record [TWIN], then the device.

python locate_loop.py replay sdaa      one machine: every operator again on the CPU
python locate_loop.py record sdaa      two machines: writes sdaa.capture; also on the other one
python locate_loop.py record sdaa 1    a repetition with a benign rounding; also 2
"""

import sys

import torch
from torch import nn
from torch.nn import functional

from harness.capture.record import record
from harness.capture.replay import replay

mode, device, twin = sys.argv[1], sys.argv[2], int((*sys.argv[3:], 0)[0])


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


torch.manual_seed(1)  # weights and batch are drawn by the CPU, so that both sides begin alike
model = Network()
images, labels = torch.randn(16, 3, 12, 12), torch.randint(5, (16,))
model, images, labels = model.to(device), images.to(device), labels.to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
watched = replay(model) if mode == "replay" else record(model, f"{device}.capture", twin=twin)
with watched:
    loss = functional.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()

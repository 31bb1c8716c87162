"""Train a network and export it to ONNX: `python export.py` writes the graph that pyproject.toml names.

In its place may stand whatever another framework exports; the tests see net.onnx alone.
"""

import torch
from torch import nn
from torch.nn import functional as F

from robust.data.sets.digits import read

torch.manual_seed(0)
x, y = map(torch.from_numpy, read("train"))  # not the test split, which the plugin measures on
net = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 4 * 4, 10))
optimiser = torch.optim.Adam(net.parameters(), lr=0.003)
for _ in range(15):
    for rows in torch.randperm(len(x)).split(64):
        optimiser.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimiser.step()
# For any number of images at once. The exporter that needs no package but onnx is the older one.
axes = {"images": {0: "n"}}
torch.onnx.export(net.eval(), (x[:1],), "net.onnx", dynamo=False, input_names=["images"], dynamic_axes=axes)

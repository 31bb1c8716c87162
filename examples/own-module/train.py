"""A user's training loop: `python train.py` writes the weights that pyproject.toml names."""

import torch
from torch.nn import functional as F

from net import Net
from robust.data.sets.digits import read

EPOCHS = 15

torch.manual_seed(0)
x, y = map(torch.from_numpy, read("train"))  # not the test split, which the plugin measures on
net = Net()
optimiser = torch.optim.Adam(net.parameters(), lr=0.003)
for _ in range(EPOCHS):
    for rows in torch.randperm(len(x)).split(64):
        optimiser.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimiser.step()
torch.save({"epochs": EPOCHS, "model": net.state_dict(), "optimiser": optimiser.state_dict()}, "checkpoint.pt")

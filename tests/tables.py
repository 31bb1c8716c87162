"""A small table: loans, with integers, a one-hot group, a fixed and a monotone feature, and two relations."""

import tomllib

import numpy as np
import torch
from torch import nn

from robust.attacks.grammar.features import keep_table
from robust.attacks.table_file import make_table
from robust.attacks.threats.features import FeaturesThreat

LOANS = """
eps = 0.02
relations = ["spending == rent + food + other", "spending <= income"]
[groups]
job = ["job=none", "job=temp", "job=office"]
[features]
age = {lo = 18, hi = 90, type = "integer", fixed = true}
months = {lo = 0, hi = 480, type = "integer", monotone = "increasing"}
income = {lo = 0, hi = 9000, eps = 0.01}
spending = {lo = 0, hi = 9000}
rent = {lo = 0, hi = 3000}
food = {lo = 0, hi = 3000}
other = {lo = 0, hi = 3000}
"job=none" = {type = "category"}
"job=temp" = {type = "category"}
"job=office" = {type = "category"}
"""
NAMES = tuple(tomllib.loads(LOANS)["features"])


def threat(text=LOANS, **changes):
    """Return the threat model of a file's text, with some of its keys changed."""
    return FeaturesThreat.parse(keep_table("loans", make_table(tomllib.loads(text) | changes)))


def rows(n, seed=0):
    """Return n rows that keep the relations, (n, 10), and labels of a rule with noise."""
    rng = np.random.default_rng(seed)
    age, months = rng.integers(18, 90, n), rng.integers(0, 480, n)
    rent, food, other = rng.uniform(100, 2000, n), rng.uniform(100, 1000, n), rng.uniform(50, 700, n)
    spending = rent + food + other
    income = spending + rng.uniform(0, 2000, n)
    job = np.eye(3)[rng.integers(3, size=n)]
    x = np.column_stack([age, months, income, spending, rent, food, other, job]).astype(np.float32)
    z = (x - x.mean(0)) / x.std(0)
    score = z[:, 2] - 1.2 * z[:, 3] + 0.5 * z[:, 1] + 0.6 * z[:, 9] - 0.3 * z[:, 4] * z[:, 5] + 0.4 * np.abs(z[:, 6])
    return torch.from_numpy(x), torch.from_numpy((score + 0.2 * rng.normal(size=n) > 0).astype(np.int64))


class Net(nn.Module):
    """A linear model, or one with a hidden layer, on standardised features."""

    def __init__(self, x, hidden=0):
        super().__init__()
        self.register_buffer("mean", x.mean(0))
        self.register_buffer("std", x.std(0))
        d = x.shape[1]
        layers = [nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, 2)] if hidden else [nn.Linear(d, 2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers((x - self.mean) / self.std)


def train(x, y, hidden=0):
    """Return a trained net."""
    torch.manual_seed(0)
    net = Net(x, hidden)
    optimiser = torch.optim.Adam(net.parameters(), 0.03)
    for _ in range(200):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimiser.step()
    return net.eval()

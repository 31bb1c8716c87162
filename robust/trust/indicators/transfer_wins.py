"""transfer-wins: what fools a plain model, fitted to the answers of this one, breaks what the attacks left standing."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robust.attacks.combine.transfer import Transfer
from robust.attacks.zoo.pgd import PGD
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import blind_wins

STEPS = 10

RIDGE = 1e-3  # of the kernel's largest value: it answers the inputs that it knows nearly as it was told


@INDICATORS.register("transfer-wins")
def transfer_wins(trial: AttackProbe) -> Finding | None:
    """An attack on a substitute for the model (1602.02697) must not find what an attack on itself does not."""
    student = fit_substitute(trial.x, trial.answers().argmax(1).to(trial.x.device), trial.classes)
    attack = Transfer(PGD(STEPS, start=0.0, loss="margin"), student)
    return blind_wins(trial, "transfer-wins", attack, "an attack on a model fitted to its answers")


class Substitute(nn.Module):
    """Kernel ridge regression: an answer is a mean over known inputs, by how near they are."""

    def __init__(self, known: Tensor, weights: Tensor, width: float) -> None:
        super().__init__()
        self.known: Tensor
        self.weights: Tensor
        self.register_buffer("known", known)  # (m, features)
        self.register_buffer("weights", weights)  # (m, classes)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return self.near(x.flatten(1)) @ self.weights

    def near(self, x: Tensor) -> Tensor:
        """(n, m): the kernel, which has a gradient everywhere."""
        squared = x.square().sum(1, keepdim=True) + self.known.square().sum(1) - 2 * x @ self.known.T
        return (-squared.clamp_min(0) / (2 * self.width**2)).exp()


def fit_substitute(x: Tensor, labels: Tensor, classes: int) -> Substitute:
    """Fitted to the labels (m,) of the inputs x, (m, *features); its kernel is as wide as they are apart."""
    known = x.flatten(1)
    width = float(torch.pdist(known).median())
    student = Substitute(known, x.new_zeros(len(x), classes), max(width, 1e-6))
    told = F.one_hot(labels, classes).to(known) - 1 / classes
    ridge = RIDGE * torch.eye(len(x)).to(known)
    student.weights = torch.linalg.solve(student.near(known) + ridge, told)
    return student

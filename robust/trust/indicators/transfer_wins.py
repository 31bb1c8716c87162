"""transfer-wins: an attack on a substitute, fitted to the model's answers, finds what the row's attacks missed."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robust.attacks.combine.transfer import Transfer
from robust.attacks.zoo.pgd import PGD
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs
from robust.trust.indicators._shared import compare_gradient_free

STEPS = 10
RIDGE = 1e-3  # of the kernel's largest value: the substitute answers its training inputs almost exactly


@INDICATORS.register("transfer-wins")
@costs(lambda probe: probe.count_answers() + STEPS * probe.count_hardest())
def transfer_wins(probe: AttackProbe) -> Finding | None:
    """Check that an attack on a substitute (1602.02697) finds nothing that attacks on the model missed."""
    if not probe.count_hardest():
        return None
    substitute = fit_substitute(probe.x, probe.answers.argmax(1).to(probe.x.device), probe.classes)
    attack = Transfer(PGD(STEPS, start=0.0, loss="margin"), substitute)
    return compare_gradient_free(probe, "transfer-wins", attack, "PGD on a substitute fitted to the model's answers")


class Substitute(nn.Module):
    """Kernel ridge regression: an answer is a mean over the m training inputs, weighted by their distance."""

    def __init__(self, inputs: Tensor, weights: Tensor, width: float) -> None:
        super().__init__()
        self.inputs: Tensor
        self.weights: Tensor
        self.register_buffer("inputs", inputs)  # (m, features)
        self.register_buffer("weights", weights)  # (m, classes)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return self.kernel(x.flatten(1)) @ self.weights

    def kernel(self, x: Tensor) -> Tensor:
        """Compute the Gaussian kernel of x, (n, features), and the training inputs, (n, m).

        It has a gradient everywhere.
        """
        squared = x.square().sum(1, keepdim=True) + self.inputs.square().sum(1) - 2 * x @ self.inputs.T
        return (-squared.clamp_min(0) / (2 * self.width**2)).exp()


def fit_substitute(x: Tensor, labels: Tensor, classes: int) -> Substitute:
    """Fit a substitute to inputs (m, *features) and labels (m,); the kernel is as wide as the median distance."""
    inputs = x.flatten(1)
    width = float(torch.pdist(inputs).median())
    substitute = Substitute(inputs, x.new_zeros(len(x), classes), max(width, 1e-6))
    targets = F.one_hot(labels, classes).to(inputs) - 1 / classes
    ridge = RIDGE * torch.eye(len(x)).to(inputs)
    substitute.weights = torch.linalg.solve(substitute.kernel(inputs) + ridge, targets)
    return substitute

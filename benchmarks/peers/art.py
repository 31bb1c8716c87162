"""ART, the Adversarial Robustness Toolbox (Nicolae et al. 2018, 1807.01069)."""

import torch
from art.attacks.evasion import AutoProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from benchmarks.duel import Attacker
from robust.attacks import LpThreat

NORM = {"linf": "inf", "l2": 2, "l1": 1}


def apgd(threat: LpThreat, steps: int) -> Attacker:
    """APGD on the cross-entropy, from one random start; the first step is 2 eps, as in the paper (2003.01690)."""
    eps = float(threat.eps)

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            classes = model(x[:1]).shape[1]
        classifier = PyTorchClassifier(
            model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), classes, clip_values=(0.0, 1.0), device_type="cpu"
        )
        made = AutoProjectedGradientDescent(
            classifier,
            norm=NORM[threat.norm],
            eps=eps,
            eps_step=2 * eps,
            max_iter=steps,
            nb_random_init=1,
            batch_size=len(x),
            loss_type="cross_entropy",
            verbose=False,
        )
        return torch.from_numpy(made.generate(x.numpy(), y.numpy()))

    return attack

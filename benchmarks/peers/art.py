"""ART, the Adversarial Robustness Toolbox (Nicolae et al. 2018, 1807.01069)."""

from collections.abc import Sequence

import torch
from art.attacks.evasion import AdversarialPatchPyTorch, AutoProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from benchmarks.duel import Attacker
from robust.attacks import LpThreat
from robust.torchvision_compat import import_torchvision

NORM = {"linf": "inf", "l2": 2, "l1": 1}


def apgd(threat: LpThreat, steps: int) -> Attacker:
    """APGD on the cross-entropy, from one random start; the first step is 2 eps, as in the paper (2003.01690)."""
    eps = float(threat.eps)

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        made = AutoProjectedGradientDescent(
            _classifier(model, x),
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


def patch_each(side: int, places: Sequence[tuple[int, int]], steps: int, rate: float) -> Attacker:
    """AdversarialPatchPyTorch by signs, a square for each image: place after place, until one fools the model.

    A place is (column, row). The patch is neither turned nor scaled.
    """

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([one(model, x[k : k + 1], y[k : k + 1]) for k in range(len(x))])

    def one(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        shown = x
        for place in places:
            shown = learn_patch(model, x, y, side, place, steps, rate, 1)(x)
            with torch.no_grad():
                if int(model(shown).argmax()) != int(y):
                    break
        return shown

    return attack


def learn_patch(
    model: nn.Module, x: Tensor, y: Tensor, side: int, place: tuple[int, int], epochs: int, rate: float, batch: int
) -> nn.Module:
    """Return a module that puts the patch which AdversarialPatchPyTorch learns on x, (n, c, h, w), on other images."""
    import_torchvision()  # which it imports; beside a CPU-only torch that needs help
    scale = side / x.shape[-1]
    made = AdversarialPatchPyTorch(
        _classifier(model, x),
        rotation_max=0.0,
        scale_min=scale,
        scale_max=scale,
        learning_rate=rate,
        max_iter=epochs,
        batch_size=batch,
        patch_shape=(x.shape[1], side, side),
        patch_location=place,
        patch_type="square",
        optimizer="pgd",
        targeted=False,
        verbose=False,
    )
    made.generate(x.numpy(), y.numpy())
    return Showing(made, scale)


class Showing(nn.Module):
    """A patch of ART at its place."""

    def __init__(self, made: AdversarialPatchPyTorch, scale: float) -> None:
        super().__init__()
        self.made, self.scale = made, scale

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (n, c, h, w), with the patch."""
        return torch.from_numpy(self.made.apply_patch(x.numpy(), scale=self.scale))


def _classifier(model: nn.Module, x: Tensor) -> PyTorchClassifier:
    with torch.no_grad():
        classes = model(x[:1]).shape[1]
    shape, loss = tuple(x.shape[1:]), nn.CrossEntropyLoss()
    return PyTorchClassifier(model, loss, shape, classes, clip_values=(0.0, 1.0), device_type="cpu")

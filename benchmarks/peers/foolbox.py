"""Foolbox (Rauber et al. 2020, JOSS 5(53))."""

import warnings

from torch import Tensor, nn

from benchmarks.duel import Attacker

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports from a part of scipy that will be gone
    import foolbox


def attacker(name: str, eps: float | None = None, **options: object) -> Attacker:
    """One of its attacks; without an eps one that seeks the smallest perturbation."""
    made = getattr(foolbox.attacks, name)(**options)

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        _, x_adv, _ = made(foolbox.PyTorchModel(model, bounds=(0, 1)), x, y, epsilons=eps)
        found: Tensor = x_adv
        return found

    return attack


def from_noise(name: str, **options: object) -> Attacker:
    """One that begins at random noise: without a start L0FMN of foolbox 3.3.4 ends in an IndexError."""
    start = foolbox.attacks.SaltAndPepperNoiseAttack(steps=100, across_channels=True)
    return attacker(name, None, init_attack=start, **options)

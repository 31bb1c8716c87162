"""torchattacks (Kim 2020, 2010.01950)."""

from typing import Any

import torchattacks
from torch import Tensor, nn

from benchmarks.duel import Attacker
from robust.attacks import LpThreat

NORM_WORD = {"linf": "Linf", "l2": "L2"}
REVISION = 1  # of `auto_attack`: with another number it is measured again


def attacker(name: str, threat: LpThreat, **options: object) -> Attacker:
    """One of its attacks that take a norm."""
    cls = getattr(torchattacks, name)

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x_adv: Tensor = cls(model, norm=NORM_WORD[threat.norm], eps=float(threat.eps), **options)(x, y)
        return x_adv

    return attack


def auto_attack(threat: LpThreat, classes: int, seed: int = 0) -> Attacker:
    """AutoAttack standard, of its parts: the library's own AutoAttack takes 10 steps where the original takes 100.

    With two classes there is no APGD-T, whose loss needs four: the authors' advice. The parts are for linf and l2, and
    seed themselves.
    """

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        ball = {"norm": NORM_WORD[threat.norm], "eps": float(threat.eps), "seed": seed}
        targets = min(classes, 10)  # at most nine, as the original
        parts = [
            torchattacks.APGD(model, steps=100, **ball),
            *([torchattacks.APGDT(model, steps=100, n_classes=targets, **ball)] if classes > 3 else []),
            torchattacks.FAB(model, steps=100, multi_targeted=True, n_classes=targets, **ball),
            torchattacks.Square(model, n_queries=5000, **ball),
        ]
        x_adv: Tensor = torchattacks.MultiAttack(parts)(x, y)
        return x_adv

    return attack


def pgd(eps: float, steps: int, stride: float) -> Attacker:
    """Constant-step PGD for linf; the step is `stride` eps."""

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x_adv: Tensor = torchattacks.PGD(model, eps=eps, alpha=stride * eps, steps=steps)(x, y)
        return x_adv

    return attack


def run(name: str, options: dict[str, Any], model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Run one of its attacks that take no norm."""
    x_adv: Tensor = getattr(torchattacks, name)(model, **options)(x, y)
    return x_adv

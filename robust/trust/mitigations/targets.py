"""targets: the attack aims at one class after the other, where the nearest one misleads (2002.08347)."""

from dataclasses import replace
from functools import partial

import torch

from robust.attacks.combine.targets import Targets
from robust.attacks.engine import assail
from robust.attacks.zoo.pgd import PGD
from robust.trust.mitigated_attack import AIMED_STEPS, MITIGATIONS, STEPS, Context, MitigatedAttack, count_targets


@MITIGATIONS.register("targets")
def targets(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Aim at each class if that breaks one of a few samples that an ordinary attack leaves."""
    with torch.no_grad():
        logits = attack.model(context.x.clone())
    y, number = logits.argmax(1), count_targets(logits.shape[1])
    if attack.draws > 1 or number < 2 or not _has_gradient(attack, context.x[:1]):
        return None
    run = partial(assail, attack.model, threat=context.threat, seed=context.seed)
    left = ~run(PGD(STEPS, stride=1.0, loss="margin", last=0.01), context.x, y).adversarial
    if not left.any():
        return None
    aimed = Targets(PGD(AIMED_STEPS, stride=1.0, loss="margin", last=0.01), number)
    return replace(attack, targets=number) if run(aimed, context.x[left], y[left]).adversarial.any() else None


def _has_gradient(attack: MitigatedAttack, x: torch.Tensor) -> bool:
    with torch.enable_grad():
        answer: torch.Tensor = attack.model(x.clone().requires_grad_())
    return answer.requires_grad

"""silent-success: an attack queried the model at an adversarial input, and returned another input."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from robust.attacks.engine import rounds_of, run_steps
from robust.attacks.factory import make
from robust.attacks.success import judge
from robust.attacks.task import Task
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import MAX_ATTACKS, AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import OWN_ATTACKS, count_attack_passes, require_complete
from robust.trust.significance import is_significant

MAX_SAMPLES = 64


@INDICATORS.register("silent-success")
@any_criterion
@costs(lambda probe: count_attack_passes(probe, _list_foreign(probe)) * probe.first_robust(MAX_SAMPLES).sum())
def silent_success(probe: AttackProbe) -> Finding | None:
    """Check that attacks of other libraries return the adversarial inputs that they query (failure 3 of 2106.09947).

    An attack that returns its last iterate may miss a better one. NotApplicableError without such an attack.
    """
    require_complete(probe)
    attacks = _list_foreign(probe)
    if not attacks:
        raise NotApplicableError("the driver judged every iterate of the row's attacks")
    mask = probe.first_robust(MAX_SAMPLES)
    for attack in attacks:
        count = sum(probe.run_on_batches(partial(_count_missed, probe, attack), mask))
        if is_significant(count, n := int(mask.sum())):
            message = f"{attack} queried adversarial inputs and did not return them for {count} of {n} samples"
            hint = "take an attack of this project, such as apgd: all its iterates are judged"
            return Finding("silent-success", "broken", count / n, f"{message}; expected none", hint)
    return None


def _list_foreign(probe: AttackProbe) -> list[str]:
    """List the first of the row's attacks that are another library's."""
    return [spec for spec in probe.require_gradient_attacks() if _is_foreign(probe, spec)][:MAX_ATTACKS]


def _is_foreign(probe: AttackProbe, spec: str) -> bool:
    """Whether an attack's iterates are not judged by the driver."""
    (attack, _), *_ = rounds_of(make(spec, probe.load))
    while hasattr(attack, "attack"):  # a combination wraps another attack
        attack = attack.attack
    return not type(attack).__module__.startswith(OWN_ATTACKS)


def _count_missed(probe: AttackProbe, spec: str, task: Task) -> int:
    """Run an attack, and count the samples for which it queries an adversarial input."""
    adversarial = torch.zeros(len(task.y), dtype=torch.bool, device=task.x.device)

    def judge_query(x: Tensor) -> Tensor:
        logits = task.model(x)
        if len(x) == len(task.x):  # the order does not matter: an input within the ball of a sample is judged as its
            adversarial.logical_or_(judge(task, x.detach(), logits.detach()).adversarial)
        return logits

    (attack, enter_round), *_ = rounds_of(make(spec, probe.load))
    run_steps(attack, enter_round(replace(task, model=judge_query)))
    return int(adversarial.sum())

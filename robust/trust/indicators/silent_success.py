"""silent-success: on its way an attack asked about an input that fools the model, and did not return it."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from robust.attacks.engine import judge, rounds_of, run_steps
from robust.attacks.factory import make
from robust.attacks.task import Task
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import MAX_SPECS, AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import OURS, significant, whole

SAMPLES = 64


@INDICATORS.register("silent-success")
def silent_success(trial: AttackProbe) -> Finding | None:
    """An attack that returns its last input may pass over a better one (failure 3 of 2106.09947)."""
    whole(trial)
    few, words = trial.first_standing(SAMPLES), [word for word in trial.white if _foreign(trial, word)]
    if not words:
        raise NotApplicableError("the driver judged every iterate of the row's attacks")
    for word in words[:MAX_SPECS]:
        lost = sum(trial.tasks(partial(_passed_over, trial, word), few))
        if significant(lost, n := int(few.sum())):
            told = f"{word} met inputs that fool the model and did not return them for {lost} of {n} samples"
            hint = "take an attack of ours, as apgd: what its iterates find counts"
            return Finding("silent-success", "broken", lost / n, f"{told}; expected none", hint)
    return None


def _foreign(trial: AttackProbe, word: str) -> bool:
    """Whether the attack's iterates are its own affair."""
    (first, _), *_ = rounds_of(make(word, trial.load))
    while hasattr(first, "attack"):  # what wraps it
        first = first.attack
    return not type(first).__module__.startswith(OURS)


def _passed_over(trial: AttackProbe, word: str, task: Task) -> int:
    """How many samples of the task fell to an input that was only asked about."""
    fooled = torch.zeros_like(task.y, dtype=torch.bool)

    def witness(x: Tensor) -> Tensor:
        logits = task.model(x)
        if len(x) == len(task.x):  # in what order does not matter: what is near a sample is judged as that sample
            fooled.logical_or_(judge(task, x.detach(), logits.detach()).adversarial)
        return logits

    (first, enter_round), *_ = rounds_of(make(word, trial.load))
    run_steps(first, enter_round(replace(task, model=witness)))
    return int(fooled.sum())

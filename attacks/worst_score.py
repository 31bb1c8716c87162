"""The driver that finds how bad the score of each sample can get: it does not stop at a sample's first success."""

from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from robust.attacks.arguments import check_arguments, check_threat
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.engine import AnyAttack, Attack, eval_mode, judge_clean, rounds_of, start
from robust.attacks.families import check_family, list_inner, shares_ball
from robust.attacks.iterates import iterate
from robust.attacks.layout import are_several
from robust.attacks.lift import lift, lower, no_theta
from robust.attacks.rng import Rng, rng_of
from robust.attacks.several import Several, pack_inputs, unpack_rows
from robust.attacks.task import Cost, Model, Task
from robust.attacks.threats.threat import Part, Threat


@dataclass(frozen=True, slots=True)
class WorstScores:
    """The worst scores that were found, sample by sample, as judged by the driver."""

    score: Tensor  # (N,): at x_adv, by the criterion
    x_adv: Tensor  # (N, *features): that input; x if nothing admitted is worse
    cost: Cost
    theta: Tensor  # (N, 4) float32: of what a threat model that transforms made x_adv; NaN elsewhere


def worsen_scores(
    model: Model,
    attack: AnyAttack,
    x: Tensor | Several,
    y: Tensor,
    threat: Threat,
    *,
    criterion: Criterion,
    seed: int | Rng = 0,
) -> WorstScores:
    """Run an attack to its end on every sample, also on those that it fools, and keep the input of the worst score.

    Arguments are those of `assail`, and what is restored too.
    """
    check_threat(threat)
    if not isinstance(x, Tensor) and are_several(x):
        on_rows, rows, layout = pack_inputs(model, x, threat)
        found = worsen_scores(on_rows, attack, rows, y, threat, criterion=criterion, seed=seed)
        return replace(found, x_adv=unpack_rows(layout, found.x_adv))
    check_arguments(model, attack, x, y, criterion)
    assert isinstance(x, Tensor)
    check_family(attack, threat, criterion)
    first, *others = threat.parts
    rng = rng_of(seed, x)
    with eval_mode(model, rng.seed), torch.no_grad():
        task = start(model, x, y, first, rng, criterion)
        worst = WorstScores(_score(task, judge_clean(task).logits), x.clone(), task.cost, no_theta(x))
        for part in (first, *others):
            for round_attack, enter_round in rounds_of(attack):
                entered = enter_round(lift(replace(start(model, x, y, part, rng, criterion), cost=worst.cost)))
                if entered.stop():
                    return worst
                _worsen(round_attack, entered, worst)
                if seeks_beyond(round_attack, part, criterion):
                    _worsen_further(round_attack, entered, worst)
    return worst


def seeks_beyond(attack: AnyAttack, part: Part, criterion: Criterion) -> bool:
    """Whether an attack is run again for more wrong pixels than it has found.

    In l2 and l1 all pixels share eps: the margin's way to one more may undo another, so that must be sought as a whole.
    What stops at the boundary of the least perturbation goes to the next one.
    """
    inner = next(iter(list_inner(attack)))
    pursues = getattr(inner, "stops", False) or (shares_ball(part) and getattr(inner, "loss", "") == "margin")
    return hasattr(criterion, "beyond") and pursues


def _worsen_further(attack: Attack[Any], task: Task, worst: WorstScores) -> None:
    """Run the attack again for 1 pixel more, then 2, 4, ..., and half as many after each run in vain, down to 1."""
    more = torch.ones_like(task.place)
    while len(task.place) and not task.stop():
        before = worst.score[task.place].clone()
        aimed = replace(task, origin=task.x, criterion=cast(Any, task.criterion).beyond(before, more))
        _worsen(attack, aimed, worst)
        better = worst.score[task.place] < before
        keep = (better | (more > 1)) & (worst.score[task.place] > 0)
        more = torch.where(better, 2 * more, more // 2)[keep]
        task = task.only(keep)


def _worsen(attack: Attack[Any], task: Task, worst: WorstScores) -> None:
    """Run the attack on the samples of `task` to its end, and write inputs with worse scores into `worst`."""
    for left, state in iterate(attack, task):
        _note_worse(worst, left, state.x, left.logits(state.x) if state.logits is None else state.logits)


def _note_worse(worst: WorstScores, task: Task, x: Tensor, logits: Tensor) -> None:
    """Write into `worst` which iterates x, (n, *features), are admitted, and have worse scores than those so far."""
    score, before = _score(task, logits), worst.score[task.place]
    worse = task.criterion.finite(logits) & (score > before if task.criterion.rises else score < before)
    if bool(worse.any()):
        worse[worse.clone()] = task.threat.admits(x[worse], task.x[worse])
        worst.score[task.place[worse]] = score[worse]
        at = task.place[worse]
        worst.x_adv[at], worst.theta[at] = lower(task.threat, x[worse])


def _score(task: Task, logits: Tensor) -> Tensor:
    return task.criterion.score(logits, task.y).detach().clone()

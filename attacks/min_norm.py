"""The driver that finds the smallest perturbation that fools the model."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robust.attacks.arguments import check_arguments, check_norm
from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.drawn import Drawn
from robust.attacks.engine import AnyAttack, Attack, eval_mode, judge_clean, rounds_of, start
from robust.attacks.families import check_family
from robust.attacks.geometry import Norm
from robust.attacks.iterates import iterate
from robust.attacks.rng import Rng, rng_of
from robust.attacks.success import Verdict, judge
from robust.attacks.task import Cost, Model, Task
from robust.attacks.threats.lp import LpThreat


@dataclass(frozen=True, slots=True)
class MinNormResult:
    """The closest inputs that fool the model, sample by sample, as judged by the driver."""

    distance: Tensor  # (N,): to x, in the norm; 0 if x itself is answered wrong, inf if none was found
    x_adv: Tensor  # (N, *features): that input; x if none was found
    faulty: Tensor  # (N,) bool: as in Outcome
    cost: Cost

    def robust_at(self, eps: float) -> Tensor:
        """Mark the samples that are robust within radius `eps`, (N,) bool; one run gives the whole curve."""
        return self.distance > eps

    @property
    def median(self) -> float:
        """Return the smallest radius at which at least half of the samples are adversarial."""
        return float(self.distance.sort().values[(len(self.distance) - 1) // 2])


def minimize_norm(
    model: Model,
    attack: AnyAttack,
    x: Tensor,
    y: Tensor,
    norm: Norm,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    seed: int | Rng = 0,
    criterion: Criterion = CLASS,
) -> MinNormResult:
    """Run an attack that seeks the smallest perturbation to its end, and keep the closest adversarial inputs.

    Arguments are those of `assail`, and what is restored too. The norm replaces the threat: distances are measured in
    it, and only the bounds limit the inputs.
    """
    check_norm(norm)
    check_arguments(model, attack, x, y, criterion)
    if isinstance(model, Drawn):
        raise ValueError("a model that answers at random has no smallest distance; attack it at an eps, with assail")
    rng = rng_of(seed, x)
    with eval_mode(model, rng.seed), torch.no_grad():
        widest = LpThreat.widest(norm, x, *bounds)
        check_family(attack, widest, criterion)
        task = start(model, x, y, widest, rng, criterion)
        clean = judge_clean(task)
        distance = torch.full((len(x),), torch.inf, dtype=exact_type(x), device=x.device)
        distance[clean.adversarial] = 0.0
        result = MinNormResult(distance, x.clone(), clean.faulty, task.cost)
        task = task.only(distance > 0)
        for round_attack, enter_round in rounds_of(attack):
            if len(task.x):
                approach(round_attack, enter_round(task), result)
    return result


def exact_type(x: Tensor) -> torch.dtype:
    """Return the type in which distances are measured: Apple's GPUs know no float64."""
    return torch.float32 if x.device.type == "mps" else torch.float64


def approach(attack: Attack[Any], task: Task, result: MinNormResult) -> None:
    """Run the attack on the samples of `task` to its end, and write closer adversarial inputs into `result`."""
    for left, state in iterate(attack, task):
        verdict = judge(left, state.x, state.logits)
        if not verdict.clear:
            note_nearer(result, left, state.x, verdict)


def note_nearer(result: MinNormResult, task: Task, x: Tensor, verdict: Verdict) -> None:
    """Write into `result` which iterates x, (n, *features), are closer than those so far, and which are faults."""
    exact = exact_type(x)
    distance = task.threat.size(x.to(exact), task.x.to(exact))
    better = verdict.adversarial & (distance < result.distance[task.place])
    result.faulty[task.place[verdict.faulty]] = True
    result.distance[task.place[better]] = distance[better]
    result.x_adv[task.place[better]] = x[better]

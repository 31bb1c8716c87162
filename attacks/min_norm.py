"""The driver for the smallest perturbation that fools the model."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.engine import AnyAttack, Attack, eval_mode, judge, restrict, rounds_of, start
from robust.attacks.geometry import Norm
from robust.attacks.task import Cost, Model, Task
from robust.attacks.threats.lp import LpThreat


@dataclass(frozen=True, slots=True)
class MinNormResult:
    """The closest inputs that fool the model, sample by sample, as judged by the driver."""

    distance: Tensor  # (N,) float64: to x, in the norm; 0 where x itself is answered wrong, inf where none was found
    x_adv: Tensor  # (N, *features): that input, x where none was found
    faulty: Tensor  # (N,) bool: as in Outcome
    cost: Cost

    def robust_at(self, eps: float) -> Tensor:
        """(N,) bool: whether the sample stands in a ball of this radius; one run gives the whole curve."""
        return self.distance > eps

    @property
    def median(self) -> float:
        """The radius at which half of the samples have fallen."""
        return float(self.distance.sort().values[(len(self.distance) - 1) // 2])


def minimize_norm(
    model: Model,
    attack: AnyAttack,
    x: Tensor,
    y: Tensor,
    norm: Norm,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
    index: Tensor | None = None,
    criterion: Criterion = CLASS,
) -> MinNormResult:
    """Run an attack that seeks the smallest perturbation to its end, and keep every sample's best.

    Arguments and what is left as found are those of `assail`; the only limits are the norm and the bounds.
    """
    with eval_mode(model, seed), torch.no_grad():
        task = start(model, x, y, LpThreat.widest(norm, x, *bounds), seed, index, criterion)
        clean = judge(task, x, None)
        distance = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        found = MinNormResult(distance, x.clone(), clean.faulty, task.cost)
        found.distance[clean.adversarial] = 0.0
        task = task.only(found.distance > 0)
        for each, enter_round in rounds_of(attack):
            if len(task.x):
                _approach(each, enter_round(task), found)
    return found


def _approach(attack: Attack[Any], task: Task, found: MinNormResult) -> None:
    """Run the attack on the samples of `task` to its end, and note in `found` what is nearer than before."""
    state = attack.init(task)
    for k in range(attack.steps + 1):
        adversarial, faulty, _ = judge(task, state.x, state.logits)
        distance = task.threat.size(state.x.double(), task.x.double())
        better = adversarial & (distance < found.distance[task.place])
        found.faulty[task.place[faulty]] = True
        found.distance[task.place[better]] = distance[better]
        found.x_adv[task.place[better]] = state.x[better]
        done = getattr(state, "done", None)
        if k == attack.steps or (done is not None and bool(done.all())):
            break
        if done is not None and bool(done.any()):
            task, state = task.only(~done), restrict(state, ~done)
        state = attack.step(task, state, k)

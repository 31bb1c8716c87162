"""NI-FGSM, which looks ahead along its momentum: Lin et al. 2020 (1908.06281)."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from robust.attacks import Task


class Moving(NamedTuple):
    """The state; every tensor leads with the batch axis."""

    x: Tensor  # (n, *features), the iterate
    logits: Tensor | None  # at x; None where the model was asked elsewhere
    velocity: Tensor  # (n, *features)


@dataclass(frozen=True, slots=True)
class NIFGSM:
    """NI-FGSM with steps of eps / `steps`. The engine, and not the attack, judges the iterates."""

    steps: int = 10
    decay: float = 1.0

    def init(self, task: Task) -> Moving:
        logits, _, grad = task.ascent(task.x, "ce")
        return Moving(task.x, logits, _normalise(grad))

    def step(self, task: Task, state: Moving, k: int) -> Moving:
        length = float(task.threat.eps) / self.steps
        x = task.threat.project(task.threat.step(state.x, state.velocity, length), task.x)
        if k + 1 == self.steps:
            return Moving(x, None, state.velocity)
        ahead = task.threat.project(task.threat.step(x, state.velocity, self.decay * length), task.x)
        _, _, grad = task.ascent(ahead, "ce")
        return Moving(x, None, self.decay * state.velocity + _normalise(grad))


def _normalise(grad: Tensor) -> Tensor:
    size = grad.flatten(1).abs().mean(1).clamp_min(1e-30)
    return grad / size.view(-1, *[1] * (grad.dim() - 1))

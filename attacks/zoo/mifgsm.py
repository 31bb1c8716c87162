"""MI-FGSM, with the input diversity and the smoothing that make adversarial examples transfer to other models.

Momentum: Dong et al. 2018 (1710.06081). Input diversity, DI: Xie et al. 2019 (1803.06978). Translation invariance, TI:
Dong et al. 2019 (1904.02884).
"""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.families import BOUND
from robust.attacks.geometry import per_sample
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Model, Task
from robust.attacks.threats.patch import PatchThreat
from robust.attacks.words import STEPPED

MIN_SCALE = 0.9  # input diversity shrinks an image to no less than this share of its width


class MIFGSMState(NamedTuple):
    """The state: the iterate, and the sum of the gradients so far."""

    x: Tensor
    logits: Tensor | None
    velocity: Tensor


@ATTACKS.register("mifgsm")
@dataclass(frozen=True, slots=True)
class MIFGSM:
    """Take steps of eps / `steps` along a decaying sum of normalised gradients, from x.

    `diversity` and `kernel` are for images, (N, C, H, W): ValueError for other inputs.
    """

    steps: int = 10
    decay: float = 1.0  # factor of the sum in each step
    diversity: float = 0.0  # DI: probability of a gradient at a shrunk and shifted copy; 0.5 in the paper
    kernel: int = 0  # TI: odd width of the Gaussian that smooths a gradient; 0 is none, 15 in the paper
    loss: str | Loss = "ce"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    families: ClassVar[tuple[str, ...]] = STEPPED
    maps: ClassVar[dict[str, str]] = {"linf": "", "l2": "loss=margin", PRODUCT: BOUND}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if self.decay < 0:
            raise ValueError(f"decay must be 0 or above, got {self.decay:g}")
        if not 0 <= self.diversity <= 1:
            raise ValueError(f"diversity, a probability, must be from 0 to 1, got {self.diversity:g}")
        if self.kernel < 0 or (self.kernel and self.kernel % 2 == 0):
            raise ValueError(f"kernel, a width in pixels, must be 0 or odd, got {self.kernel}")
        check_loss(self.loss)

    def init(self, task: Task) -> MIFGSMState:
        if task.x.dim() != 4 and (self.diversity or self.kernel):
            raise ValueError("diversity and kernel are for images, (N, C, H, W); leave them out for other inputs")
        x = task.start(0.0)
        logits, grad = self._gradient(task, x, 0)
        return MIFGSMState(x, logits, grad)

    def step(self, task: Task, state: MIFGSMState, k: int) -> MIFGSMState:
        length = float(task.threat.eps) / self.steps
        if isinstance(task.threat, PatchThreat):
            x = task.threat.advance(state.x, state.velocity, task.x, length)
        else:
            x = task.threat.project(task.threat.step(state.x, state.velocity, length), task.x)
        if k + 1 == self.steps:
            return MIFGSMState(x, None, state.velocity)
        logits, grad = self._gradient(task, x, k + 1)
        return MIFGSMState(x, logits, self.decay * state.velocity + grad)

    def _gradient(self, task: Task, x: Tensor, k: int) -> tuple[Tensor | None, Tensor]:
        """Return the logits at x, None if the model saw other inputs, and the gradient scaled to a mean size of 1."""
        diverse = task if not self.diversity else replace(task, model=_diverse(task, self.diversity, k))
        logits, _, grad = diverse.ascent(x, self.loss)
        grad = _smooth(grad, self.kernel) if self.kernel else grad
        size = grad.flatten(1).abs().mean(1).clamp_min(torch.finfo(grad.dtype).tiny)
        return None if self.diversity else logits, grad / per_sample(size, grad)


def _diverse(task: Task, probability: float, k: int) -> Model:
    """Return the model on inputs of which each is, with this probability, shrunk and put on zeros at a random place."""
    rng = task.rng.fold(k)
    like = task.x.flatten(1)[:, :1]
    draws = torch.cat([rng.fold(i).uniform(like) for i in range(4)], 1)
    scale = torch.where(
        draws[:, 0] < probability, MIN_SCALE + (1 - MIN_SCALE) * draws[:, 1], torch.ones_like(draws[:, 1])
    )
    # An image of `scale` of the width can be moved by 1 - scale to either side.
    shift = (2 * draws[:, 2:] - 1) * (1 - scale)[:, None]
    theta = torch.zeros(len(like), 2, 3).to(like)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = shift / scale[:, None]

    def model(x: Tensor) -> Tensor:
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return task.model(F.grid_sample(x, grid, padding_mode="zeros", align_corners=False))

    return model


def _smooth(grad: Tensor, width: int) -> Tensor:
    """Smooth the gradient with a Gaussian of three standard deviations to either side, as in the paper."""
    places = torch.linspace(-3, 3, width).to(grad)
    line = torch.exp(-(places**2) / 2)
    line = line / line.sum()
    channels = grad.shape[1]
    for shape in ((1, 1, width, 1), (1, 1, 1, width)):
        padding = (shape[2] // 2, shape[3] // 2)
        grad = F.conv2d(grad, line.view(shape).repeat(channels, 1, 1, 1), padding=padding, groups=channels)
    return grad

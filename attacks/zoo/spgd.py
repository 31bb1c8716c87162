"""spgd, sparse PGD: a magnitude for every pixel, and a mask of those that count. Zhong et al. 2024 (2405.05075)."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.pixels import by_pixel, mark_largest, of_pixels

TINY = 2e-10  # of the mask's gradient: a shorter one says nothing


class SPGDState(NamedTuple):
    """The state: the iterate, the magnitudes of all pixels, and what says which of them count."""

    x: Tensor
    logits: Tensor | None
    grad: Tensor
    wide: Tensor  # (n, channels, pixels): what each pixel adds to x if it counts
    score: Tensor  # (n, pixels): those with the largest count
    chosen: Tensor  # (n, pixels) bool: these
    idle: Tensor  # (n,) int64: for how many steps in a row the same pixels were chosen


@ATTACKS.register("spgd")
@dataclass(frozen=True, slots=True)
class SPGD:
    """Ascend the loss in the magnitudes of all pixels, by signs, and in the scores that choose those that count.

    A choice that stays for `patience` steps is drawn anew. The gradient that the chosen pixels have leads the
    magnitudes of all (`unprojected`), or only of the chosen ones: each breaks samples that the other does not.
    """

    steps: int = 300
    stride: float = 0.25  # of the magnitudes, as a share of the width of the bounds
    pace: float = 0.25  # of the scores, as a share of the root of the number of pixels
    patience: int = 3
    unprojected: bool = True
    loss: str | Loss = "ce"  # ce, margin, dlr or sice
    families: ClassVar[tuple[str, ...]] = (PIXELS,)
    maps: ClassVar[dict[str, str]] = {PIXELS: ""}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        check_at_least_1("patience", self.patience)
        for name in ("stride", "pace"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name):g}")
        check_loss(self.loss)

    def init(self, task: Task) -> SPGDState:
        like = by_pixel(task.x)
        drawn = task.threat.lo + (task.threat.hi - task.threat.lo) * task.rng.fold(0).uniform(like)
        wide, score = drawn - like, task.rng.fold(1).normal(like[:, 0])
        if task.origin is not None:
            apart = by_pixel(task.origin) - like
            changed = (apart != 0).any(1)
            wide, score = torch.where(changed[:, None], apart, wide), torch.where(changed, score.abs(), -score.abs())
        idle = torch.zeros(len(like), dtype=torch.int64, device=like.device)
        return self._ask(task, wide, score, idle, last=False)

    def step(self, task: Task, state: SPGDState, k: int) -> SPGDState:
        grad, like = by_pixel(state.grad), by_pixel(task.x)
        weight = state.score.sigmoid()
        slope = (grad * state.wide).sum(1) * weight * (1 - weight)
        length = slope.norm(dim=1, keepdim=True)
        ahead = torch.where(length < TINY, 0.0, slope / length.clamp_min(TINY))
        score = state.score + self.pace * math.sqrt(slope.shape[1]) * ahead
        leading = grad if self.unprojected else grad * state.chosen[:, None]
        wide = state.wide + self.stride * (task.threat.hi - task.threat.lo) * leading.sign()
        wide = (like + wide).clamp(task.threat.lo, task.threat.hi) - like
        same = (mark_largest(score, of_pixels(task.threat).count) == state.chosen).all(1)
        idle = torch.where(same, state.idle + 1, 0)
        stuck = idle >= self.patience
        score = torch.where(stuck[:, None], task.rng.fold(k + 2).normal(score), score)
        return self._ask(task, wide, score, torch.where(stuck, 0, idle), last=k + 1 == self.steps)

    def _ask(self, task: Task, wide: Tensor, score: Tensor, idle: Tensor, *, last: bool) -> SPGDState:
        """Return the state with these magnitudes and scores; after the last step the gradient is not needed."""
        like, threat = by_pixel(task.x), task.threat
        chosen = mark_largest(score, of_pixels(threat).count)
        x = torch.where(chosen[:, None], (like + wide).clamp(threat.lo, threat.hi), like).reshape(task.x.shape)
        if last:
            return SPGDState(x, None, torch.zeros_like(x), wide, score, chosen, idle)
        logits, _, grad = task.ascent(x, self.loss)
        return SPGDState(x, logits, grad, wide, score, chosen, idle)

"""LaVAN, a patch that is sought and climbed (Karmon et al. 2018, 1801.02608), and slides as in 2005.02313."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.grammar.patch import PATCH
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.patch import PatchThreat, of_patch
from robust.attacks.threats.windows import mark_window, over_channels, sum_windows

CORNER, UPPER, LOWER = range(3)  # what a window that is tried holds
SEARCH = 1 / 3  # of the steps are tries, at most


class LavanState(NamedTuple):
    """The state: the iterate, what is tried, and the best tries so far."""

    x: Tensor
    logits: Tensor
    grad: Tensor  # at x, or at the clean input
    corner: Tensor  # (n, *features): each value at the bound to which the gradient of the clean input points
    promising: Tensor  # (n, tries / 3) int64: places, the best by that gradient first
    places: Tensor  # (n, places) int64: of the best tries
    kinds: Tensor  # (n, places) int64: what they hold
    losses: Tensor  # (n, places): at them


@ATTACKS.register("lavan")
@dataclass(frozen=True, slots=True)
class Lavan:
    """Try windows with one query each, then ascend the loss from the best of them, one after the other.

    In turn a window is tried where the gradient promises most, with every value at the bound to which it points; at a
    random place, all at the upper bound; and at another, all at the lower. No two of the first are nearer than half a
    window. The ascents share the other steps. They move by the signs of the gradient and shrink along half a cosine;
    the window slides to where it gains more.
    """

    steps: int = 150  # in all
    tries: int = 48  # windows that are tried; a third of the steps at most
    places: int = 3  # windows from which the loss is ascended
    stride: float = 0.5  # length of the first step of an ascent, as a share of the width of the bounds
    last: float = 0.02  # of the last
    loss: str | Loss = "margin"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    families: ClassVar[tuple[str, ...]] = (PATCH,)

    def __post_init__(self) -> None:
        for name in ("steps", "tries", "places"):
            check_at_least_1(name, getattr(self, name))
        for name in ("stride", "last"):
            if not 0 < (length := getattr(self, name)) <= 1:
                raise ValueError(f"{name}, a share of the bounds, must be above 0 and at most 1, got {length:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> LavanState:
        threat = of_patch(task.threat)
        logits, loss, grad = task.ascent(task.x, self.loss)
        corner = threat.clip(task.x + grad.sign() * (threat.hi - threat.lo))
        promising = spread_places(threat, task.x, over_channels(grad * (corner - task.x)), -(-self._tries // 3))
        none = torch.zeros(len(task.x), self.places, dtype=torch.int64, device=task.x.device)
        losses = loss.new_full(none.shape, -torch.inf)
        return LavanState(task.x, logits, grad, corner, promising, none, none, losses)

    def step(self, task: Task, state: LavanState, k: int) -> LavanState:
        threat = of_patch(task.threat)
        if k < self._tries:
            return self._try(task, state, k)
        if k == self._tries:
            order = state.losses.argsort(dim=1, descending=True, stable=True)
            state = state._replace(places=state.places.gather(1, order), kinds=state.kinds.gather(1, order))
        climb = math.ceil((self.steps - self._tries) / self.places)
        turn, j = divmod(k - self._tries, climb)
        if j == 0:
            x = threat.paste(_fill(threat, state.corner, state.kinds[:, turn]), task.x, state.places[:, turn])
        else:
            x = threat.advance(state.x, state.grad, task.x, self._length(j, climb))
        logits, _, grad = task.ascent(x, self.loss)
        return state._replace(x=x, logits=logits, grad=grad)

    def _try(self, task: Task, state: LavanState, k: int) -> LavanState:
        """Query one window, and keep it if it is among the best."""
        threat, kind = of_patch(task.threat), k % 3
        place = state.promising[:, k // 3] if kind == CORNER else threat.draw_places(task.x, task.rng.fold(k))
        x = threat.paste(_fill(threat, state.corner, torch.full_like(place, kind)), task.x, place)
        logits = task.logits(x)
        loss = task.loss(logits, self.loss)
        least, worst = state.losses.min(1)
        changes = (torch.arange(self.places, device=x.device) == worst[:, None]) & (loss > least)[:, None]
        return state._replace(
            x=x,
            logits=logits,
            places=torch.where(changes, place[:, None], state.places),
            kinds=torch.where(changes, kind, state.kinds),
            losses=torch.where(changes, loss[:, None], state.losses),
        )

    @property
    def _tries(self) -> int:
        return max(1, min(self.tries, int(SEARCH * self.steps)))

    def _length(self, j: int, climb: int) -> float:
        """Return the length of step j from 1 to climb - 1 of an ascent, as a share of the bounds."""
        share = (j - 1) / max(1, climb - 2)
        return self.last + (self.stride - self.last) * (1 + math.cos(math.pi * share)) / 2


def _fill(threat: PatchThreat, corner: Tensor, kind: Tensor) -> Tensor:
    """Return inputs of the shape of `corner` from which windows of these kinds, (n,), are taken."""
    which = per_sample(kind, corner)
    return torch.where(which == CORNER, corner, torch.where(which == UPPER, threat.hi, threat.lo).to(corner))


def spread_places(threat: PatchThreat, x: Tensor, gain: Tensor, count: int) -> Tensor:
    """Return places of windows with large sums of `gain`, (N, rows, columns), the largest first, (N, count) int64.

    Of windows that overlap by more than half in both directions only the first counts. Where no more are left, the
    first stands again.
    """
    size = threat.fit(x)
    total = sum_windows(gain, size)
    near = (max(1, size[0] // 2) * 2 - 1, max(1, size[1] // 2) * 2 - 1)
    padded = torch.zeros(len(x), total.shape[1] + near[0] - 1, total.shape[2] + near[1] - 1, device=x.device)
    left = total.flatten(1)
    found: list[Tensor] = []
    for _ in range(count):
        best, place = left.max(1)
        found.append(torch.where(best > -torch.inf, place, found[0]) if found else place)
        around = mark_window(padded, found[-1], near)  # centred at the place, once the padding is cut off
        around = around[:, near[0] // 2 :, near[1] // 2 :][:, : total.shape[1], : total.shape[2]]
        left = left.masked_fill(around.flatten(1), -torch.inf)
    return torch.stack(found, 1)

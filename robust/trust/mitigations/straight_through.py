"""straight-through: the gradient passes what stops or scatters it on the way from the input to the first layer.

The backward pass differentiable approximation of Athalye, Carlini and Wagner 2018 (1802.00420) by the identity, at a
place that is found by looking: the last submodule that is still given the input, or nearly.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.mitigations._calls import calls

ALIKE = 0.95  # correlation from which on what a submodule is given is still the input
PASSES = 0.9  # correlation from which on the gradient that comes back is that which was sent


class Straight(nn.Module):
    """`inner`, whose answers are the same; to the gradient what its submodule `entry` is given is slope * x."""

    def __init__(self, inner: nn.Module, entry: str, slope: float) -> None:
        super().__init__()
        self.inner, self.entry, self.slope = inner, entry, slope

    def forward(self, x: Tensor) -> Tensor:
        straight = self.slope * (x - x.detach())

        def enter_round(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return (inputs[0].detach() + straight,) if inputs[0].shape == x.shape else inputs

        with self.inner.get_submodule(self.entry).register_forward_pre_hook(enter_round):
            answer: Tensor = self.inner(x)
            return answer


@MITIGATIONS.register("straight-through")
def straight_through(plight: Context, search: MitigatedAttack) -> MitigatedAttack | None:
    """Where a gradient that is sent back from there does not arrive as it was sent."""
    with torch.enable_grad():
        x = plight.near.requires_grad_()
        given = [call for call in calls(search.model, x) if call.given.shape == x.shape]
        alike = [call for call in given if _correlation(call.given.detach(), x.detach()) >= ALIKE]
        if not alike:
            return None
        name, u = alike[-1].name, alike[-1].given
        sent = torch.randn_like(u)
        back = torch.autograd.grad((u * sent).sum(), x, allow_unused=True)[0] if u.requires_grad else None
    if back is not None and _correlation(back, sent) >= PASSES:
        return None
    return replace(search, model=Straight(search.model, name, _slope(u.detach(), x.detach())))


def _correlation(a: Tensor, b: Tensor) -> float:
    """Of all elements; 0 where one is constant, or not finite."""
    a, b = (each.flatten() - each.mean() for each in (a, b))
    return float(((a @ b) / (a.norm() * b.norm())).nan_to_num(0.0))


def _slope(u: Tensor, x: Tensor) -> float:
    """Of the line through u over x."""
    u, x = (each.flatten() - each.mean() for each in (u, x))
    return float((u @ x) / (x @ x))

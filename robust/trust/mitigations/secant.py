"""secant: an activation that is flat, or whose gradient is no number, gets the slope of its secant.

A smooth stand-in for the backward pass is how published defences of this kind fell (Athalye, Carlini and Wagner 2018,
1802.00420).
"""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.mitigations._calls import Call, calls

REACH = 0.5  # to either side, as a share of the spread of what the activation is given
ALONE = 0.9  # share of the elements that must not move when others do, of what works element by element


class Secant(nn.Module):
    """`inner`, whose answers are the same; to the gradient its submodules `flat` have the slope of their secant."""

    def __init__(self, inner: nn.Module, flat: dict[str, float]) -> None:
        super().__init__()
        self.inner, self.flat = inner, flat  # how far each secant reaches

    def forward(self, x: Tensor) -> Tensor:
        with ExitStack() as stack:
            for name, reach in self.flat.items():
                stack.enter_context(self.inner.get_submodule(name).register_forward_hook(_sloped(reach)))
            answer: Tensor = self.inner(x)
            return answer


def _sloped(reach: float) -> Any:
    def bridge(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        u = inputs[0]
        with torch.no_grad():  # forward, since a call would come here again
            slope: Tensor = (module.forward(u + reach) - module.forward(u - reach)) / (2 * reach)
        return output.detach() + slope * (u - u.detach())

    return bridge


@MITIGATIONS.register("secant")
def secant(plight: Context, search: MitigatedAttack) -> MitigatedAttack | None:
    """Where a submodule without weights works element by element, moves, and has no gradient."""
    with torch.no_grad():
        found = [call for call in calls(search.model, plight.near) if _activation(call)]
    flat = {call.name: reach for call in found if (reach := _reach(call)) and _alone(call, reach) and _dead(call)}
    return replace(search, model=Secant(search.model, flat)) if flat else None


def _activation(call: Call) -> bool:
    plain = not [*call.module.children(), *call.module.parameters()]
    return plain and isinstance(call.answer, Tensor) and call.answer.shape == call.given.shape


def _reach(call: Call) -> float:
    return REACH * float(call.given.std())


def _alone(call: Call, reach: float) -> bool:
    """Whether every element's answer is its own, and some move."""
    u = call.given
    moved = torch.rand_like(u) < 0.5
    with torch.no_grad():
        same = call.module(u.clone()) == call.module(torch.where(moved, u + reach, u))
    return float(same[~moved].float().mean()) >= ALONE and not bool(same.all())


def _dead(call: Call) -> bool:
    with torch.enable_grad():
        u = call.given.clone().requires_grad_()
        answer = call.module(u.clone())
        grad = torch.autograd.grad(answer.sum(), u, allow_unused=True)[0] if answer.requires_grad else None
    return grad is None or not bool(grad.nan_to_num(0.0).any())

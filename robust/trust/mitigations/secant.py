"""secant: an activation that is flat, or whose gradient is not finite, gets the slope of its secant.

A smooth backward pass broke published defences of this kind (Athalye, Carlini and Wagner 2018, 1802.00420).
"""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from robust.trust.attached import cut
from robust.trust.checks import any_criterion
from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.mitigations._calls import Call, record_calls

REACH = 0.5  # of a secant to either side, as a share of the standard deviation of the activation's inputs
MIN_UNCHANGED = 0.9  # of the elements when only others change, for an activation that works element by element


class Secant(nn.Module):
    """`inner` with the same answers; in the backward pass its submodules `flat` have the slope of their secant."""

    def __init__(self, inner: nn.Module, flat: dict[str, float]) -> None:
        super().__init__()
        self.inner, self.flat = inner, flat  # the reach of each secant

    def forward(self, x: Tensor) -> Tensor:
        with ExitStack() as stack:
            for name, reach in self.flat.items():
                stack.enter_context(self.inner.get_submodule(name).register_forward_hook(_make_hook(reach)))
            answer: Tensor = self.inner(x)
            return answer


def _make_hook(reach: float) -> Any:
    def replace_gradient(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        u = inputs[0]
        with torch.no_grad():  # forward, since a call would run this hook again
            slope: Tensor = (module.forward(u + reach) - module.forward(u - reach)) / (2 * reach)
        return cut(output) + slope * (u - cut(u))

    return replace_gradient


@MITIGATIONS.register("secant")
@any_criterion
def secant(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Take secants for the submodules without parameters that work element by element, and have no gradient."""
    with torch.no_grad():
        activations = [call for call in record_calls(attack.model, context.nearby)[0] if _is_activation(call)]
    flat = {
        call.name: reach
        for call in activations
        if (reach := _measure_reach(call)) and _is_elementwise(call, reach) and _has_no_gradient(call)
    }
    return replace(attack, model=Secant(attack.model, flat)) if flat else None


def _is_activation(call: Call) -> bool:
    plain = not [*call.module.children(), *call.module.parameters()]
    same = isinstance(call.output, Tensor) and call.output.shape == call.input.shape
    return plain and same and call.input.is_floating_point() and call.output.is_floating_point()


def _measure_reach(call: Call) -> float:
    return REACH * float(call.input.std())


def _is_elementwise(call: Call, reach: float) -> bool:
    """Whether each output depends on its own input alone, and some outputs change."""
    u = call.input
    moved = torch.rand_like(u) < 0.5
    with torch.no_grad():
        same = call.module(u.clone()) == call.module(torch.where(moved, u + reach, u))
    return float(same[~moved].float().mean()) >= MIN_UNCHANGED and not bool(same.all())


def _has_no_gradient(call: Call) -> bool:
    with torch.enable_grad():
        u = call.input.clone().requires_grad_()
        output = call.module(u.clone())
        grad = torch.autograd.grad(output.sum(), u, allow_unused=True)[0] if output.requires_grad else None
    return grad is None or not bool(grad.nan_to_num(0.0).any())

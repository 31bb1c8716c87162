"""straight-through: the gradient bypasses what blocks or scatters it between the input and the first layer.

This is the backward pass differentiable approximation of Athalye, Carlini and Wagner 2018 (1802.00420) by the identity,
at a place that is found by its inputs: the last submodule whose input is still, almost, that of the model.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from robust.trust.attached import cut
from robust.trust.checks import any_criterion
from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.mitigations._calls import record_calls

MIN_INPUT_CORRELATION = 0.95  # of a submodule's input with the model's, to be taken for the same
MIN_GRADIENT_CORRELATION = 0.9  # of the gradient at the input with that which was sent back, to need no mitigation


class Straight(nn.Module):
    """`inner` with the same answers; in the backward pass the input of its submodule `entry` is slope * x."""

    def __init__(self, inner: nn.Module, entry: str, slope: float) -> None:
        super().__init__()
        self.inner, self.entry, self.slope = inner, entry, slope

    def forward(self, x: Tensor) -> Tensor:
        straight = self.slope * (x - cut(x))

        def replace_gradient(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            u = cut(inputs[0])
            return (u + straight.to(u.dtype),) if u.shape == x.shape else inputs

        with self.inner.get_submodule(self.entry).register_forward_pre_hook(replace_gradient):
            answer: Tensor = self.inner(x)
            return answer


@MITIGATIONS.register("straight-through")
@any_criterion
def straight_through(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Bypass all before that submodule if a gradient that is sent back from there arrives changed."""
    with torch.enable_grad():
        x = context.nearby.requires_grad_()
        calls = [call for call in record_calls(attack.model, x)[0] if call.input.shape == x.shape]
        alike = [call for call in calls if _correlate(call.input.detach(), x.detach()) >= MIN_INPUT_CORRELATION]
        if not alike:
            return None
        name, u = alike[-1].name, alike[-1].input
        sent = torch.randn_like(u)
        back = torch.autograd.grad((u * sent).sum(), x, allow_unused=True)[0] if u.requires_grad else None
    if back is not None and _correlate(back, sent) >= MIN_GRADIENT_CORRELATION:
        return None
    return replace(attack, model=Straight(attack.model, name, _fit_slope(u.detach(), x.detach())))


def _correlate(a: Tensor, b: Tensor) -> float:
    """Compute the correlation over all elements; 0 if one tensor is constant or not finite."""
    a, b = _centre(a), _centre(b)
    return float(((a @ b) / (a.norm() * b.norm())).nan_to_num(0.0))


def _fit_slope(u: Tensor, x: Tensor) -> float:
    """Fit a line to u over x, and return its slope."""
    u, x = _centre(u), _centre(x)
    return float((u @ x) / (x @ x))


def _centre(values: Tensor) -> Tensor:
    """Flatten a tensor, in float32, and subtract its mean."""
    values = values.float().flatten()
    return values - values.mean()

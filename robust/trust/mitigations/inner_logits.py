"""inner-logits: the attack climbs what the last layer says, before a softmax, a scaling or a detector hides it.

So Carlini and Wagner 2017 (1608.04644) broke defensive distillation.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.mitigations._calls import Call, calls

AGREE = 0.75  # share of the inputs, clean and random ones nearby, to which both must give the same label


class Inner(nn.Module):
    """What the submodule called `layer` of `inner` answers."""

    def __init__(self, inner: nn.Module, layer: str) -> None:
        super().__init__()
        self.inner, self.layer = inner, layer

    def forward(self, x: Tensor) -> Tensor:
        answers: list[Tensor] = []
        with self.inner.get_submodule(self.layer).register_forward_hook(
            lambda _, given, answer: answers.append(answer)
        ):
            self.inner(x)
        return answers[-1]


@MITIGATIONS.register("inner-logits")
def inner_logits(plight: Context, search: MitigatedAttack) -> MitigatedAttack | None:
    """Where the last layer with weights, and an answer for each class, says the same label in other numbers."""
    x = torch.cat((plight.x, plight.near))
    with torch.no_grad():
        outer: Tensor = search.model(x)
        layers = [call for call in calls(search.model, x) if _layer(call) and call.answer.shape == outer.shape]
    if not layers or layers[-1].answer.equal(outer):
        return None
    agree = (layers[-1].answer.argmax(1) == outer.argmax(1)).float().mean()
    return replace(search, model=Inner(search.model, layers[-1].name)) if agree >= AGREE else None


def _layer(call: Call) -> bool:
    return isinstance(call.answer, Tensor) and any(True for _ in call.module.parameters(recurse=False))

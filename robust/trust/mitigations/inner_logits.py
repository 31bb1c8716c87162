"""inner-logits: the attack follows the outputs of the last layer, before a softmax, a scaling or a detector.

Carlini and Wagner 2017 (1608.04644) broke defensive distillation in this way.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.mitigations._calls import Call, record_calls

MIN_AGREEMENT = 0.75  # of layer and model on the label, as a share of the clean inputs and random ones nearby


class Inner(nn.Module):
    """A model that returns the output of the submodule `layer` of `inner`."""

    def __init__(self, inner: nn.Module, layer: str) -> None:
        super().__init__()
        self.inner, self.layer = inner, layer

    def forward(self, x: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        with self.inner.get_submodule(self.layer).register_forward_hook(
            lambda _, inputs, output: outputs.append(output)
        ):
            self.inner(x)
        return outputs[-1]


@MITIGATIONS.register("inner-logits")
def inner_logits(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Take the last layer with parameters and an output for each class, if it has the same labels by other numbers."""
    x = torch.cat((context.x, context.nearby))
    with torch.no_grad():
        answer: Tensor = attack.model(x)
        calls = record_calls(attack.model, x)
    layers = [call for call in calls if _has_parameters(call) and call.output.shape == answer.shape]
    if not layers or layers[-1].output.equal(answer):
        return None
    agreement = (layers[-1].output.argmax(1) == answer.argmax(1)).float().mean()
    return replace(attack, model=Inner(attack.model, layers[-1].name)) if agreement >= MIN_AGREEMENT else None


def _has_parameters(call: Call) -> bool:
    """Whether the submodule has parameters of its own, and returned a tensor."""
    return isinstance(call.output, Tensor) and any(True for _ in call.module.parameters(recurse=False))

"""inner-logits: the attack follows logits inside the model, before what scales, votes, detects or writes over them.

Carlini and Wagner 2017 (1608.04644) broke defensive distillation in this way; Tramer et al. 2020 (2002.08347) broke
ensembles by their members' logits.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.mitigations._calls import record_calls

MIN_AGREEMENT = 0.75  # of layer and model on the label, as a share of the clean inputs and random ones nearby
MIN_MEMBER_AGREEMENT = 0.5  # of a member of an ensemble
MAX_MEMBERS = 16


class Inner(nn.Module):
    """A model that returns the output of a submodule of `inner`, or the mean log-probabilities of several."""

    def __init__(self, inner: nn.Module, layers: list[str]) -> None:
        super().__init__()
        self.inner, self.layers = inner, layers

    def forward(self, x: Tensor) -> Tensor:
        outputs: dict[str, Tensor] = {}

        def make_hook(name: str) -> Callable[..., None]:
            return lambda _, inputs, output: outputs.__setitem__(name, output)

        hooks = [self.inner.get_submodule(name).register_forward_hook(make_hook(name)) for name in self.layers]
        try:
            answer: Tensor = self.inner(x)
        finally:
            for hook in hooks:
                hook.remove()
        if len(outputs) < len(self.layers):  # it answers without them, as from a store of its answers
            return answer
        if len(self.layers) == 1:
            return outputs[self.layers[0]]
        return torch.stack([outputs[name].log_softmax(1) for name in self.layers]).mean(0)


@MITIGATIONS.register("inner-logits")
def inner_logits(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Take what has the model's labels by other numbers: a layer with an output for each class, or the mean of some."""
    inner = find_inner(attack.model, torch.cat((context.x, context.nearby)))
    return None if inner is None else replace(attack, model=inner)


def find_inner(model: nn.Module, x: Tensor) -> Inner | None:
    """Find the layers of a model whose logits have the labels of its answers to x, (n, *features); None without any.

    The last of those that agree best; several together if no single one agrees with nearly all labels, and they do.
    """
    with torch.no_grad():
        answer: Tensor = model(x.clone())
        calls = record_calls(model, x)
    labels, outputs = answer.argmax(1), dict[str, Tensor]()
    for call in calls:
        if _is_new(call.output, (answer, *outputs.values())):
            outputs[call.name] = call.output
    if not outputs:
        return None
    agreement = {name: _agree(output, labels) for name, output in outputs.items()}
    best = max(agreement, key=lambda name: (round(agreement[name], 2), [*outputs].index(name)))
    members = [name for name, share in agreement.items() if share >= MIN_MEMBER_AGREEMENT][:MAX_MEMBERS]
    if len(members) > 1:
        mean = torch.stack([outputs[name].log_softmax(1) for name in members]).mean(0)
        if _agree(mean, labels) > max(agreement[best], MIN_AGREEMENT):
            return Inner(model, members)
    return Inner(model, [best]) if agreement[best] >= MIN_AGREEMENT else None


def _is_new(output: Any, known: tuple[Tensor, ...]) -> bool:
    """Whether an output has the shape of logits, is finite, and equals none that is known."""
    if not isinstance(output, Tensor) or output.shape != known[0].shape:
        return False
    try:
        return bool(output.isfinite().all()) and not any(output.equal(other) for other in known)
    except RuntimeError:  # it is quantised, or one of many that vmap computes together
        return False


def _agree(output: Tensor, labels: Tensor) -> float:
    return float((output.argmax(1) == labels).float().mean())

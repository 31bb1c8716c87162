"""inner-logits: the attack follows logits inside the model, before what scales, votes, detects or writes over them.

Carlini and Wagner 2017 (1608.04644) broke defensive distillation in this way; Tramer et al. 2020 (2002.08347) broke
ensembles by their members' logits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.mitigations._calls import record_calls
from robust.trust.mitigations.true_gradient import is_repairable

Key = TypeVar("Key")

MIN_AGREEMENT = 0.75  # of layer and model on the label, as a share of the inputs that `find_inner` looks at
MIN_MEMBER_AGREEMENT = 0.5  # of a member of an ensemble
MAX_MEMBERS = 16
FEW = 3  # inputs that show whether a value has a gradient
CLEARLY = 0.1  # by which a value between the submodules must agree better than their outputs


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


class InnerValue(nn.Module):
    """A model that returns a value which a function computes inside `inner`, in code that no submodule stands for."""

    def __init__(self, inner: nn.Module, value: "_Value") -> None:
        super().__init__()
        self.inner, self.number, self.width = inner, value.number, value.tensor.shape[1]
        self.layers = [f"{value.function}() inside it"]

    def forward(self, x: Tensor) -> Tensor:
        with _Values(len(x)) as values:
            answer: Tensor = self.inner(x)
        found = values.of_width(self.width)[self.number : self.number + 1]
        return found[0].tensor if found else answer


@dataclass(frozen=True)
class _Value:
    """A tensor of the size of logits, the function that returned it, and its number among such tensors."""

    number: int
    function: str
    tensor: Tensor


class _Values(TorchFunctionMode):
    """The values with n rows that functions of torch return within a block."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n, self.seen = n, list[tuple[str, Tensor]]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.dim() == 2 and len(result) == self.n and result.is_floating_point():
            self.seen.append((getattr(func, "__name__", "function"), result))
        return result

    def of_width(self, width: int) -> list[_Value]:
        """Return those of (n, width)."""
        chosen = [(function, tensor) for function, tensor in self.seen if tensor.shape[1] == width]
        return [_Value(number, function, tensor) for number, (function, tensor) in enumerate(chosen)]


@MITIGATIONS.register("inner-logits")
def inner_logits(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Take what has the model's labels by other numbers: a layer with an output for each class, or the mean of some.

    None where the gradient of the whole can be repaired, since the whole has all labels: see true-gradient.
    """
    inner = find_inner(attack.model, torch.cat((context.x, context.nearby)))
    return None if inner is None or is_repairable(context, attack) else replace(attack, model=inner)


def find_inner(model: nn.Module, x: Tensor, moves: Tensor | None = None) -> Inner | InnerValue | None:
    """Find what inside a model has the labels of its answers, by other numbers; None without any.

    It looks at the inputs x, (n, *features), and at means of two, where networks that were trained alike differ most:
    2 n passes and a few. Found are: the last of those submodules that agree best; several together if no single one
    agrees with nearly all labels, and they do; or a value that functions compute between the submodules, the first of
    those that agree best and have a gradient, if that is clearly better. `moves` marks the numbers of several inputs
    of which there are means, (features,) bool; None: all.
    """
    middle = (x + x.roll(1, 0)) / 2
    x = torch.cat((x, middle if moves is None else torch.where(moves.to(x.device), middle, x)))
    with torch.no_grad(), _Values(len(x)) as values:
        calls, answer = record_calls(model, x.clone())
    layers, share = _choose_layers(_choose_new(((call.name, call.output) for call in calls), answer), answer)
    leading = _find_gradients(model, x[:FEW], answer.shape[1])
    seen = [value for value in values.of_width(answer.shape[1]) if value.number in leading]
    value, of_value = _choose_value(seen, answer)
    if value is not None and of_value >= max(MIN_AGREEMENT, share + CLEARLY):
        return InnerValue(model, value)
    return Inner(model, layers) if share >= MIN_AGREEMENT else None


def _find_gradients(model: nn.Module, x: Tensor, width: int) -> set[int]:
    """Return the numbers of those values that have a gradient, as a few inputs x, (n, *features), show."""
    with torch.enable_grad(), _Values(len(x)) as values:
        model(x.clone().requires_grad_())
    return {value.number for value in values.of_width(width) if value.tensor.requires_grad}


def _choose_layers(outputs: dict[str, Tensor], answer: Tensor) -> tuple[list[str], float]:
    """Choose the layer that agrees best with the answer, or several together; return how well they agree."""
    agreement = {name: _agree(output, answer) for name, output in outputs.items()}
    if not agreement:
        return [], 0.0
    best = max(agreement, key=lambda name: (round(agreement[name], 2), [*outputs].index(name)))
    members = [name for name, share in agreement.items() if share >= MIN_MEMBER_AGREEMENT][:MAX_MEMBERS]
    if len(members) > 1:
        together = _agree(torch.stack([outputs[name].log_softmax(1) for name in members]).mean(0), answer)
        if together > max(agreement[best], MIN_AGREEMENT):
            return members, together
    return [best], agreement[best]


def _choose_value(values: list["_Value"], answer: Tensor) -> tuple["_Value | None", float]:
    """Choose the first of the values that agree best with the answer; return how well it agrees."""
    seen = {value.number: value for value in values}
    outputs = _choose_new(((number, value.tensor) for number, value in seen.items()), answer)
    agreement = {number: round(_agree(output, answer), 2) for number, output in outputs.items()}
    best = max(agreement, key=lambda number: agreement[number], default=None)
    return (None, 0.0) if best is None else (seen[best], agreement[best])


def _choose_new(outputs: Iterable[tuple[Key, Any]], answer: Tensor) -> dict[Key, Tensor]:
    """Choose those that have the shape of the answer, are finite, and equal neither it nor one before."""
    new: dict[Key, Tensor] = {}
    for name, output in outputs:
        if _is_new(output, (answer, *new.values())):
            new[name] = output
    return new


def _is_new(output: Any, known: tuple[Tensor, ...]) -> bool:
    """Whether an output has the shape of logits, is finite, and equals none that is known."""
    if not isinstance(output, Tensor) or output.shape != known[0].shape:
        return False
    try:
        return bool(output.isfinite().all()) and not any(output.equal(other) for other in known)
    except RuntimeError:  # it is quantised, or one of many that vmap computes together
        return False


def _agree(output: Tensor, answer: Tensor) -> float:
    return float((output.argmax(1) == answer.argmax(1)).float().mean())

"""How a model of a special build is attacked and judged: in which forms its answers count, and whether by queries.

What is found as a model is loaded stands on its module, so that every later step sees it.
"""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.device import device_of
from robust.models.blackbox import BlackBox
from robust.models.compiled import AsCompiled, is_compiled
from robust.models.weights import is_packed

MIN_CHANGE = 1e-4  # of the largest logit: rounding in another batch changes less
NAME = "robust_traits"  # of the attribute


@dataclass(frozen=True, slots=True)
class Traits:
    """What was found of a model whose parameters are quantised or packed."""

    gradient: bool  # whether one reaches the inputs
    change: float  # of its logits between an input alone and in a batch

    @property
    def notes(self) -> tuple[str, ...]:
        """Return notes on how the model is attacked and judged."""
        through = "through its gradient" if self.gradient else "by queries, since no gradient reaches its inputs"
        notes = [f"its parameters are quantised: it is attacked {through}"]
        return (*notes, *[describe_by_batch(self.change)] * bool(self.change))


def describe_by_batch(change: float) -> str:
    """Return how a model is judged whose logits differ by `change` between an input alone and in its batch."""
    return (
        f"its answers depend on the batch (logits differ by {change:.2g}): an input counts as adversarial only if it "
        "fools the model alone and in its batch"
    )


def find_traits(module: nn.Module, x: Tensor) -> Traits | None:
    """Try a module with packed parameters on some inputs, (n, *shape), and keep what is found; None for another.

    The module answers with logits; one that does not take the inputs has no traits.
    """
    if not is_packed(module):
        return None
    x = x.to(device_of(module))
    try:
        with eval_mode(module), torch.no_grad():
            together, alone = module(x), Alone(module)(x)
        apart = float((together - alone).abs().max() / together.abs().max().clamp_min(1e-12))
    except Exception:  # a user's code may raise anything; `check_model` says what
        return None
    change = float((together - alone).abs().max()) if apart > MIN_CHANGE else 0.0
    traits = Traits(_has_gradient(module, x), change)
    if not traits.gradient:  # torch would warn of every attempt to follow one
        module.register_forward_hook(_detach)
    setattr(module, NAME, traits)
    return traits


def _detach(module: nn.Module, inputs: tuple[Tensor, ...], answer: Tensor) -> Tensor:
    return answer.detach()


def _has_gradient(module: nn.Module, x: Tensor) -> bool:
    leaf = x.clone().requires_grad_()
    with eval_mode(module), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of kernels without a derivative
        answer = module(leaf.clone())
        if not answer.requires_grad:
            return False
        try:
            (grad,) = torch.autograd.grad(answer.sum(), leaf, allow_unused=True)
        except RuntimeError:  # an operation without a derivative
            return False
    return grad is not None and bool(grad.any())


def is_queried(module: nn.Module) -> bool:
    """Whether the module, or a part of it, is quantised and passes no gradient: it is attacked by queries."""
    return any(isinstance(traits, Traits) and not traits.gradient for traits in _list_traits(module))


def only_answers(module: nn.Module) -> bool:
    """Whether the module, or a part of it, has no gradient by its nature: a black box, or a quantised model."""
    return is_queried(module) or any(isinstance(part, BlackBox) for part in module.modules())


def batch_change(module: nn.Module) -> float:
    """Return by how much the logits of a quantised module differ between an input alone and in a batch; 0 of others."""
    return max((traits.change for traits in _list_traits(module)), default=0.0)


def _list_traits(module: nn.Module) -> list[Traits]:
    found = (getattr(part, NAME, None) for part in module.modules())
    return [traits for traits in found if isinstance(traits, Traits)]


class Alone(nn.Module):
    """A module that shows each input to `module` alone."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.module(one) for one in x.split(1)])


def judges(module: nn.Module) -> tuple[nn.Module, ...]:
    """Return the forms of a module whose answers count; an input is adversarial if it fools them all.

    The first is as it is deployed, compiled if it is; the second, if its answers depend on the batch, is asked for
    each input alone.
    """
    deployed = AsCompiled(module) if is_compiled(module) else module
    return (deployed, Alone(module)) if batch_change(module) else (deployed,)

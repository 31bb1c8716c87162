"""Models with quantised or packed parameters: whether a gradient reaches the inputs, and the batch changes answers.

What is found as a model is loaded stands on its module, so that every later step sees it.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.device import device_of
from robust.models.blackbox import is_black_box
from robust.models.judged import BY_BATCH, Alone
from robust.models.output_reader import tensors_in
from robust.models.program import map_tensors
from robust.models.twinned import is_twinned
from robust.models.weights import is_packed

MIN_CHANGE = 1e-4  # of the largest logit: rounding in another batch changes less
DIM = 0.25
QUERIED = "robust_queried"  # the attribute of a module that passes no gradient


def find_traits(module: nn.Module, x: Tensor) -> tuple[str, ...]:
    """Try a module with packed parameters on some inputs, (n, *shape), and mark it; return notes for the user.

    The module answers with logits. No notes are on one without packed parameters, or that does not take the inputs.
    """
    if not (is_packed(module) or is_twinned(module) or is_queried(module)):
        return ()
    x = x.to(device_of(module))
    try:
        change, gradient = _measure_change(module, x), has_gradient(module, x)
    except Exception:  # a user's code may raise anything; `check_model` says what
        return ()
    setattr(module, BY_BATCH, change)
    by_batch = (describe_change(change),) * bool(change)  # what follows from it `depends-on-batch` tells
    if is_queried(module) or is_twinned(module):  # whoever has made it so has told it
        return by_batch
    if not gradient:
        mark_queried(module)
    through = "through its gradient" if gradient else "by queries, since no gradient reaches its inputs"
    return (f"its parameters are quantised: it is attacked {through}", *by_batch)


def mark_queried(module: nn.Module) -> None:
    """Let the module pass no gradient, and be attacked by queries."""
    setattr(module, QUERIED, True)
    module.register_forward_hook(_detach)  # torch would warn of every attempt to follow a gradient


def describe_by_batch(change: float) -> str:
    """Return how a model is judged whose logits differ by `change` between an input alone and in its batch."""
    return (
        f"{describe_change(change)}: an input counts as adversarial only if it fools the model alone and in its batch"
    )


def describe_change(change: float) -> str:
    """Return that logits differ by `change` between an input alone and in its batch."""
    return f"its answers depend on the batch (logits differ by {change:.2g})"


def is_queried(module: nn.Module) -> bool:
    """Whether the module, or a part of it, is quantised and passes no gradient: it is attacked by queries."""
    return any(getattr(part, QUERIED, False) for part in module.modules())


def only_answers(module: nn.Module) -> bool:
    """Whether the module, or a part of it, has no gradient by its nature: a black box, or a quantised model."""
    return is_queried(module) or is_black_box(module)


def _measure_change(module: nn.Module, x: Tensor) -> float:
    """Return by how much the logits differ between an input alone and in a batch; 0 if rounding explains it.

    A scale that is taken of the batch is another one for dim inputs alone, of which the batch has some.
    """
    x = torch.cat([x, x * DIM])
    with eval_mode(module), torch.no_grad():
        together, alone = module(x.clone()), Alone(module)(x.clone())
    change = float((together - alone).abs().max())
    return change if change > MIN_CHANGE * float(together.abs().max()) else 0.0


def has_gradient(module: nn.Module, x: Tensor) -> bool:
    """Whether a gradient that is not 0 leads from the module's answers to the inputs x, (n, *shape)."""
    leaf = x.clone().requires_grad_()
    with eval_mode(module), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of kernels without a derivative
        answers = [tensor for _, tensor in tensors_in(module(leaf.clone())) if tensor.requires_grad]
        if not answers:
            return False
        try:
            (grad,) = torch.autograd.grad([answer.sum() for answer in answers], leaf, allow_unused=True)
        except RuntimeError:  # an operation without a derivative
            return False
    return grad is not None and bool(grad.any())


def _detach(module: nn.Module, inputs: tuple[Tensor, ...], answer: Any) -> Any:
    return map_tensors(Tensor.detach, answer)

"""Models with quantised or packed parameters: whether a gradient reaches the inputs, and the batch changes answers.

What is found as a model is loaded stands on its module, so that every later step sees it.
"""

import warnings

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.device import device_of
from robust.models.blackbox import is_black_box
from robust.models.judged import BY_BATCH, Alone
from robust.models.weights import is_packed

MIN_CHANGE = 1e-4  # of the largest logit: rounding in another batch changes less
DIM = 0.25
QUERIED = "robust_queried"  # the attribute of a module that passes no gradient


def find_traits(module: nn.Module, x: Tensor) -> tuple[str, ...]:
    """Try a module with packed parameters on some inputs, (n, *shape), and mark it; return notes for the user.

    The module answers with logits. No notes are on one without packed parameters, or that does not take the inputs.
    """
    if not is_packed(module):
        return ()
    x = x.to(device_of(module))
    try:
        change, gradient = _measure_change(module, x), _has_gradient(module, x)
    except Exception:  # a user's code may raise anything; `check_model` says what
        return ()
    setattr(module, BY_BATCH, change)
    if not gradient and not is_queried(module):
        setattr(module, QUERIED, True)
        module.register_forward_hook(_detach)  # torch would warn of every attempt to follow a gradient
    through = "through its gradient" if gradient else "by queries, since no gradient reaches its inputs"
    return (f"its parameters are quantised: it is attacked {through}", *[describe_by_batch(change)] * bool(change))


def describe_by_batch(change: float) -> str:
    """Return how a model is judged whose logits differ by `change` between an input alone and in its batch."""
    return (
        f"its answers depend on the batch (logits differ by {change:.2g}): an input counts as adversarial only if it "
        "fools the model alone and in its batch"
    )


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


def _detach(module: nn.Module, inputs: tuple[Tensor, ...], answer: Tensor) -> Tensor:
    return answer.detach()

"""The optimiser of a plan."""

from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from robust.train.plan import Plan


def optimiser(module: nn.Module, plan: Plan) -> Optimizer:
    """Over the parameters that are to learn; ValueError where there are none."""
    learning = [p for p in module.parameters() if p.requires_grad]
    if not learning:
        raise ValueError("there is nothing to train: the module has no parameters that are not frozen")
    given: Any = {"lr": plan.lr, "weight_decay": plan.weight_decay}
    match plan.optimiser:
        case "adam":
            return Adam(learning, **given)
        case "adamw":
            return AdamW(learning, **given)
        case "rmsprop":
            return RMSprop(learning, momentum=plan.momentum, **given)
    return SGD(learning, momentum=plan.momentum, nesterov=plan.momentum > 0, **given)

"""Which attacks go with a model that only answers: those that never ask for a gradient."""

from itertools import count

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.engine import AnyAttack, assail
from robust.attacks.task import NoGradientError
from robust.attacks.threat import Threat


def needs_gradient(attack: AnyAttack, x: Tensor, threat: Threat, classes: int) -> bool:
    """Whether the attack asks for a gradient; its first step is tried on `x`, one sample, and a stand-in without one.

    A surrogate's gradient does not count. What else is wrong with the attack is told once it runs.
    """
    y = torch.zeros(1, dtype=torch.int64, device=x.device)

    def always_right(x: Tensor) -> Tensor:
        return F.one_hot(y.expand(len(x)), classes).to(x)

    asked = count()
    try:
        assail(
            always_right, attack, x, y, threat, stop=lambda: next(asked) > 1
        )  # asked before, at and after the first step
    except NoGradientError:
        return True
    except ValueError as error:  # torchattacks asks autograd itself
        return "does not require grad" in str(error)
    return False

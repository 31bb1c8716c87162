"""The forms in which a model's answers count: as it is deployed, and each input alone if the batch changes answers.

Verification uses this file, so nothing here is shared with the attacks.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

BATCH = 64  # in which the compiled form is asked: one size, so that it is compiled once
BY_BATCH = "robust_by_batch"  # the attribute of a module with the change of its logits between alone and in a batch

FORMED = "robust_draws"  # the attribute of a module whose answers are formed of random draws


def has_draws(module: nn.Module) -> bool:
    """Whether a module forms its answers of random draws, so that each call gives another."""
    return any(hasattr(part, FORMED) for part in module.modules())


def judges(module: nn.Module) -> tuple[nn.Module, ...]:
    """Return the forms of a module whose answers count; an input is adversarial if it fools them all.

    The first is as it is deployed, compiled if it is; the second, if its answers depend on the batch by its nature, is
    asked for each input alone.
    """
    deployed = AsCompiled(module) if list_compiled(module) else module
    return (deployed, Alone(module)) if batch_change(module) else (deployed,)


def batch_change(module: nn.Module) -> float:
    """Return by how much the logits of a quantised module differ between an input alone and in a batch; 0 of others."""
    return max(float(getattr(part, BY_BATCH, 0.0)) for part in module.modules())


class Alone(nn.Module):
    """A module that shows each input to `module` alone."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.module(one) for one in torch.split(x, 1)])


class Compiled(nn.Module):
    """A model of which all, or a part, is compiled. It answers in its eager form, but inside AsCompiled."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.as_deployed = False

    def forward(self, x: Tensor) -> Any:
        with torch.compiler.set_stance("default" if self.as_deployed else "force_eager"):
            return self.module(x)


class AsCompiled(nn.Module):
    """A model as it is deployed: compiled. Small batches are filled up with copies of their last input."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        parts = list_compiled(self.module)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler gives warnings of its own
            try:
                for part in parts:
                    part.as_deployed = True
                return torch.cat([self._ask(batch) for batch in torch.split(x, BATCH)])
            finally:
                for part in parts:
                    part.as_deployed = False

    def _ask(self, x: Tensor) -> Tensor:
        filling = x[-1:].expand(BATCH - len(x), *x.shape[1:])
        answer: Tensor = self.module(torch.cat([x, filling]))
        return answer[: len(x)]


def list_compiled(module: nn.Module) -> list[Compiled]:
    """Return the parts of a module that have a compiled form beside the eager one."""
    return [part for part in module.modules() if isinstance(part, Compiled)]

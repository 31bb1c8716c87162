"""Running means of a module's weights, for the wrappers ema and swa."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel

Mean = Callable[[Any, Any, Tensor | int], None]  # (means, weights, number of earlier updates): moves the means in place


class Average:
    """The mean of a module's weights over its steps from number `start` on; batch norm's statistics are the module's.

    With `restate` the statistics are estimated again for the mean before it is validated, since its activations differ.
    """

    def __init__(self, module: nn.Module, start: int = 0, mean: Mean | None = None, restate: bool = False) -> None:
        self._mean = AveragedModel(module, multi_avg_fn=mean)
        self._mean.requires_grad_(False)
        self._start = start
        self._begun = False
        self.restate = restate and any(isinstance(part, _BatchNorm) for part in module.modules())

    def update(self, module: nn.Module, step: int) -> None:
        """Add the module's weights after step number `step`, counted from 0."""
        if step >= self._start:
            self._mean.update_parameters(module)
            self._begun = True

    def select(self, module: nn.Module) -> nn.Module:
        """Return the module that is validated and kept: the mean, or before its start the module itself."""
        mean: nn.Module = self._mean.module
        return mean if self._begun else module

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self._mean.state_dict(), "begun": self._begun}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._mean.load_state_dict(state["mean"])
        self._begun = state["begun"]

"""Running means of a module's weights: what the wrappers ema and swa keep."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel

Mean = Callable[[Any, Any, Tensor | int], None]  # (means, weights, how many before) moves the means, in place


class Average:
    """The mean of a module's weights over its steps from number `start` on; batch norm's statistics are the module's.

    With `restate` those are estimated anew for the mean before it is looked at: its activations are others.
    """

    def __init__(self, module: nn.Module, start: int = 0, mean: Mean | None = None, restate: bool = False) -> None:
        self._mean = AveragedModel(module, multi_avg_fn=mean)
        self._mean.requires_grad_(False)
        self._start = start
        self._begun = False
        self.restate = restate and any(isinstance(part, _BatchNorm) for part in module.modules())

    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after step number `step`, from 0."""
        if step >= self._start:
            self._mean.update_parameters(module)
            self._begun = True

    def kept(self, module: nn.Module) -> nn.Module:
        """What is validated and kept: the mean, or before its start the module itself."""
        mean: nn.Module = self._mean.module
        return mean if self._begun else module

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self._mean.state_dict(), "begun": self._begun}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._mean.load_state_dict(state["mean"])
        self._begun = state["begun"]

"""wrong-mode: dropout or batch norm works as in training, although the model is in evaluation mode."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import ModelProbe

MAX_SHOWN = 3  # samples in one batch: few, but enough to tell a batch from a weight


class _CallCounter(TorchFunctionMode):
    """A counter of the calls of dropout and batch norm that work as in training."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n  # samples in the batch
        self.counts: Counter[str] = Counter()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if layer := self._training_layer(getattr(func, "__name__", ""), args, kwargs or {}):
            self.counts[layer] += 1
        return func(*args, **(kwargs or {}))

    def _training_layer(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> str:
        """Name the layer that calls a function with `training`, the option of torch.nn.functional; "" without it."""
        if not options.get("training"):
            return ""
        if "dropout" in name:
            return "dropout" if options.get("p") else ""
        # Some models call the same function for the statistics of a weight, or of one sample: no batch is involved.
        batch = args and isinstance(args[0], Tensor) and len(args[0]) > 1 and len(args[0]) % self.n == 0
        return "batch norm" if name == "batch_norm" and batch else ""


@PREFLIGHT.register("wrong-mode")
@any_criterion
@costs(lambda probe: MAX_SHOWN)
def wrong_mode(probe: ModelProbe) -> Finding | None:
    """Check that evaluation mode reaches all of the model (foolbox #74 and #648, torchattacks #21).

    The model was put into evaluation mode; this finds layers that ignore it.
    """
    x = probe.x[:MAX_SHOWN]
    counter = _CallCounter(len(x))
    with counter:
        probe.ask(x, size=MAX_SHOWN)
    if not counter.counts:
        return None
    layers = " and ".join(f"{layer} ({n} call{'s' * (n > 1)})" for layer, n in sorted(counter.counts.items()))
    message = f"in evaluation mode the model applies {layers} as in training; expected none"
    hint = "pass training=self.training, keep running statistics, and let eval() reach every layer"
    return Finding("wrong-mode", "broken", float(counter.counts.total()), message, hint)

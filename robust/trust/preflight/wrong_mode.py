"""Dropout or batch norm works as in training, though the model was put into evaluation mode."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe

SHOWN = 3  # samples, at once: few, and a batch can still be told from one weight


class _Listener(TorchFunctionMode):
    """Counts the calls of dropout and of batch norm that work as in training."""

    def __init__(self, shown: int) -> None:
        super().__init__()
        self.shown = shown  # samples
        self.heard: Counter[str] = Counter()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if what := self._training(getattr(func, "__name__", ""), args, kwargs or {}):
            self.heard[what] += 1
        return func(*args, **(kwargs or {}))

    def _training(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> str:
        """What a call is, where it works as in training; functions of torch.nn.functional are told so by one word."""
        if not options.get("training"):
            return ""
        if "dropout" in name:
            return "dropout" if options.get("p") else ""
        # Of a weight, or of each sample alone, some models take the statistics by the same function: that is no batch.
        batch = args and isinstance(args[0], Tensor) and len(args[0]) > 1 and len(args[0]) % self.shown == 0
        return "batch norm" if name == "batch_norm" and batch else ""


@PREFLIGHT.register("wrong-mode")
def wrong_mode(look: ModelProbe) -> Finding | None:
    """Left in training mode, a model is another one than was trained (foolbox 74 and 648, torchattacks 21).

    The drivers call eval(); this finds what does not listen to it.
    """
    few = look.x[:SHOWN]
    listener = _Listener(len(few))
    with listener:
        look.ask(few, size=SHOWN)
    if not listener.heard:
        return None
    told = " and ".join(f"{what} ({times} times)" for what, times in sorted(listener.heard.items()))
    return Finding(
        "wrong-mode",
        "broken",
        float(listener.heard.total()),
        f"in evaluation mode the model uses, as in training, {told}",
        "pass training=self.training, keep running statistics, let eval() through",
    )

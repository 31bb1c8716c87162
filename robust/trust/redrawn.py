"""Random numbers drawn anew, where a model sets its own seed: what looks the same each time is then random."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from robust.attacks.rng import seeded

DRAWING = {
    getattr(where, name)
    for where, names in (
        (functional, "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout gumbel_softmax rrelu"),
        (torch, "rand randn rand_like randn_like randint randint_like randperm normal bernoulli multinomial poisson"),
        (
            Tensor,
            "normal_ uniform_ bernoulli_ bernoulli random_ exponential_ multinomial log_normal_ geometric_ cauchy_",
        ),
    )
    for name in names.split()
}


class Redrawn(nn.Module):
    """A model with the answers of `inner` for other random numbers at each call, whatever seed it sets."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        with drawing_anew(x.device):
            answer: Tensor = self.inner(x)
            return answer


@contextmanager
def drawing_anew(device: torch.device) -> Iterator[None]:
    """For the length of a block, take random numbers of torch from a stream that the block cannot seed.

    They are those of the CPU and of the device.
    """
    stream = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    state = torch.random.get_rng_state()
    try:
        with _DrawingAnew(stream, device):
            yield
    finally:
        torch.random.set_rng_state(state)  # or the next call would draw the same, if the block set its seed


class _DrawingAnew(TorchFunctionMode):
    """Seed the global generator, and leave out the caller's, before each draw."""

    def __init__(self, stream: torch.Generator, device: torch.device) -> None:
        super().__init__()
        self.stream, self.device = stream, device

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func not in DRAWING:
            return func(*args, **kwargs)
        kwargs.pop("generator", None)
        with seeded(int(torch.randint(2**62, (), generator=self.stream)), [self.device]):
            return func(*args, **kwargs)

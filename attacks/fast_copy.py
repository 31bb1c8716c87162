"""A cheaper copy of a model for a search to ask; what has fallen the model itself says, as it was given.

Each way is opt-in: what it saves depends on the network and the machine, and benchmarks/search.md has figures.
"""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from robust.attacks.rng import seeded
from robust.attacks.text import first_line

MAX_DIFFERENCE = 0.1  # of the largest logit: rounding to bfloat16, layer after layer, stays below


class FastCopy(nn.Module):
    """Answers as its copy does; `exact` is the model that was copied."""

    def __init__(self, exact: nn.Module, quick: nn.Module, ways: Sequence[str]) -> None:
        super().__init__()
        self.exact = exact
        self.quick = quick
        self.ways = tuple(ways)

    def forward(self, x: Tensor) -> Tensor:
        """(N, classes) for (N, *features)."""
        if "channels-last" in self.ways and x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, torch.bfloat16, enabled="bf16" in self.ways):
            answer: Tensor = self.quick(x)
        return answer.to(x.dtype)


def make_fast_copy(module: nn.Module, ways: Sequence[str], x: Tensor) -> FastCopy:
    """The module beside a copy of it, in evaluation mode, that is cheaper to ask in these ways.

    fold: batch norm into the convolutions before it; channels-last: of pictures the channels lie side by side;
    bf16: products in bfloat16. x is a few inputs, (n, *features), on which both must answer alike; ValueError where
    they do not, as a model that draws does, and where the module cannot be copied so.
    """
    plain = copy.deepcopy(module).eval()
    quick = _fold_batch_norm(plain) if "fold" in ways else copy.deepcopy(plain)
    if "channels-last" in ways:
        quick.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = FastCopy(module, quick, ways)
    with seeded(0, [x.device]), torch.no_grad():
        exact, answer = plain(x.clone()), found(x.clone())
    apart = float((exact - answer).abs().max() / exact.abs().max())
    if not apart <= MAX_DIFFERENCE:
        raise ValueError(
            f"search={','.join(ways)}: the copy's answers are {apart:.1%} of the largest logit away from the model's, "
            "expected the same; leave it out"
        )
    return found


def _fold_batch_norm(module: nn.Module) -> nn.Module:
    """A copy with batch norm folded into the weights; ValueError where the way through the module cannot be traced."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torch deprecates in its own code
            from torch.fx.experimental.optimization import fuse

            return fuse(module)
    except Exception as error:  # tracing runs the module's own code, which may fail in any way
        told = first_line(error)
        raise ValueError(f"search=fold: the model cannot be traced: {told}; leave fold out") from error

"""A cheaper copy of a model for attacks to query; the exact model decides which inputs are adversarial.

Each way to make it cheaper is opt-in: the saving depends on the network and the machine; see benchmarks/search.md.
"""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from robust.attacks.rng import seeded
from robust.attacks.state import kept
from robust.attacks.text import first_line

MAX_DIFFERENCE = 0.1  # share of the largest logit; rounding to bfloat16, layer after layer, stays below it


class FastCopy(nn.Module):
    """A model that answers as its cheaper copy `quick` does; `exact` is the model that was copied."""

    def __init__(self, exact: nn.Module, quick: nn.Module, ways: Sequence[str]) -> None:
        super().__init__()
        self.exact = exact
        self.quick = quick
        self.ways = tuple(ways)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the copy, (N, classes), for inputs (N, *features), in the type of the inputs."""
        if "channels-last" in self.ways and x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, torch.bfloat16, enabled="bf16" in self.ways):
            answer: Tensor = self.quick(x)
        return answer.to(x.dtype)


def make_fast_copy(module: nn.Module, ways: Sequence[str], x: Tensor) -> FastCopy:
    """Make a copy of the module, in evaluation mode, that is cheaper to query in these ways.

    fold: batch norm is folded into the convolutions before it; channels-last: the channels of a pixel are adjacent in
    memory; bf16: products are computed in bfloat16. x is a few inputs, (n, *features), on which both must give the same
    answers. Raise ValueError if they differ, as those of a random model do, or if the module cannot be copied.
    """
    try:
        return _make_fast_copy(module, ways, x)
    except ValueError:
        raise
    except Exception as error:  # packed parameters have no copies, or kernels for no other type
        raise ValueError(
            f"search={','.join(ways)}: there is no such copy: {first_line(error)}; leave it out"
        ) from error


def _make_fast_copy(module: nn.Module, ways: Sequence[str], x: Tensor) -> FastCopy:
    plain = copy.deepcopy(module).eval()
    quick = _fold_batch_norm(plain) if "fold" in ways else copy.deepcopy(plain)
    if "channels-last" in ways:
        quick.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast = FastCopy(module, quick, ways)
    with seeded(0, [x.device]), torch.no_grad(), kept(plain), kept(fast):
        exact, answer = plain(x.clone()), fast(x.clone())
    apart = float((exact - answer).abs().max() / exact.abs().max())
    if not apart <= MAX_DIFFERENCE:
        raise ValueError(
            f"search={','.join(ways)}: the copy's answers are {apart:.1%} of the largest logit away from the model's, "
            "expected the same; leave it out"
        )
    return fast


def _fold_batch_norm(module: nn.Module) -> nn.Module:
    """Return a copy with batch norm folded into the weights; raise ValueError if the module cannot be traced."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about deprecations in its own code
            from torch.fx.experimental.optimization import fuse

            return fuse(module)
    except Exception as error:  # tracing runs the module's own code, which may fail in any way
        raise ValueError(f"search=fold: the model cannot be traced: {first_line(error)}; leave fold out") from error

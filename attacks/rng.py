"""Random numbers that belong to a sample, not to a batch.

Every sample has a key, and every draw is a hash of (key, position in the sample): counter-based, like JAX's keys and
Philox (Salmon et al. 2011). So with the same seed a sample gets the same numbers in any batch, on any device and in any
order, and the global generator is not used. One vectorised hash replaces a `torch.Generator` per sample, which would
cost a Python call per sample and draw.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

# SplitMix64 (Steele, Lea and Flood 2014), as signed 64-bit numbers: torch's int64 products wrap as uint64 ones do.
GOLDEN, MIX_1, MIX_2 = (z - 2**64 for z in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _mix(z: Tensor) -> Tensor:
    """Return the hash of z, int64. It works in place where it can, since most of its time goes to memory access."""
    z = (z ^ _shift(z, 30)).mul_(MIX_1)
    z = z.bitwise_xor_(_shift(z, 27)).mul_(MIX_2)
    return z.bitwise_xor_(_shift(z, 31))


def _shift(z: Tensor, bits: int) -> Tensor:
    """Shift to the right and fill with zeros; `>>` on int64 would copy the sign."""
    return (z >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    """Return `number` modulo 2**64, as a signed 64-bit number."""
    return (number + 2**63) % 2**64 - 2**63


@dataclass(frozen=True, slots=True)
class Rng:
    """Random streams, one key per sample. `fold` derives independent streams; drawing does not change the state."""

    key: Tensor  # (N,) int64
    seed: int = 0  # that the keys were made by

    @classmethod
    def of(cls, seed: int, index: Tensor) -> "Rng":
        """Make the keys of the samples with these indices in their data set, (N,) int64."""
        index = index.cpu() if index.device.type == "mps" else index  # Apple's GPUs know no float64, and draws need it
        return cls(_mix(_mix(index.to(torch.int64) * GOLDEN + GOLDEN) + _signed(seed)), seed)

    def fold(self, k: int) -> "Rng":
        """Return the independent stream number `k` of every sample (a step, a restart)."""
        return Rng(_mix(self.key + _signed((k + 1) * MIX_1)), self.seed)

    def only(self, keep: Tensor) -> "Rng":
        """Return the streams of the samples in the mask `keep`, (N,) bool."""
        return Rng(self.key[keep.to(self.key.device)], self.seed)

    def uniform(self, like: Tensor) -> Tensor:
        """Draw numbers in [0, 1), of the shape (N, *features), the type and the device of `like`."""
        size = math.prod(like.shape[1:])
        place = torch.arange(1, size + 1, device=self.key.device)
        bits = _mix(self.key[:, None] + place * GOLDEN)
        digits = 1 - round(math.log2(torch.finfo(like.dtype).eps))  # of the mantissa: with more, some would round to 1
        return (_shift(bits, 64 - digits).to(widened(like.dtype)) * 2.0**-digits).to(like).reshape(like.shape)

    def normal(self, like: Tensor) -> Tensor:
        """Draw standard normal numbers of the shape, type and device of `like`, as Box and Muller (1958)."""
        wide = like.to(widened(like.dtype))
        radius = (-2 * torch.log1p(-self.fold(0).uniform(wide))).sqrt()
        return (radius * torch.cos(2 * math.pi * self.fold(1).uniform(wide))).to(like)


def rng_of(seed: int | Rng, x: Tensor) -> Rng:
    """Return the random streams of the samples x, (N, *features); a seed alone numbers them from 0 to N - 1."""
    return seed if isinstance(seed, Rng) else Rng.of(seed, torch.arange(len(x), device=x.device))


def widened(dtype: torch.dtype) -> torch.dtype:
    """Return the type to draw numbers of `dtype` in: float32 for half precision, whose few digits have no tails."""
    return torch.promote_types(dtype, torch.float32)


def generator_seed(seed: int) -> int:
    """Return the seed as a `torch.Generator` takes it: below 2**63."""
    return seed % 2**63


@contextmanager
def seeded(seed: int, devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """Seed the global random streams for the length of a block, and restore them afterwards.

    It is for code that draws from them. They are those of the CPU and of the CUDA devices among `devices`. A default
    type that the block sets is set back, too: a model's forward may have done so for all of the process.
    """
    default = torch.get_default_dtype()
    indices = sorted({device.index or 0 for device in devices if device.type == "cuda"})
    with torch.random.fork_rng(devices=indices):
        # torch.manual_seed would also reseed devices that are not restored here
        torch.default_generator.manual_seed(generator_seed(seed))
        for index in indices:
            with torch.cuda.device(index):
                torch.cuda.manual_seed(generator_seed(seed))
        try:
            yield
        finally:
            torch.set_default_dtype(default)

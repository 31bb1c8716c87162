"""vit: a small vision transformer. Dosovitskiy et al. 2021 (2010.11929)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robust.models.registry import ARCHITECTURES, UnfitError, check_whole
from robust.models.zoo._image import as_images, image_size

MAX_PATCH = 16  # pixels a side, as the paper's ViT/16


def patch_size(height: int, width: int) -> int:
    """Return the power of two nearest to an eighth of the longer side: 1 for 8 pixels, 4 for 28 and 32, 16 for 224."""
    nearest = max(round(math.log2(max(height, width) / 8)), 0)
    return min(1 << nearest, MAX_PATCH)


class Block(nn.Module):
    """Self-attention and a perceptron, each after a norm and with a skip connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.out(self._attend(self.norm1(x)))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y

    def _attend(self, x: Tensor) -> Tensor:
        # Written out, since torch's fused kernels have no second derivative.
        query, key, value = self.mix(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        mixed: Tensor = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        return mixed


@ARCHITECTURES.register("vit")
class ViT(nn.Module):
    """Patches of the image as tokens after a class token, and `depth` blocks; `width` is a token's length."""

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        width: int = 192,
        depth: int = 6,
        heads: int = 3,
        patch: int | None = None,
    ) -> None:
        super().__init__()
        channels, high, wide = image_size(shape)
        patch = patch_size(high, wide) if patch is None else patch
        check_whole(width=width, depth=depth, heads=heads, patch=patch)
        if width % heads:
            raise UnfitError(f"width must be a multiple of heads, got {width} and {heads}")
        self.edges = (0, -wide % patch, 0, -high % patch)  # black, to the right and below, for whole patches
        tokens = math.ceil(high / patch) * math.ceil(wide / patch)
        self.embed = nn.Conv2d(channels, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(1, 1 + tokens, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(F.pad(as_images(x), self.edges)).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), patches], 1) + self.places
        logits: Tensor = self.head(self.norm(self.blocks(tokens)[:, 0]))
        return logits

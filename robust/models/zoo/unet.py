"""unet: a small network for maps of classes, as wide as the image (Ronneberger, Fischer and Brox 2015, 1505.04597)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robust.models.registry import ARCHITECTURES, check_whole
from robust.models.zoo._image import as_images, image_size


@ARCHITECTURES.register("unet")
class UNet(nn.Module):
    """Convolutions that halve the image `depth` times, and others that double it again beside what was there before."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int = 16, depth: int = 2) -> None:
        super().__init__()
        check_whole(width=width, depth=depth)
        channels, *_ = image_size(shape)
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(_block(a, b) for a, b in zip([channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(_block(3 * a, a) for a in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (n, classes, height, width)."""
        first, *deeper = self.down
        passed = [first(as_images(x))]
        for block in deeper:
            passed.append(block(F.max_pool2d(passed[-1], 2, ceil_mode=True)))
        answer = passed.pop()
        for block in self.up:
            beside = passed.pop()
            wider = F.interpolate(answer, size=beside.shape[2:], mode="nearest")
            answer = block(torch.cat([wider, beside], 1))
        logits: Tensor = self.head(answer)
        return logits


def _block(before: int, after: int) -> nn.Sequential:
    """Return two convolutions of 3x3, each with batch norm."""
    layers = [
        layer
        for channels in (before, after)
        for layer in (nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
    ]
    return nn.Sequential(*layers)

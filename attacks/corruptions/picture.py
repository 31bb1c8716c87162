"""One picture that is to be corrupted, and what several corruptions share.

Shapes: a picture is (height, width, channels) with 1 or 3 channels, from 0 to 1.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from robust.attacks.corruptions.kinds import MNIST

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]


class Picture(NamedTuple):
    """A picture, and whose parameters it has."""

    levels: Bytes  # (height, width, channels), from 0 to 255
    scheme: str

    @property
    def x(self) -> Floats:
        """Return the picture from 0 to 1."""
        return self.levels / 255.0

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width."""
        return self.levels.shape[0], self.levels.shape[1]

    @property
    def is_grey(self) -> bool:
        """Whether there is one channel."""
        return bool(self.levels.shape[2] == 1)

    @property
    def is_flat(self) -> bool:
        """Whether it is a picture as in MNIST-C, whose code has no axis for channels, with what follows from that."""
        return self.is_grey and self.scheme == MNIST


def smooth(picture: Picture, x: Floats, sigma: float) -> Floats:
    """Blur x, (height, width, channels), by a normal kernel; the picture's edge goes on.

    MNIST-C takes the columns of a grey picture for channels, and so blurs up and down alone: as here.
    """
    axes = (sigma, 0, 0) if picture.is_flat else (sigma, sigma, 0)
    blurred: Floats = ndimage.gaussian_filter(x, axes, mode="nearest", truncate=4.0)
    return blurred


def zoom_in(x: Floats, factor: float) -> Floats:
    """Return the middle of x, (height, width, channels), enlarged to its size."""
    height, width = x.shape[:2]
    h, w = int(np.ceil(height / factor)), int(np.ceil(width / factor))
    top, left = (height - h) // 2, (width - w) // 2
    large = ndimage.zoom(x[top : top + h, left : left + w], (factor, factor, 1), order=1)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    cut: Floats = large[top : top + height, left : left + width]
    return cut


def drag(levels: Bytes, radius: int, sigma: float, angle: float) -> Bytes:
    """Blur levels, (height, width, channels), along a line at `angle` degrees, as ImageMagick's motion blur does.

    The kernel is half a normal one, from the pixel on; the edge goes on; values are rounded.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    down, right = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    height, width = levels.shape[:2]
    total = np.zeros(levels.shape)
    for weight, step in zip(weights, steps, strict=True):
        if weight < 1e-6:  # less than a hundredth of a level in all
            break
        rows = np.clip(np.arange(height) + int(np.ceil(step * down - 0.5)), 0, height - 1)
        columns = np.clip(np.arange(width) + int(np.ceil(step * right - 0.5)), 0, width - 1)
        total += weight * levels[rows][:, columns]
    return np.clip(np.rint(total), 0, 255).astype(np.uint8)


def correlate(x: Floats, kernel: Floats) -> Floats:
    """Correlate each channel of x, (height, width, channels), with a kernel; the picture is mirrored at its edge."""
    found: Floats = ndimage.correlate(x, kernel[..., None], mode="mirror")
    return found


def to_grey(x: Floats) -> Floats:
    """Return the brightness of x, (height, width, channels), as (height, width, 1)."""
    if x.shape[2] == 1:
        return x
    grey: Floats = (x @ np.array([0.299, 0.587, 0.114]))[..., None]
    return grey

"""wideresnet: WRN-depth-width, written wideresnet-28-10. Zagoruyko and Komodakis 2016 (1605.07146)."""

from robust.models.registry import ARCHITECTURES, UnfitError, check_whole
from robust.models.zoo._preact import PreAct


@ARCHITECTURES.register("wideresnet")
def wideresnet(shape: tuple[int, ...], classes: int, depth: int = 28, width: int = 10) -> PreAct:
    """Return a WideResNet, by default with 36.48 million parameters for CIFAR-10.

    `width` multiplies the channels of a ResNet; `depth` counts the convolutions, the three shortcuts' included.
    """
    check_whole(depth=depth, width=width)
    if depth < 10 or depth % 6 != 4:
        raise UnfitError(f"depth must be 10, 16, 22, 28, 34 or another 6k + 4, got {depth}")
    return PreAct(shape, classes, 16, [16 * width, 32 * width, 64 * width], blocks=(depth - 4) // 6)

"""preactresnet18: PreActResNet-18, with skip connections or without. He et al. 2016 (1603.05027)."""

from robust.models.registry import ARCHITECTURES, check_whole
from robust.models.zoo._preact import PreAct


@ARCHITECTURES.register("preactresnet18")
def preactresnet18(shape: tuple[int, ...], classes: int, width: int = 64, skip: bool = True) -> PreAct:
    """Return a PreActResNet-18: four stages, the first of `width` channels, each next of twice as many.

    By default it has 11.17 million parameters for CIFAR-10.
    """
    check_whole(width=width)
    return PreAct(shape, classes, width, [width, 2 * width, 4 * width, 8 * width], blocks=2, skip=skip)

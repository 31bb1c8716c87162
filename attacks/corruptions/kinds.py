"""The names of the corruptions, their two groups, and which published parameters a size of picture has.

No numpy in this file: threat models are read as text. Names are those of CIFAR-10-C's files, with hyphens.
"""

USUAL = (
    "gaussian-noise",
    "shot-noise",
    "impulse-noise",
    "defocus-blur",
    "glass-blur",
    "motion-blur",
    "zoom-blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic-transform",
    "pixelate",
    "jpeg-compression",
)
HELD_OUT = ("speckle-noise", "gaussian-blur", "spatter", "saturate")  # kept for those who trained on the usual ones
KINDS = (*USUAL, *HELD_OUT)
GROUPS = {"usual": USUAL, "held-out": HELD_OUT, "all": KINDS}
SEVERITIES = range(1, 6)
SMALLEST = 8  # pixels a side: below that nothing of a picture is left

CIFAR, IMAGENET, MNIST, SMALL = "CIFAR-10-C", "ImageNet-C", "MNIST-C", "pytest-robust"


def scheme_of(height: int, width: int) -> str:
    """Return whose parameters a picture of that size has, by its shorter side.

    ImageNet-C's from 128 pixels on, CIFAR-10-C's from 32, MNIST-C's (1906.02337) from 28, and ours below.
    """
    size = min(height, width)
    return IMAGENET if size >= 128 else CIFAR if size >= 32 else MNIST if size >= 28 else SMALL

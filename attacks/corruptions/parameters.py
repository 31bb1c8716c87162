"""The parameters of the corruptions, for the severities 1 to 5, by whose they are.

CIFAR-10-C's and ImageNet-C's are those of 1903.12261, as its public scripts have them; MNIST-C's, of 1906.02337, are
ImageNet-C's, at 28 pixels as they are at 224: many destroy such a picture from severity 3 on. Below 28 pixels they are
ours: noise and colour as in CIFAR-10-C, and lengths shorter.
"""

from typing import Any

from robust.attacks.corruptions.kinds import CIFAR, IMAGENET, MNIST, SMALL

Table = dict[str, tuple[Any, ...]]

_CIFAR: Table = {
    "gaussian-noise": (0.04, 0.06, 0.08, 0.09, 0.10),  # deviation
    "shot-noise": (500, 250, 100, 75, 50),  # photons at full brightness
    "impulse-noise": (0.01, 0.02, 0.03, 0.05, 0.07),  # share of values
    "speckle-noise": (0.06, 0.1, 0.12, 0.16, 0.2),  # deviation, in shares of the value
    "gaussian-blur": (0.4, 0.6, 0.7, 0.8, 1),  # deviation, pixels
    "defocus-blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),  # radius; deviation of its edge
    "glass-blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),  # deviation, reach, times
    "motion-blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),  # radius, deviation
    "zoom-blur": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),  # up to, in steps of
    # mean and deviation of the flakes' noise, its zoom, its threshold, radius and deviation of the blur, share of x
    "snow": (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    "frost": ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),  # shares of x and of the frost
    "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),  # its weight; how fast its detail fades
    # mean and deviation of the liquid's noise, its blur, its threshold, weight of water or blur of mud, whether mud
    "spatter": (
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),  # added to the value
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),  # share that is kept
    "saturate": ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),  # factor, summand
    "jpeg-compression": (80, 65, 58, 50, 40),  # quality
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),  # share of the size
    # all in shares of the size: weight and deviation of the field of moves, reach of the random affine map
    "elastic-transform": ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
}

_IMAGENET: Table = {
    "gaussian-noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot-noise": (60, 25, 12, 5, 3),
    "impulse-noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "speckle-noise": (0.15, 0.2, 0.35, 0.45, 0.6),
    "gaussian-blur": (1, 2, 3, 4, 6),
    "defocus-blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "glass-blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    "motion-blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom-blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    "snow": (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    "frost": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    "spatter": (
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "saturate": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    "jpeg-compression": (25, 18, 15, 10, 7),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "elastic-transform": ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
}

_SMALL: Table = _CIFAR | {
    "gaussian-blur": (0.35, 0.4, 0.45, 0.5, 0.6),
    "defocus-blur": ((0.3, 0.35), (0.3, 0.4), (0.3, 0.45), (0.5, 0.55), (0.5, 0.7)),
    "glass-blur": ((0.05, 1, 1), (0.25, 1, 1), (0.35, 1, 1), (0.3, 1, 2), (0.4, 1, 3)),
    "motion-blur": ((2, 0.4), (2, 0.5), (2, 0.6), (3, 0.8), (3, 1)),
    "snow": (
        (0.1, 0.2, 1, 0.6, 2, 0.6, 0.95),
        (0.1, 0.2, 1, 0.5, 2, 0.8, 0.9),
        (0.15, 0.3, 1.25, 0.55, 2, 0.8, 0.9),
        (0.25, 0.3, 1.5, 0.6, 3, 1, 0.85),
        (0.3, 0.3, 1.25, 0.65, 3, 1.5, 0.8),
    ),
    "spatter": (
        (0.62, 0.1, 0.7, 0.68, 0.5, 0),
        (0.65, 0.1, 0.7, 0.68, 0.5, 0),
        (0.65, 0.2, 0.7, 0.68, 0.5, 0),
        (0.65, 0.2, 0.5, 0.64, 0.5, 1),
        (0.67, 0.3, 0.5, 0.62, 0.4, 1),
    ),
    "pixelate": (0.9, 0.8, 0.65, 0.55, 0.4),
    "elastic-transform": ((0, 0, 0.02), (0.02, 0.1, 0.03), (0.04, 0.1, 0.04), (0.06, 0.1, 0.05), (0.08, 0.1, 0.06)),
}

PARAMETERS: dict[str, Table] = {CIFAR: _CIFAR, IMAGENET: _IMAGENET, MNIST: _IMAGENET, SMALL: _SMALL}

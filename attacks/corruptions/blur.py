"""Blur: by a normal kernel, out of focus, through frosted glass, by motion, by zooming."""

from typing import Any

import numpy as np
from numpy.random import RandomState

from robust.attacks.corruptions.kinds import MNIST, SMALL
from robust.attacks.corruptions.picture import Floats, Picture, correlate, drag, smooth, zoom_in


def gaussian_blur(picture: Picture, c: float, rng: RandomState) -> Floats:
    """Blur by a normal kernel with the deviation c."""
    del rng
    return smooth(picture, picture.x, c)


def defocus_blur(picture: Picture, c: tuple[float, float], rng: RandomState) -> Floats:
    """Blur by a disk of radius c[0], whose edge is itself blurred with the deviation c[1]."""
    del rng
    return correlate(picture.x, make_disk(*c))


def make_disk(radius: float, edge: float) -> Floats:
    """Return a disk as a kernel, (k, k), whose sum is 1 but for what a soft edge gains or loses at the border."""
    reach, soft = (8, 1) if radius <= 8 else (int(radius), 2)
    line = np.arange(-reach, reach + 1)
    disk = ((line[:, None] ** 2 + line**2) <= radius**2).astype(float)
    near = np.exp(-(np.arange(-soft, soft + 1) ** 2) / (2 * edge**2))
    near /= near.sum()
    kernel = correlate((disk / disk.sum())[..., None], np.outer(near, near))[..., 0]
    used = max(int(np.abs(line[(kernel > 1e-12).any(1)]).max()), 0)
    return kernel[reach - used : reach + used + 1, reach - used : reach + used + 1]


def glass_blur(picture: Picture, c: tuple[float, int, int], rng: RandomState) -> Floats:
    """Blur, take pixels from up to c[1] away, c[2] times over the picture, and blur again.

    As in the original: its swap of two pixels copies one of them where there are colours, and swaps where there are
    none; and in MNIST-C, and below 28 pixels, every second pixel, drawn at random, is left alone.
    """
    sigma, reach, times = c
    height, width = picture.size
    levels = (smooth(picture, picture.x, sigma) * 255).astype(np.uint8).reshape(height * width, -1)
    source = list(range(height * width))  # a list: single numbers of an array take ten times as long
    for _ in range(times):
        places = [h * width + w for h in range(height - reach, reach, -1) for w in range(width - reach, reach, -1)]
        if picture.scheme in (MNIST, SMALL):
            places = [place for place, hit in zip(places, rng.randint(0, 2, len(places)), strict=True) if hit]
        for place, (dx, dy) in zip(places, rng.randint(-reach, reach, (len(places), 2)).tolist(), strict=True):
            other = place + dy * width + dx
            if picture.is_grey:
                source[place], source[other] = source[other], source[place]
            else:
                source[place] = source[other]
    shuffled = levels[source].reshape(picture.levels.shape)
    return smooth(picture, shuffled / 255.0, sigma)


def motion_blur(picture: Picture, c: tuple[int, float], rng: RandomState) -> Floats:
    """Blur along a line at up to 45 degrees from the horizontal."""
    return drag(picture.levels, *c, rng.uniform(-45, 45)) / 255.0


def zoom_blur(picture: Picture, c: tuple[float, float], rng: RandomState) -> Floats:
    """Take the mean of the picture and of it enlarged by 1 up to c[0], in steps of c[1]."""
    del rng
    x = picture.x
    factors = np.arange(1, *c)
    total: Floats = np.sum([x, *(zoom_in(x, factor) for factor in factors)], axis=0)
    return total / (len(factors) + 1)


BLURS: dict[str, Any] = {
    "gaussian-blur": gaussian_blur,
    "defocus-blur": defocus_blur,
    "glass-blur": glass_blur,
    "motion-blur": motion_blur,
    "zoom-blur": zoom_blur,
}

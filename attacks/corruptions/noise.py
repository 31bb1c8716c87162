"""Noise: each value of a picture, (height, width, channels) from 0 to 1, is changed for itself."""

from typing import Any

import numpy as np
from numpy.random import RandomState

from robust.attacks.corruptions.picture import Floats, Picture


def gaussian_noise(picture: Picture, c: float, rng: RandomState) -> Floats:
    """Add normal numbers with the deviation c."""
    return picture.x + rng.normal(size=picture.x.shape, scale=c)


def shot_noise(picture: Picture, c: float, rng: RandomState) -> Floats:
    """Count photons, c of them at full brightness."""
    counted: Floats = rng.poisson(picture.x * c) / c
    return counted


def impulse_noise(picture: Picture, c: float, rng: RandomState) -> Floats:
    """Set the share c of the values to 0 or 1, each channel for itself."""
    shape = picture.x.shape
    flipped, salted = rng.uniform(size=shape) < c, rng.uniform(size=shape) < 0.5
    return np.where(flipped, salted.astype(float), picture.x)


def speckle_noise(picture: Picture, c: float, rng: RandomState) -> Floats:
    """Add normal numbers whose deviation is the share c of the value."""
    return picture.x + picture.x * rng.normal(size=picture.x.shape, scale=c)


NOISES: dict[str, Any] = {
    "gaussian-noise": gaussian_noise,
    "shot-noise": shot_noise,
    "impulse-noise": impulse_noise,
    "speckle-noise": speckle_noise,
}

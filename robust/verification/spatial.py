"""Turned, moved and enlarged images made again: by scipy's map_coordinates, from the text of the threat model.

Nothing here is shared with the attacks. A theta is the angle in degrees, counter-clockwise as seen; how far the image
goes to the right and down, in pixels; and how many times it is enlarged before that.
"""

import re
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from robust.flags import Flags

Floats = NDArray[np.float64]

ROUNDING = 1e-6  # of a limit: what theta loses as float32
TIE = 1e-4  # of a pixel: a place that is nearer to the middle between two pixels may fall to either
WORD = re.compile(r"(rotate|translate|scale|padding|interpolation)=([a-z]+|[\d.]+%?)")
MODES: dict[str, Literal["grid-constant", "nearest", "reflect"]] = {
    "zeros": "grid-constant",
    "border": "nearest",
    "reflect": "reflect",
}


class Word(NamedTuple):
    """A threat model as its text says it."""

    angle: float  # degrees
    way: float  # pixels, or a share of each side
    is_share: bool
    scale: float
    padding: str
    nearest: bool


def read_word(text: str) -> Word:
    """Read "spatial:rotate=30:translate=3"; ValueError for anything else."""
    family, *pieces = text.split(":")
    matches = [WORD.fullmatch(piece) for piece in pieces]
    if family != "spatial" or not all(matches):
        raise ValueError(f"a threat model of images, with a word that is none: {text!r}")
    given = {match[1]: match[2] for match in matches if match}
    way, padding = given.get("translate", "0"), given.get("padding", "zeros")
    is_share = way.endswith("%")
    nearest = given.get("interpolation", "bilinear") == "nearest"
    numbers = float(given.get("rotate", "0")), float(way.rstrip("%")) / (100 if is_share else 1)
    return Word(*numbers, is_share, float(given.get("scale", "1")), padding, nearest)


def within_limits(text: str, theta: NDArray[Any], shape: tuple[int, ...]) -> Flags:
    """Whether each theta, (n, 4), is within the limits for images of a shape, (channels, height, width): (n,)."""
    word, (height, width) = read_word(text), shape[-2:]
    sides = (width, height) if word.is_share else (1, 1)
    most = np.array([word.angle, word.way * sides[0], word.way * sides[1]]) * (1 + ROUNDING)
    small = (np.abs(theta[:, :3].astype(np.float64)) <= most).all(1)
    scale, enlarged = word.scale * (1 + ROUNDING), theta[:, 3].astype(np.float64)
    marks: Flags = small & (enlarged <= scale) & (enlarged >= 1 / scale)
    return marks


def make_again(text: str, x: NDArray[Any], theta: NDArray[Any], bounds: tuple[float, float]) -> list[Floats]:
    """Return the images x, (n, channels, height, width), as theta says: one array, or all that rounding may make."""
    word, fill = read_word(text), min(max(0.0, bounds[0]), bounds[1])
    places = [_find_place(row, x.shape[-2], x.shape[-1]) for row in theta.astype(np.float64)]
    shifts = [(a, b) for a in (-TIE, TIE) for b in (-TIE, TIE)] if word.nearest else [(0.0, 0.0)]
    return [np.array([_take(x[k], places[k], word, fill, shift) for k in range(len(x))]) for shift in shifts]


def find_difference(text: str, x_adv: NDArray[Any], x: NDArray[Any], theta: NDArray[Any], bounds: Any) -> Floats:
    """Return how far each x_adv is from x as theta transforms it, in the value that differs most, (n,)."""
    made = make_again(text, x, theta, bounds)
    nearest: Floats = np.min([np.abs(x_adv.astype(np.float64) - image) for image in made], 0)
    largest: Floats = nearest.reshape(len(x), -1).max(1)
    return largest


def _find_place(theta: Floats, height: int, width: int) -> Floats:
    """Return the row and the column of the clean image that each pixel shows, (2, height, width)."""
    angle, right, down, enlarged = theta
    turn = np.deg2rad(angle)
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    seen = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), 2) - middle - [down, right]
    back = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / enlarged
    place: Floats = np.moveaxis(seen @ back.T + middle, 2, 0)
    return place


def _take(x: NDArray[Any], place: Floats, word: Word, fill: float, shift: tuple[float, float]) -> Floats:
    """Return an image, (channels, height, width), with the values at these places of it."""
    shifted = place + np.array(shift)[:, None, None]
    order: Literal[0, 1] = 0 if word.nearest else 1
    channels = [
        map_coordinates(channel, shifted, order=order, mode=MODES[word.padding], cval=fill, prefilter=False)
        for channel in x.astype(np.float64)
    ]
    return np.array(channels)

"""Corruptions by cameras and files: brightness, contrast, saturation, warps, coarse pixels, JPEG."""

from colorsys import hsv_to_rgb
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.random import RandomState
from PIL import Image
from scipy import ndimage

from robust.attacks.corruptions.kinds import IMAGENET
from robust.attacks.corruptions.picture import Bytes, Floats, Picture

Edge = Literal["constant", "mirror", "reflect"]  # how a picture goes on outside

OVERSIZE = 244 / 224  # ImageNet-C's warps are those of pictures of 244 pixels
LUMINANCE = np.array([0.2125, 0.7154, 0.0721])


def brightness(picture: Picture, c: float, rng: RandomState) -> Floats:
    """Add c to the value, the largest channel; hue and saturation stay, so the other channels grow in proportion."""
    del rng
    x = picture.x
    value: Floats = x.max(2, keepdims=True)
    brighter = np.clip(value + c, 0, 1)
    found: Floats = np.where(value > 0, x / np.where(value > 0, value, 1) * brighter, brighter)
    return found


def contrast(picture: Picture, c: float, rng: RandomState) -> Floats:
    """Keep the share c of what each channel differs from its mean by."""
    del rng
    x = picture.x
    means: Floats = x.mean((0, 1), keepdims=True)
    return (x - means) * c + means


def saturate(picture: Picture, c: tuple[float, float], rng: RandomState) -> Floats:
    """Multiply the saturation by c[0] and add c[1]; a grey pixel has the hue of red, and turns to it.

    A grey picture is treated as in MNIST-C, which multiplies and adds so to hue and value, too.
    """
    del rng
    x = picture.x
    if picture.is_grey:
        tint = np.array(hsv_to_rgb(c[1], c[1], 1.0))
        return np.clip(x * c[0] + c[1], 0, 1) * float(tint @ LUMINANCE)
    value: Floats = x.max(2, keepdims=True)
    chroma = value - x.min(2, keepdims=True)
    plain = chroma == 0
    old = np.where(value > 0, chroma / np.where(value > 0, value, 1), 0)
    depth = np.where(plain, np.array([0.0, 1.0, 1.0]), (value - x) / np.where(plain, 1, chroma))
    return value * (1 - np.clip(old * c[0] + c[1], 0, 1) * depth)


def jpeg_compression(picture: Picture, c: int, rng: RandomState) -> Floats:
    """Store the picture as a JPEG file of quality c."""
    del rng
    return store_jpeg(picture.levels, quality=c) / 255.0


def store_jpeg(levels: Bytes, **options: Any) -> Bytes:
    """Return levels, (height, width, channels), as a JPEG file with these options of Pillow's has them."""
    file = BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).save(file, "JPEG", **options)
    with Image.open(file) as stored:
        return np.asarray(stored).reshape(levels.shape)


def pixelate(picture: Picture, c: float, rng: RandomState) -> Floats:
    """Shrink the picture to the share c of its size, and enlarge it again, by boxes."""
    del rng
    levels, (height, width) = picture.levels, picture.size
    whole = Image.fromarray(levels[..., 0] if picture.is_grey else levels)
    coarse = whole.resize((int(width * c), int(height * c)), Image.Resampling.BOX)
    return np.asarray(coarse.resize((width, height), Image.Resampling.BOX)).reshape(levels.shape) / 255.0


def elastic_transform(picture: Picture, c: tuple[float, float, float], rng: RandomState) -> Floats:
    """Warp the picture: by a random affine map, then by a smooth random field of moves."""
    x, (height, width) = picture.x, picture.size
    size = min(height, width) * (OVERSIZE if picture.scheme == IMAGENET else 1.0)
    weight, sigma, reach = (share * size for share in c)
    warped = _map_affine(picture, x, rng.uniform(-reach, reach, (3, 2)))

    def draw_field() -> Floats:
        field = rng.uniform(-1, 1, (height, width))
        return weight * ndimage.gaussian_filter(field, sigma, mode="reflect", truncate=3.0)

    right, down = draw_field(), draw_field()
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return _read_at(warped, rows + down, columns + right, "reflect")


def _map_affine(picture: Picture, x: Floats, shifts: Floats) -> Floats:
    """Return x under the affine map that moves three corners of its middle by `shifts`, (3, 2) as (right, down)."""
    height, width = picture.size
    middle, side = np.array([width // 2, height // 2], float), min(height, width) // 3
    before = middle + side * np.array([[1, 1], [1, -1], [-1, -1]])
    corners = np.column_stack([before + shifts, np.ones(3)])
    back = np.linalg.solve(corners, before)  # (3, 2): from a place in the result to that in x
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    from_x, from_y = (columns * back[0, k] + rows * back[1, k] + back[2, k] for k in (0, 1))
    return _read_at(x, from_y, from_x, "constant" if picture.is_flat else "mirror")


def _read_at(x: Floats, rows: Floats, columns: Floats, edge: Edge) -> Floats:
    """Return x, (height, width, channels), at places between pixels, each (height, width)."""
    channels = [ndimage.map_coordinates(x[..., k], (rows, columns), order=1, mode=edge) for k in range(x.shape[2])]
    return np.stack(channels, -1)


DIGITAL: dict[str, Any] = {
    "brightness": brightness,
    "contrast": contrast,
    "saturate": saturate,
    "jpeg-compression": jpeg_compression,
    "pixelate": pixelate,
    "elastic-transform": elastic_transform,
}

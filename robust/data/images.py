"""Encoded images as inputs: opening, scaling and cropping; damaged images are refused."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from robust.attacks.files import open_regular
from robust.attacks.text import brief

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

# The formats that Pillow reads by itself: for some others it starts programs (EPS: Ghostscript).
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

# The radius that is published most for such images: RobustBench's for ImageNet (2010.09670).
THREAT = "linf:4/255"


@dataclass(frozen=True, slots=True)
class ImageTransform:
    """The transform of an image into an input: "imagefolder:DIR:size=224"."""

    size: int | None = None  # pixels a side of the crop at the centre; by default the image as it is
    resize: int | None = None  # pixels of the shorter side before the crop; by default `size`
    channels: int = 3  # 1: grey

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"size must be at least 1, got {self.size}")
        if self.resize is not None and (self.size is None or self.resize < self.size):
            raise ValueError(f"resize is for what size is cut from, so at least size, got {self.resize}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}")

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Return the shape of an input; None if only the images tell."""
        return None if self.size is None else (self.channels, self.size, self.size)

    @property
    def transforms(self) -> tuple[str, ...]:
        """Return the steps of the transform, in words."""
        colours = ("RGB" if self.channels == 3 else "grey",)
        if self.size is None:
            return (*colours, "divided by 255")
        scaled = f"shorter side scaled to {self.resize or self.size}, bilinear"
        return (*colours, scaled, f"{self.size}x{self.size} cut at the centre", "divided by 255")


class Sources(Protocol):
    """Encoded images, each opened by its row."""

    def __len__(self) -> int: ...

    def open(self, row: int) -> Path | BytesIO: ...

    def name(self, row: int) -> str:
        """Return the name of a row's image, for messages."""
        ...


class Images:
    """Inputs whose images are opened only when they are read."""

    def __init__(self, sources: Sources, transform: ImageTransform, *, upright: bool = False) -> None:
        """Wrap the sources; with `upright` images are rotated as EXIF says, as by `datasets` and not by torchvision."""
        self._sources = sources
        self._transform = transform
        self._upright = upright

    def __len__(self) -> int:
        return len(self._sources)

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        return self._transform.shape or self._input(0).shape

    def __getitem__(self, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        """Return inputs (n, channels, height, width) in [0, 1].

        ValueError for a damaged image, or one of another size than the first.
        """
        import numpy as np

        inputs = np.empty((len(rows), *self._shape), np.float32)
        for i, row in enumerate(rows):
            image = self._input(int(row))
            if image.shape != self._shape:
                sizes = " and ".join(f"{w}x{h}" for _, h, w in (self._shape, image.shape))
                raise ValueError(
                    f"{self._sources.name(int(row))} is of another size than the first ({sizes}); "
                    "say what size the model takes, as :size=224"
                )
            inputs[i] = image
        return inputs

    def _input(self, row: int) -> "NDArray[np.float32]":
        import numpy as np

        source = self._sources.open(row)
        try:
            image = open_image(source, self._transform, self._upright)
        except Exception as error:  # a damaged image raises anything
            fault = f"{self._sources.name(row)} is not a sound image: {error}"
            raise ValueError(brief(fault.replace("\n", " "))) from error
        pixels = np.asarray(image, np.float32) / np.float32(255)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _opened(source: Path | BytesIO) -> BinaryIO:
    return open_regular(source) if isinstance(source, Path) else source


def open_image(source: Path | BytesIO, transform: ImageTransform, upright: bool) -> "Image":
    """Open an image and transform it. If it has more pixels than Pillow considers safe, only its header is read."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with _opened(source) as stream, Image.open(stream, formats=FORMATS) as file:
            if file.mode.startswith(("I", "F")):
                raise ValueError("it has more than 8 bits a channel, and would be clipped; convert it")
            rotated = ImageOps.exif_transpose(file) if upright else file
            image = rotated.convert("RGB" if transform.channels == 3 else "L")
    size, resize = transform.size, transform.resize
    if size is None:
        return image
    if resize is None:
        return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    width, height = image.size
    short = min(width, height)
    image = image.resize((resize * width // short, resize * height // short), Image.Resampling.BILINEAR)
    left, top = (round((side - size) / 2) for side in image.size)
    return image.crop((left, top, left + size, top + size))

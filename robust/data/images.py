"""Encoded pictures as inputs: how they are opened, scaled and cut, and what is no sound picture."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from robust.attacks.text import brief

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

# Those that Pillow reads by itself: for some others it starts programs (EPS: Ghostscript).
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

# The radius that is published most for pictures of this kind: RobustBench's for ImageNet (2010.09670).
THREAT = "linf:4/255"


@dataclass(frozen=True, slots=True)
class ImageTransform:
    """How a picture becomes an input: "imagefolder:DIR:size=224"."""

    size: int | None = None  # pixels a side, cut at the centre; by default as it is
    resize: int | None = None  # what its shorter side is scaled to before that; by default `size`
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
        """None where only the pictures tell."""
        return None if self.size is None else (self.channels, self.size, self.size)

    @property
    def transforms(self) -> tuple[str, ...]:
        """What is done, in words."""
        colours = ("RGB" if self.channels == 3 else "grey",)
        if self.size is None:
            return (*colours, "divided by 255")
        scaled = f"shorter side scaled to {self.resize or self.size}, bilinear"
        return (*colours, scaled, f"{self.size}x{self.size} cut at the centre", "divided by 255")


class Sources(Protocol):
    """Where pictures are."""

    def __len__(self) -> int: ...

    def open(self, row: int) -> Path | BytesIO: ...

    def name(self, row: int) -> str:
        """For messages."""
        ...


class Images:
    """Inputs that are opened only where they are read."""

    def __init__(self, sources: Sources, look: ImageTransform, *, upright: bool = False) -> None:
        """`upright`: turned as its EXIF says, which `datasets` does and torchvision does not."""
        self._sources = sources
        self._look = look
        self._upright = upright

    def __len__(self) -> int:
        return len(self._sources)

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        return self._look.shape or self._input(0).shape

    def __getitem__(self, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        """(n, channels, height, width) in [0, 1]; ValueError for a damaged one, or another size than the first's."""
        import numpy as np

        found = np.empty((len(rows), *self._shape), np.float32)
        for i, row in enumerate(rows):
            picture = self._input(int(row))
            if picture.shape != self._shape:
                sizes = " and ".join(f"{w}x{h}" for _, h, w in (self._shape, picture.shape))
                raise ValueError(
                    f"{self._sources.name(int(row))} is of another size than the first ({sizes}); "
                    "say what size the model takes, as :size=224"
                )
            found[i] = picture
        return found

    def _input(self, row: int) -> "NDArray[np.float32]":
        import numpy as np

        source = self._sources.open(row)
        try:
            picture = open_image(source, self._look, self._upright)
        except Exception as error:  # a damaged picture raises anything
            told = f"{self._sources.name(row)} is not a sound picture: {error}"
            raise ValueError(brief(told.replace("\n", " "))) from error
        pixels = np.asarray(picture, np.float32) / np.float32(255)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def open_image(source: Path | BytesIO, look: ImageTransform, upright: bool) -> "Image":
    """The picture, as asked for. Of one with more pixels than Pillow thinks safe nothing but the header is read."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(source, formats=FORMATS) as file:
            if file.mode.startswith(("I", "F")):
                raise ValueError("it has more than 8 bits a channel, and would be clipped; convert it")
            turned = ImageOps.exif_transpose(file) if upright else file
            picture = turned.convert("RGB" if look.channels == 3 else "L")
    if look.size is None:
        return picture
    if look.resize is None:
        return ImageOps.fit(picture, (look.size, look.size), Image.Resampling.BILINEAR)
    width, height = picture.size
    short = min(width, height)
    picture = picture.resize((look.resize * width // short, look.resize * height // short), Image.Resampling.BILINEAR)
    left, top = (round((side - look.size) / 2) for side in picture.size)
    return picture.crop((left, top, left + look.size, top + look.size))

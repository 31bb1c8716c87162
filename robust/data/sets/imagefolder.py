"""imagefolder:DIR: a folder of pictures for each class, below DIR/test and DIR/train or in DIR itself.

The layout of torchvision's ImageFolder: classes are numbered in the order of their folders' names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robust.attacks.spec import Spec, configure
from robust.data.dataset import DATA, Dataset, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}  # torchvision's
SPLITS: dict[Split, tuple[str, ...]] = {"test": ("test", "val", "valid", "validation"), "train": ("train",)}


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture becomes an input: "imagefolder:DIR:size=224"."""

    size: int | None = None  # scaled and cut at the centre to this many pixels a side; by default as it is
    channels: int = 3  # 1: grey

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"size must be at least 1, got {self.size}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}")


@DATA.register("imagefolder")
def imagefolder(text: str, folder: Path) -> Dataset:
    """The pictures below DIR, opened only when they are used; its options are those of `Look`."""
    spec = Spec.parse(text)
    if len(spec.args) != 1:
        raise ValueError("write imagefolder:DIR, or imagefolder:DIR:size=224")
    root = (folder / spec.args[0]).resolve()
    look = configure(Look, Spec(spec.name, options=spec.options))
    classes = _classes(_split(root, "test"))
    shape = None if look.size is None else (look.channels, look.size, look.size)
    # The radius that is published most for pictures of this kind: RobustBench's for ImageNet (2010.09670).
    return Dataset(root.name, "linf:4/255", 0.0, 1.0, len(classes), shape, lambda split: _read(root, look, split))


def _split(root: Path, split: Split) -> Path:
    """The folder of a split's classes; of a folder without splits all is for testing."""
    if not root.is_dir():
        raise ValueError(f"no such folder (looked for {root})")
    for name in SPLITS[split]:
        if (root / name).is_dir():
            return root / name
    if split == "test" and not (root / "train").is_dir():
        return root
    names = " or ".join(f"{root / name}" for name in SPLITS[split][:2])
    raise ValueError(f"there is no {split} split: expected a folder {names}, with a folder of pictures for each class")


def _classes(folder: Path) -> list[str]:
    found = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(found) < 2:
        raise ValueError(f"expected a folder of pictures for each class in {folder}, found {len(found)} folders")
    return found


def _read(root: Path, look: Look, split: Split) -> "tuple[Pictures, NDArray[np.int64]]":
    import numpy as np

    folder, classes = _split(root, split), _classes(_split(root, "test"))
    if (mine := _classes(folder)) != classes:
        odd = sorted({*mine} ^ {*classes})
        raise ValueError(
            f"the splits of {root.name} have different classes ({', '.join(odd[:3])}), so labels would mix"
        )
    paths = [sorted(path for path in (folder / name).rglob("*") if path.suffix.lower() in SUFFIXES) for name in classes]
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(found) for found in paths])
    return Pictures([path for found in paths for path in found], look), labels


class Pictures:
    """Inputs that are opened only where they are read."""

    def __init__(self, paths: list[Path], look: Look) -> None:
        self._paths = paths
        self._look = look

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        """(n, channels, height, width) in [0, 1]; ValueError for a damaged file, or another size than the first's."""
        import numpy as np

        found: NDArray[np.float32] | None = None
        for i, row in enumerate(rows):
            picture = self._open(self._paths[row])
            if found is None:
                found = np.empty((len(rows), *picture.shape), np.float32)
            if picture.shape != found.shape[1:]:
                sizes = " and ".join(f"{w}x{h}" for _, h, w in (found.shape[1:], picture.shape))
                raise ValueError(
                    f"{self._paths[row]} is of another size than the first ({sizes}); "
                    "say what size the model takes: imagefolder:DIR:size=224"
                )
            found[i] = picture
        assert found is not None
        return found

    def _open(self, path: Path) -> "NDArray[np.float32]":
        import numpy as np
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as opened:
                picture: Image.Image = opened.convert("RGB" if self._look.channels == 3 else "L")
                if self._look.size is not None:
                    picture = ImageOps.fit(picture, (self._look.size, self._look.size), Image.Resampling.BILINEAR)
        except Exception as error:  # a damaged picture raises anything
            raise ValueError(f"{path} is not a sound picture: {error}") from error
        pixels = np.asarray(picture, np.float32) / np.float32(255)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

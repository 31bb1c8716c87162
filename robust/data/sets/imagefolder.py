"""imagefolder:DIR: a folder of images for each class, below DIR/test and DIR/train or in DIR itself.

The layout is that of torchvision's ImageFolder: classes are numbered in the order of their folders' names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robust.attacks.spec import Spec, configure
from robust.attacks.text import printable
from robust.data.dataset import DATA, SPLITS, Dataset, Split
from robust.data.images import THREAT, Images, ImageTransform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}  # torchvision's


@DATA.register("imagefolder")
def imagefolder(text: str, folder: Path) -> Dataset:
    """Return the data set of images below DIR, opened when they are used; its options are those of `ImageTransform`."""
    spec = Spec.parse(text)
    if len(spec.args) != 1:
        raise ValueError("write imagefolder:DIR, or imagefolder:DIR:size=224")
    root = (folder / spec.args[0]).resolve()
    transform = configure(ImageTransform, Spec(spec.name, options=spec.options))
    classes = _classes(_split(root, "test"))

    def read(split: Split) -> "tuple[Images, NDArray[np.int64]]":
        return _read(root, transform, split)

    name, names = printable(root.name), tuple(map(printable, classes))
    bounds = (0.0, 1.0)
    return Dataset(
        name, THREAT, *bounds, len(classes), transform.shape, read, transforms=transform.transforms, names=names
    )


def _split(root: Path, split: Split) -> Path:
    """Return the folder of a split's classes; a folder without splits is the test split. ValueError if none."""
    if not root.is_dir():
        raise ValueError(f"no such folder (looked for {root})")
    for name in SPLITS[split]:
        if (root / name).is_dir():
            return root / name
    if split == "test" and not (root / "train").is_dir():
        return root
    names = " or ".join(f"{root / name}" for name in SPLITS[split][:2])
    raise ValueError(f"there is no {split} split: expected a folder {names}, with a folder of images for each class")


def _classes(folder: Path) -> list[str]:
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise ValueError(f"expected a folder of images for each class in {folder}, found {len(classes)} folders")
    return classes


def _read(root: Path, transform: ImageTransform, split: Split) -> "tuple[Images, NDArray[np.int64]]":
    import numpy as np

    folder, classes = _split(root, split), _classes(_split(root, "test"))
    if (here := _classes(folder)) != classes:
        odd = sorted({*here} ^ {*classes})
        raise ValueError(
            f"the splits of {root.name} have different classes ({', '.join(odd[:3])}), so labels would mix"
        )
    paths = [sorted(path for path in (folder / name).rglob("*") if path.suffix.lower() in SUFFIXES) for name in classes]
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(group) for group in paths])
    return Images(Files([path for group in paths for path in group]), transform), labels


@dataclass(frozen=True, slots=True)
class Files:
    """Images that are files of their own."""

    paths: list[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, row: int) -> Path:
        return self.paths[row]

    def name(self, row: int) -> str:
        return printable(str(self.paths[row]))

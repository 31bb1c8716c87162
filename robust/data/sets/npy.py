"""npy:DIR: x_test.npy and y_test.npy, or x.npy and y.npy, and x_train.npy and y_train.npy to train on.

The inputs stay on the disk, so they may be larger than the memory.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust.attacks.spec import Spec
from robust.attacks.text import printable
from robust.data.dataset import DATA, Dataset, Split
from robust.data.numpy_files import array_names, map_array
from robust.data.user_arrays import user_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray


@DATA.register("npy")
def npy(text: str, folder: Path) -> Dataset:
    """Return the data set in DIR; its options are those of `UserArrays`. Nothing in the files is unpickled."""
    spec = Spec.parse(text)
    if len(spec.args) != 1:
        raise ValueError("write npy:DIR, or npy:DIR:classes=10")
    root = (folder / spec.args[0]).resolve()
    if not root.is_dir():
        raise ValueError(f"no such folder (looked for {printable(str(root))})")
    return user_dataset(root.name, spec, lambda split, _: _read(root, split))


def _read(root: Path, split: Split) -> "tuple[NDArray[Any], NDArray[Any]]":
    for pair in array_names(split):
        x, y = (root / f"{name}.npy" for name in pair)
        if x.is_file() and y.is_file():
            return map_array(x), map_array(y)
    expected = " or ".join(f"{x}.npy and {y}.npy" for x, y in array_names(split))
    raise ValueError(f"expected {expected} in {printable(str(root))}")

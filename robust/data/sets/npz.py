"""npz:FILE: arrays in one file of numpy: x_test and y_test, and x_train and y_train to train on; or x and y alone."""

from pathlib import Path

from robust.attacks.spec import Spec
from robust.attacks.text import printable
from robust.data.dataset import DATA, Dataset
from robust.data.numpy_files import array_names, read_npz
from robust.data.user_arrays import user_dataset


@DATA.register("npz")
def npz(text: str, folder: Path) -> Dataset:
    """Return the data set in FILE; its options are those of `UserArrays`. Nothing in the file is unpickled."""
    spec = Spec.parse(text)
    if len(spec.args) != 1:
        raise ValueError("write npz:FILE, or npz:FILE:classes=10")
    path = (folder / spec.args[0]).resolve()
    if not path.is_file():
        raise ValueError(f"no such file (looked for {printable(str(path))})")
    return user_dataset(path.stem, spec, lambda split, _: read_npz(path, array_names(split)))

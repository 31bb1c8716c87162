"""npz:FILE: arrays in one file of numpy: x_test and y_test, and x_train and y_train to train on; or x and y alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust.attacks.spec import Spec, printable
from robust.data.dataset import DATA, Dataset, Split
from robust.data.own import own_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray


@DATA.register("npz")
def npz(text: str, folder: Path) -> Dataset:
    """The data set in FILE; its options are those of `Own`. Nothing in the file is unpickled."""
    spec = Spec.parse(text)
    if len(spec.args) != 1:
        raise ValueError("write npz:FILE, or npz:FILE:classes=10")
    path = (folder / spec.args[0]).resolve()
    if not path.is_file():
        raise ValueError(f"no such file (looked for {path})")
    return own_dataset(path.stem, spec, lambda split: _read(path, split))


def _read(path: Path, split: Split) -> "tuple[NDArray[Any], NDArray[Any]]":
    import numpy as np

    pairs = [(f"x_{split}", f"y_{split}"), *([("x", "y")] if split == "test" else [])]
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = file.files
            pair = next((pair for pair in pairs if {*pair} <= {*names}), None)
            if pair is not None:
                return file[pair[0]], file[pair[1]]
    except Exception as error:  # a damaged file raises anything
        raise ValueError(f"{path.name} is not a sound file of numpy.savez: {error}") from error
    wanted = " or ".join(f"{x} and {y}" for x, y in pairs)
    raise ValueError(f"{path.name} holds {', '.join(map(printable, names)) or 'nothing'}; expected {wanted}")

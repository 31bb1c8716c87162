"""hf:DIR: a folder of Hugging Face, saved by `datasets` with save_to_disk, or with parquet as on the hub.

Nothing is downloaded, and no script in the folder is run.
"""

import json
import re
from functools import partial
from pathlib import Path

from robust.attacks.files import read_text
from robust.attacks.spec import Spec
from robust.attacks.text import printable
from robust.data.dataset import DATA, SPLITS, Dataset, Split
from robust.data.image_tables import table_dataset

STATE = "state.json"  # holds the names of the files in a folder that save_to_disk wrote


@DATA.register("hf")
def hf(text: str, folder: Path) -> Dataset:
    """Return the data set of encoded images below DIR; its options are those of `Columns`."""
    spec = Spec.parse(text)
    if len(spec.args) != 1:
        raise ValueError("write hf:DIR, or hf:DIR:size=224")
    root = (folder / spec.args[0]).resolve()
    if not root.is_dir():
        raise ValueError(f"no such folder (looked for {printable(str(root))})")
    _files(root, "test")
    return table_dataset(root.name, spec, partial(_files, root))


def _files(root: Path, split: Split) -> list[Path]:
    """Return the files of a split, in order; ValueError if there are none."""
    if split == "test" and (root / STATE).is_file():
        return _saved(root)
    for name in SPLITS[split]:
        if (root / name / STATE).is_file():
            return _saved(root / name)
        if files := _parquet(root, name):
            return files
    whole = sorted(root.glob("*.parquet"))
    if split == "test" and whole and not _parquet(root, "train"):
        return whole
    inside = sorted({path.parent.name for path in root.glob("*/*.parquet")} - {"data", *sum(SPLITS.values(), ())})
    hint = f"; is it one of {', '.join(map(printable, inside[:3]))} in it?" if inside else ""
    raise ValueError(
        f"there is no {split} split in {printable(str(root))}: expected what save_to_disk writes, or "
        f"{split}.parquet, data/{split}-*.parquet or {split}/*.parquet{hint}"
    )


def _parquet(root: Path, name: str) -> list[Path]:
    """Return the files of the split `name`, in the places that the hub uses."""
    pattern = re.compile(rf"{name}([-._].*)?\.parquet")
    for folder in (root, root / "data"):
        if files := sorted(path for path in folder.glob("*.parquet") if pattern.fullmatch(path.name)):
            return files
    return sorted((root / name).glob("*.parquet"))


def _saved(folder: Path) -> list[Path]:
    """Return the files that the state names, each in this folder itself; ValueError if one is not there."""
    try:
        names = [file["filename"] for file in json.loads(read_text(folder / STATE))["_data_files"]]
        here = {path.name: path for path in folder.glob("*.arrow")}
        if not names or not {*names} <= {*here}:
            raise ValueError(f"it names {', '.join(printable(str(name)) for name in names[:3]) or 'no file'}")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        fault = f"{printable(str(folder / STATE))} does not name Arrow files beside it: {error}"
        raise ValueError(f"{fault}; save the data set again") from None
    return [here[name] for name in names]

"""Reading a spec of a data set: "digits", "npz:FILE:classes=10", "data.py:load"."""

import re
from dataclasses import replace
from pathlib import Path

from robust.attacks.spec import Spec
from robust.data.dataset import DATA, Dataset
from robust.data.folds import select_fold, split_fold
from robust.data.subset import attack_only, read_classes, select_classes, split_attacked, split_subset
from robust.data.user_function import function_dataset


def open_data(text: str, folder: Path) -> Dataset:
    """Return the data set of a spec, not yet read; relative paths are below `folder`.

    LookupError for an unknown name, ValueError if the rest of the spec is wrong.
    """
    text, name = split_name(text)
    text, fold = split_fold(text)
    text, attacked = split_attacked(text)
    text, only = split_subset(text)
    dataset = _open_whole(text, folder)
    dataset = dataset if only is None else select_classes(dataset, only)
    dataset = dataset if name is None or fold is None else replace(dataset, name=name)
    dataset = dataset if fold is None else select_fold(dataset, fold)
    dataset = dataset if attacked is None else attack_only(dataset, read_classes(dataset, attacked))
    return dataset if name is None or fold is not None else replace(dataset, name=name)


def _hint_at_path(text: str, folder: Path) -> str:
    """Return how to name the data in a file or a folder that is given alone; "" if there is none."""
    path = text.partition(":")[0]
    if (folder / path).is_dir():
        return f"is a folder; write imagefolder:{path} for images, npy:{path} for arrays, hf:{path} for Hugging Face's"
    if not (folder / path).is_file():
        return ""
    if (kind := Path(path).suffix.lower().lstrip(".")) in ("npz", "parquet"):
        return f"is a file; write {kind}:{path}"
    if kind == "npy":
        return f"is a file of one array; write npy:{Path(path).parent} for x.npy and y.npy in that folder"
    return f"is a file of no kind that is read by itself; read {path} in a function, as data.py:load"


def split_name(text: str) -> tuple[str, str | None]:
    """Return (the spec without the option `name`, the name that the user gives the data set, or None)."""
    if ":name=" not in text:
        return text, None
    spec = Spec.parse(text)
    name = str(dict(spec.options)["name"])
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise ValueError(f"name={name}: expected letters, digits and ._+-")
    return str(spec.without("name")), name


def _open_whole(text: str, folder: Path) -> Dataset:
    if re.match(r"[^:]+\.py(:|$)", text):
        return function_dataset(text, folder)
    name = text.partition(":")[0]
    if name not in DATA:
        if hint := _hint_at_path(text, folder):
            raise ValueError(hint)
        DATA.refuse(name, "FILE.py:FUNCTION")
    entry = DATA.get(name)
    if not isinstance(entry, Dataset):
        return entry(text, folder)
    if text != name:
        raise ValueError(f"{name} takes no options")
    return entry

"""Reading a spec of a data set: "digits", "npz:FILE:classes=10", "data.py:load"."""

import re
from pathlib import Path

from robust.data.dataset import DATA, Dataset
from robust.data.subset import select_classes, split_subset
from robust.data.user_function import function_dataset


def open_data(text: str, folder: Path) -> Dataset:
    """Return the data set of a spec, not yet read; relative paths are below `folder`.

    LookupError for an unknown name, ValueError if the rest of the spec is wrong.
    """
    text, only = split_subset(text)
    dataset = _open_whole(text, folder)
    return dataset if only is None else select_classes(dataset, only)


def _open_whole(text: str, folder: Path) -> Dataset:
    if re.match(r"[^:]+\.py(:|$)", text):
        return function_dataset(text, folder)
    name = text.partition(":")[0]
    if name not in DATA:
        DATA.refuse(name, "FILE.py:FUNCTION")
    entry = DATA.get(name)
    if not isinstance(entry, Dataset):
        return entry(text, folder)
    if text != name:
        raise ValueError(f"{name} takes no options")
    return entry

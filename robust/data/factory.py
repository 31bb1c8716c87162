"""Reading a spec of a data set: "digits", "npz:FILE:classes=10", "data.py:load"."""

import re
from dataclasses import replace
from pathlib import Path

from robust.attacks.spec import Spec
from robust.data.dataset import DATA, Dataset
from robust.data.subset import select_classes, split_subset
from robust.data.user_function import function_dataset


def open_data(text: str, folder: Path) -> Dataset:
    """Return the data set of a spec, not yet read; relative paths are below `folder`.

    LookupError for an unknown name, ValueError if the rest of the spec is wrong.
    """
    text, name = split_name(text)
    text, only = split_subset(text)
    dataset = _open_whole(text, folder)
    dataset = dataset if only is None else select_classes(dataset, only)
    return dataset if name is None else replace(dataset, name=name)


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
        DATA.refuse(name, "FILE.py:FUNCTION")
    entry = DATA.get(name)
    if not isinstance(entry, Dataset):
        return entry(text, folder)
    if text != name:
        raise ValueError(f"{name} takes no options")
    return entry

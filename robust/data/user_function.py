"""FILE.py:FUNCTION as a data set: the user's code returns the arrays."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust.attacks.spec import Spec
from robust.data.dataset import Dataset, Split
from robust.data.user_arrays import user_dataset

if TYPE_CHECKING:
    from collections.abc import Callable


def function_dataset(text: str, folder: Path) -> Dataset:
    """Return the data set of "data.py:load" or "data.py:load:classes=10"; the options are those of `UserArrays`.

    The function returns (inputs, labels), or a map-style torch data set. If it takes an argument it is called with
    "test" or "train"; else it returns the test split.
    """
    spec = Spec.parse(text)
    path = (folder / spec.name).resolve()
    if not path.is_file():
        raise ValueError(f"no such file (looked for {path})")
    if len(spec.args) != 1 or not spec.args[0].isidentifier():
        raise ValueError(f"name the function that returns inputs and labels, as {spec.name}:load")
    name = path.stem if spec.args[0] == "load" else f"{path.stem}-{spec.args[0]}"
    return user_dataset(name, spec, lambda split: _call(path, spec.args[0], split))


def _call(path: Path, name: str, split: Split) -> tuple[Any, Any]:
    from robust.torchvision_compat import with_torchvision
    from robust.user_code import describe_user_error, import_file, look_up

    function = look_up(import_file(path), name, path.name)
    takes_split = _takes_an_argument(function)
    if split == "train" and not takes_split:
        raise ValueError(f"{path.name}:{name} takes no argument, so it gives no training split; let it take `split`")
    try:
        data = with_torchvision(lambda: function(split) if takes_split else function())
        return _to_pair(data)
    except _WrongTypeError:
        kind = type(data).__name__
        raise ValueError(f"{path.name}:{name} returned {kind}, expected (inputs, labels) or a torch data set") from None
    except Exception as error:
        raise ValueError(f"{path.name}:{name} failed: {describe_user_error(error)}") from error


class _WrongTypeError(Exception):
    """The function returned something else than data."""


def _takes_an_argument(function: "Callable[..., object]") -> bool:
    try:
        inspect.signature(function).bind("test")
    except TypeError:
        return False
    return True


def _to_pair(data: Any) -> tuple[Any, Any]:
    """Return what the function returned as (inputs, labels)."""
    if isinstance(data, tuple | list) and len(data) == 2:
        return data[0], data[1]
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")) or isinstance(data, dict | str):
        raise _WrongTypeError
    import torch

    inputs, labels = zip(*(data[i] for i in range(len(data))), strict=True)
    return torch.stack([torch.as_tensor(x) for x in inputs]), [int(y) for y in labels]

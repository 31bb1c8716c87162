"""FILE.py:FUNCTION as a data set: the user's code returns the arrays."""

import functools
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust.attacks.spec import Spec
from robust.data.dataset import Dataset, Split
from robust.data.remarks import Remarks
from robust.data.user_arrays import user_dataset
from robust.data.user_return import EXPECTED, WrongTypeError, take_apart

if TYPE_CHECKING:
    from collections.abc import Callable


def function_dataset(text: str, folder: Path) -> Dataset:
    """Return the data set of "data.py:load" or "data.py:load:classes=10"; the options are those of `UserArrays`.

    The function returns what `take_apart` takes. If it takes an argument it is called with "test" or "train"; else it
    returns the test split.
    """
    spec = Spec.parse(text)
    path = (folder / spec.name).resolve()
    if not path.is_file():
        raise ValueError(f"no such file (looked for {path})")
    if len(spec.args) != 1 or not spec.args[0].isidentifier():
        raise ValueError(f"name the function that returns inputs and labels, as {spec.name}:load")
    name = path.stem if spec.args[0] == "load" else f"{path.stem}-{spec.args[0]}"
    return user_dataset(name, spec, functools.partial(_call, path, spec.args[0]))


def _call(path: Path, name: str, split: Split, remarks: Remarks) -> tuple[Any, Any]:
    from robust.torchvision_compat import with_torchvision
    from robust.user_code import as_program, describe_user_error, import_file, look_up

    function = look_up(import_file(path), name, path.name)
    takes_split = _takes_an_argument(function)
    if split == "train" and not takes_split:
        raise ValueError(f"{path.name}:{name} takes no argument, so it gives no training split; let it take `split`")
    try:
        with as_program(str(path)):
            data = with_torchvision(lambda: function(split) if takes_split else function())
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path.name}:{name} failed: {describe_user_error(error)}") from error
    try:
        return with_torchvision(lambda: take_apart(data, split, remarks))
    except WrongTypeError:
        raise ValueError(f"{path.name}:{name} returned {type(data).__name__}, expected {EXPECTED}") from None
    except ValueError as error:
        raise ValueError(f"{path.name}:{name}: {error}") from error


def _takes_an_argument(function: "Callable[..., object]") -> bool:
    try:
        inspect.signature(function).bind("test")
    except TypeError:
        return False
    return True

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

# Arguments that are true for one split, and arguments that are a split's name.
FLAGS = dict.fromkeys(("train", "is_train", "training", "istrain"), "train") | {"test": "test", "is_test": "test"}
NAMES = ("split", "mode", "subset", "phase", "partition", "part", "stage", "set_name")
SPLIT_WORDS = ("train", "test", "val", "valid", "validation")


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
    try:
        arguments = _name_split(function, split)
    except ValueError as error:
        raise ValueError(f"{path.name}:{name}: {error}") from None
    if split == "train" and arguments is None:
        raise ValueError(f"{path.name}:{name} takes no argument, so it gives no training split; let it take `split`")
    for key, value in (arguments or {}).items():
        remarks.note(f"{name} is called with {key}={value!r} for the {split} split")
    positional = () if arguments is None or arguments else (split,)
    try:
        with as_program(str(path)):
            data = with_torchvision(lambda: function(*positional, **(arguments or {})))
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path.name}:{name} failed: {describe_user_error(error)}") from error
    try:
        return with_torchvision(lambda: take_apart(data, split, remarks))
    except WrongTypeError:
        raise ValueError(f"{path.name}:{name} returned {type(data).__name__}, expected {EXPECTED}") from None
    except ValueError as error:
        raise ValueError(f"{path.name}:{name}: {error}") from error


def _name_split(function: "Callable[..., object]", split: Split) -> dict[str, Any] | None:
    """Return the arguments by which a function is told its split; empty for the split by position, None for none.

    ValueError if the function takes arguments, and it is not clear which of them is the split.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a callable whose signature is not known
        return {}
    for key, parameter in parameters.items():
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if by_name and key.lower() in FLAGS:
            return {key: split if isinstance(parameter.default, str) else split == FLAGS[key.lower()]}
        if by_name and key.lower() in NAMES and isinstance(parameter.default, str | type(None) | type):
            first = key == "split" == next(iter(parameters)) and _is_positional(parameter)
            return {} if first else {key: split}
    required = [key for key, parameter in parameters.items() if _is_required(parameter)]
    if len(required) > 1 or any(parameters[key].kind == inspect.Parameter.KEYWORD_ONLY for key in required):
        raise ValueError(f"it needs {' and '.join(required)}; expected one argument, the split, or none")
    positional = [p for p in parameters.values() if _is_positional(p)]
    if required or any(p.kind == p.VAR_POSITIONAL for p in parameters.values()):
        return {}
    return {} if positional and positional[0].default in SPLIT_WORDS else None


def _is_positional(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def _is_required(parameter: inspect.Parameter) -> bool:
    variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return not variable and parameter.default is parameter.empty

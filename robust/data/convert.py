"""Numbers from whatever holds them, as arrays: tensors, lists, images, tables. Numpy and torch come in when needed."""

from typing import TYPE_CHECKING, Any

from robust.attacks.text import brief, first_line, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_LISTED = 3  # columns in a message


def to_array(values: Any, kind: str) -> "NDArray[Any]":
    """Return the values as an array; `kind` is "inputs" or "labels", for messages.

    Taken are arrays, tensors on any device and of any type, tables of numbers, images, and lists of all these.
    ValueError, in one line, for anything else.
    """
    import numpy as np

    try:
        if hasattr(values, "detach"):
            return _of_tensor(values)
        if hasattr(values, "to_numpy"):
            return _of_table(values, kind)
        if is_image(values):
            return _of_map(values) if kind == "labels" else _of_image(values)
        if hasattr(values, "toarray"):  # a sparse matrix of scipy
            values = values.toarray()
        if isinstance(values, list | tuple) and values and _is_rich(values[0]):
            return stack([to_array(value, kind) for value in values], kind)
        return np.asarray(values)
    except ValueError as error:
        if kind in str(error):
            raise
        raise _refuse(values, kind, error) from error
    except Exception as error:  # a user's object may raise anything
        raise _refuse(values, kind, error) from error


def stack(arrays: "list[NDArray[Any]]", kind: str) -> "NDArray[Any]":
    """Return arrays of one shape as one array; ValueError if their shapes differ."""
    import numpy as np

    shapes = [*dict.fromkeys(array.shape for array in arrays)]
    if len(shapes) > 1:
        sizes = " and ".join(str([*shape]) for shape in shapes[:2])
        raise ValueError(
            f"the {kind} are of shapes {sizes}, expected one shape: resize or pad them where they are read"
        )
    return np.stack(arrays)


def is_image(value: Any) -> bool:
    """Whether the value is an image of Pillow's, which is not imported for it."""
    return any(cls.__module__.startswith("PIL.") and cls.__name__ == "Image" for cls in type(value).__mro__)


def _is_rich(value: Any) -> bool:
    return hasattr(value, "detach") or hasattr(value, "to_numpy") or is_image(value) or hasattr(value, "shape")


def _of_tensor(tensor: Any) -> "NDArray[Any]":
    import torch

    plain = tensor.detach().cpu()
    if plain.dtype == torch.bfloat16:
        plain = plain.float()
    array: NDArray[Any] = plain.numpy()
    return array


def _of_table(table: Any, kind: str) -> "NDArray[Any]":
    """Return a DataFrame or a Series as an array; ValueError if a column is not of numbers."""
    dtypes = getattr(table, "dtypes", None)
    if hasattr(table, "columns") and dtypes is not None:
        wrong = [str(name) for name, dtype in zip(table.columns, dtypes, strict=True) if _kind_of(dtype) not in "biuf"]
        if wrong:
            listed = ", ".join(map(printable, wrong[:MAX_LISTED])) + ", ..." * (len(wrong) > MAX_LISTED)
            raise ValueError(f"the {kind} have columns that are not of numbers ({listed}): encode them, or drop them")
    array: NDArray[Any] = table.to_numpy()
    numbers: NDArray[Any] = array.astype(float) if array.dtype == object and hasattr(table, "columns") else array
    return numbers


def _kind_of(dtype: Any) -> str:
    kind = getattr(dtype, "kind", "O")
    return kind if isinstance(kind, str) else "O"


def _of_image(image: Any) -> "NDArray[Any]":
    """Return an image of 8 bits as (channels, height, width) of uint8, with 1 channel or 3."""
    import numpy as np

    if image.mode.startswith(("I", "F")):
        raise ValueError("images of more than 8 bits a channel would be clipped; convert them to arrays of floats")
    pixels = np.asarray(image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB"))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _of_map(image: Any) -> "NDArray[Any]":
    """Return an image whose pixels are numbers of classes, (height, width): of a palette its numbers, no colours."""
    import numpy as np

    return np.asarray(image)


def _refuse(values: Any, kind: str, error: Exception) -> ValueError:
    return ValueError(f"the {kind} are {type(values).__name__}, expected an array: {brief(first_line(error))}")

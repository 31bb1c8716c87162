"""Data sets of items, as torch's: an item is read when it is drawn, and some are read twice to see that they agree."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from robust.attacks.layout import iter_parts
from robust.data.convert import is_image, stack, to_array
from robust.data.remarks import Remarks
from robust.data.resized import Change, ResizedPictures, find_resized
from robust.user_code import describe_user_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Input = NDArray[Any] | dict[str, NDArray[Any]]  # (*shape); of several inputs each part by its name
    Pair = tuple[Input, NDArray[Any]]  # and the label as it is stored

INPUTS = ("image", "img", "images", "pixel_values", "input", "inputs", "x", "X", "data", "features", "audio")
MAPS = ("mask", "masks", "segmentation")  # names of labels, where there is none of LABELS
LABELS = ("label", "labels", "y", "target", "targets", "class", "classes")
CHECKED_ITEMS = 16  # read twice: a random flip of each is missed once in 65,536 times
MAX_STREAM = 1_000_000  # items of a stream, which may have no end


class Items:
    """Items by number, each a pair or a mapping of an input and a label."""

    def __init__(self, get: Callable[[int], Any], n: int, remarks: Remarks, dataset: Any = None) -> None:
        """Take a function that reads one of n items; `dataset` is the Dataset that it reads them of, if it is one."""
        self._get = get
        self._dataset = dataset
        self._n = n
        self._remarks = remarks
        self._labels: dict[int, NDArray[Any]] = {}  # of the items that were read
        self._checked = 0

    def __len__(self) -> int:
        return self._n

    def read_rows(self, rows: "NDArray[np.int64]") -> "NDArray[Any]":
        """Return the inputs of items, (n, *shape), and keep their labels.

        ValueError if an item is no input and a label, or is another one when it is read again.
        """
        pairs = [self._read(int(row)) for row in rows]
        for row, pair in [*zip(rows, pairs, strict=True)][: max(0, CHECKED_ITEMS - self._checked)]:
            self._checked += 1
            check_alike(pair, self._read(int(row)))
        return stack([x for x, _ in pairs if not isinstance(x, dict)], "inputs")

    __getitem__ = read_rows

    @cached_property
    def _resized(self) -> ResizedPictures | None:
        """The pictures before the Dataset's own resize; none if its steps alone do not make the items that it gives."""
        found = None if self._dataset is None or not self._n else find_resized(self._dataset)
        if found is None:
            return None
        try:
            check_alike(self._split(found.read_unchanged(0)), self._read(0))
        except ValueError:  # as of a Compose with a __call__ of its own
            return None
        return found

    @property
    def resize(self) -> str:
        """Name the steps from the Dataset's own resize on; "" if none is seen."""
        return self._resized.steps if self._resized else ""

    def read_changed(
        self, rows: "NDArray[np.int64]", changes: Sequence[Change]
    ) -> "tuple[NDArray[Any], list[tuple[int, int]]]":
        """Return inputs, (n, *shape), each of whose pictures was changed before the resize, and their sizes there."""
        assert self._resized is not None
        inputs, sizes = [], []
        for row, change in zip(rows, changes, strict=True):
            try:
                item, size = self._resized.read(int(row), change)
            except Exception as error:  # a user's code may raise anything
                raise ValueError(f"corrupting item {row} failed: {describe_user_error(error)}") from error
            inputs.append(to_array(split_item(item, self._remarks)[0], "inputs"))
            sizes.append(size)
        return stack(inputs, "inputs"), sizes

    @property
    def have_parts(self) -> bool:
        """Whether an input is several parts, as the first item tells."""
        return isinstance(self._read(0)[0], dict)

    def read_parts(self, rows: "NDArray[np.int64]") -> "dict[str, NDArray[Any]]":
        """Return the parts of the inputs of items, each (n, *shape), by name; as `read_rows` otherwise."""
        pairs = [self._read(int(row)) for row in rows]
        for row, pair in [*zip(rows, pairs, strict=True)][: max(0, CHECKED_ITEMS - self._checked)]:
            self._checked += 1
            check_alike(pair, self._read(int(row)))
        found = [x for x, _ in pairs if isinstance(x, dict)]
        names = [*dict.fromkeys(name for x in found for name in x)]
        if len(found) < len(pairs) or any({*names} != {*x} for x in found):
            raise ValueError(f"some items have other parts than {', '.join(names)}; give all of them the same")
        return {name: stack([x[name] for x in found], f"inputs {name}") for name in names}

    def read_labels(self, rows: "NDArray[np.int64]") -> "NDArray[Any]":
        """Return the labels of items, (n,) or (n, k), as they are stored."""
        for row in rows:
            if int(row) not in self._labels:
                self._read(int(row))
        return stack([self._labels[int(row)] for row in rows], "labels")

    def _read(self, row: int) -> "Pair":
        try:
            item = self._get(row)
        except Exception as error:  # a user's code may raise anything
            raise ValueError(f"reading item {row} failed: {describe_user_error(error)}") from error
        pair = self._split(item)
        self._labels[row] = pair[1]
        return pair

    def _split(self, item: Any) -> "Pair":
        x, y = split_item(item, self._remarks)
        return _to_parts(x), to_array(y, "labels")


class LazyLabels:
    """Labels of items, of which only those are read that are asked for."""

    def __init__(self, items: Items, convert: "Callable[[NDArray[Any]], NDArray[np.int64]]") -> None:
        self._items = items
        self._convert = convert

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, rows: "NDArray[np.int64]") -> "NDArray[np.int64]":
        return self._convert(self._items.read_labels(rows))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> "NDArray[Any]":
        """Return all labels, for which all items are read."""
        import numpy as np

        labels = self[np.arange(len(self))]
        return labels if dtype is None else labels.astype(dtype)


def check_alike(pair: "Pair", again: "Pair") -> None:
    """Raise ValueError if an item is another one when it is read again."""
    import numpy as np

    flat = [[*(x.values() if isinstance(x, dict) else [x]), y] for x, y in (pair, again)]
    if not all(np.array_equal(one, other) for one, other in zip(*flat, strict=True)):
        raise ValueError(
            "an item differs when it is read again, as by an augmentation that is random: give the items without it, "
            "and let the recipe augment when training"
        )


def _to_parts(x: Any) -> Any:
    """Return an input as an array; of several, in a mapping or a tuple of arrays, each by its name."""
    parts = isinstance(x, tuple) and len(x) > 1 and all(hasattr(part, "shape") or is_image(part) for part in x)
    if isinstance(x, Mapping) or parts:
        return {name: to_array(part, f"inputs {name}") for name, part in iter_parts(x)}
    return to_array(x, "inputs")


def split_item(item: Any, remarks: Remarks) -> tuple[Any, Any]:
    """Return (input, label) of an item; ValueError if it is not clear which they are."""
    if isinstance(item, Mapping):
        return split_mapping(item, "an item", remarks)
    if not isinstance(item, tuple | list) or len(item) < 2:
        raise ValueError(f"an item is {_describe(item)}, expected (input, label)")
    if len(item) > 2:
        if not _is_label(item[1]):
            if not _is_label(item[-1]):
                parts = ", ".join(map(_describe, item))
                raise ValueError(f"an item is ({parts}), expected (input, label), or several inputs and then a label")
            *parts_, label = item
            remarks.note(f"of items of {len(item)} parts the last is the label, and those before it are the inputs")
            return tuple(parts_), label
        remarks.note(f"of items of {len(item)} parts the first two are read, as input and label")
    return item[0], item[1]


def split_mapping(content: Mapping[Any, Any], kind: str, remarks: Remarks) -> tuple[Any, Any]:
    """Return (inputs, labels) of a mapping, by their names; ValueError if it is not clear which they are."""
    names = [next(iter([name for name in known if name in content]), None) for known in (INPUTS, (*LABELS, *MAPS))]
    if None in names and len(content) == 2:  # whatever they are called, the label is the smaller one
        first, second = content
        by_form = (first, second) if _is_label(content[second]) else (second, first)
        names = [*by_form] if _is_label(content[first]) != _is_label(content[second]) else names
    if None in names:
        keys = ", ".join(map(str, content)) or "nothing"
        raise ValueError(f"{kind} has {keys}; expected an input as 'image' or 'x' and a label as 'label' or 'y'")
    remarks.note(f"inputs are {str(names[0])!r} and labels {str(names[1])!r} of {kind}")
    return content[names[0]], content[names[1]]


def read_stream(stream: Iterable[Any], remarks: Remarks) -> "tuple[Any, list[NDArray[Any]]]":
    """Return (inputs, labels) of all items of a stream; ValueError if it has no end, or differs when read again.

    Of several inputs each part is by its name.
    """
    pairs: list[Pair] = []
    for pair in _read_pairs(stream, remarks):
        if len(pairs) == MAX_STREAM:
            raise ValueError(f"the stream has more than {MAX_STREAM:,} items; let it end")
        pairs.append(pair)
    if iter(stream) is not stream:
        for pair, again in zip(pairs[:CHECKED_ITEMS], _read_pairs(stream, remarks), strict=False):
            check_alike(pair, again)
    inputs, labels = [x for x, _ in pairs], [y for _, y in pairs]
    several = [x for x in inputs if isinstance(x, dict)]
    if several and len(several) == len(inputs):
        return {name: stack([x[name] for x in several], f"inputs {name}") for name in several[0]}, labels
    return inputs, labels


def unbatch(x: Any) -> Iterator[Any]:
    """Yield the inputs of a batch, each of several parts as a mapping or a tuple."""
    if isinstance(x, Mapping):
        arrays = [to_array(part, "inputs") for part in x.values()]
        yield from (dict(zip(x, row, strict=True)) for row in zip(*arrays, strict=True))
    elif isinstance(x, tuple | list) and len(x) > 1 and all(getattr(part, "ndim", 0) for part in x):
        yield from zip(*(to_array(part, "inputs") for part in x), strict=True)
    else:
        yield from to_array(x, "inputs")


def _read_pairs(stream: Iterable[Any], remarks: Remarks) -> "Iterator[Pair]":
    try:
        for item in stream:
            x, y = split_item(item, remarks)
            yield _to_parts(x), to_array(y, "labels")
    except ValueError:
        raise
    except Exception as error:  # a user's code may raise anything
        raise ValueError(f"reading its items failed: {describe_user_error(error)}") from error


def _is_label(value: Any) -> bool:
    """Whether the value is one number."""
    return not is_image(value) and not isinstance(value, str | Mapping) and to_array(value, "labels").size == 1


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" {[*shape]}" if shape is not None else "")

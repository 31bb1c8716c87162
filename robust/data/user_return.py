"""Whatever a user's function returns as data, taken apart into inputs and labels."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from robust.data.convert import to_array
from robust.data.dataset import SPLITS, Split
from robust.data.items import LABELS, Items, read_stream, split_item, split_mapping, unbatch
from robust.data.remarks import Remarks

EXPECTED = "(inputs, labels) or a torch data set"


class WrongTypeError(Exception):
    """The function returned something else than data."""


def take_apart(data: Any, split: Split, remarks: Remarks) -> tuple[Any, Any]:
    """Return (inputs, labels) as `user_dataset` takes them; both are `Items` if items are read when they are drawn.

    Taken are a pair, a mapping or a table of inputs and labels, torch's data sets and loaders, lists and streams of
    items, and a mapping of such to the names of splits. WrongTypeError for anything else; ValueError, in one line, if
    it is not clear which part is which.
    """
    if isinstance(data, Mapping) and (names := [name for name in SPLITS[split] if name in data]):
        return take_apart(data[names[0]], split, remarks)
    if isinstance(data, str | bytes | type):
        raise WrongTypeError
    if hasattr(data, "collate_fn") and hasattr(data, "dataset"):
        return _of_loader(data, remarks)
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        return _of_table(data, remarks)
    if isinstance(data, Mapping):
        return split_mapping(data, "the mapping", remarks)
    if isinstance(data, tuple | list):
        return _of_sequence(data, split, remarks)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        items = Items(data.__getitem__, len(data), remarks, data)
        return items, items
    if hasattr(data, "__iter__"):
        return read_stream(data, remarks)
    raise WrongTypeError


def _of_sequence(data: tuple[Any, ...] | list[Any], split: Split, remarks: Remarks) -> tuple[Any, Any]:
    if len(data) == 2 and all(_is_pair(part) for part in data):
        remarks.note("of the two pairs of (inputs, labels) the first is taken to train on and the second to test")
        inputs, labels = data[split == "test"]
        return inputs, labels
    if len(data) == 2 and not all(_is_item(part) for part in data):
        if all(_is_dataset(part) for part in data):
            raise ValueError("it returned two data sets: return the one of the split, which it gets as an argument")
        return data[0], data[1]
    if len(data) > 2 and all(getattr(part, "ndim", 0) for part in data) and len({*map(len, data)}) == 1:
        remarks.note(f"of its {len(data)} arrays the last is the labels, and those before it are the inputs")
        return tuple(data[:-1]), data[-1]
    if data and all(_is_item(part) for part in data):
        items = Items(data.__getitem__, len(data), remarks)
        return items, items
    raise WrongTypeError


def _is_item(part: Any) -> bool:
    """Whether a part of a list is an item: a mapping, or a pair of an input and one number."""
    if isinstance(part, Mapping):
        return True
    if not isinstance(part, tuple | list) or len(part) < 2 or isinstance(part[0], int | float):
        return False
    if isinstance(part[1], list | tuple):
        return False
    image, label = getattr(part[0], "shape", ()), getattr(part[1], "shape", ())
    return not label or (len(label) == 2 < len(image) and tuple(image[1:]) == tuple(label))  # a map of an image


def _is_pair(part: Any) -> bool:
    """Whether a part is a pair of as many inputs as labels, as Keras' data sets hold two of."""
    if not isinstance(part, tuple | list) or len(part) != 2 or not all(hasattr(half, "__len__") for half in part):
        return False
    return not any(isinstance(half, str | Mapping) for half in part) and len(part[0]) == len(part[1]) > 1


def _is_dataset(part: Any) -> bool:
    plain = isinstance(part, list | tuple) or hasattr(part, "shape") or hasattr(part, "to_numpy")
    return not plain and hasattr(part, "__len__") and (hasattr(part, "__getitem__") or hasattr(part, "collate_fn"))


def _of_table(table: Any, remarks: Remarks) -> tuple[Any, Any]:
    """Return the inputs and the labels of a table with both, whose column of labels is known by its name."""
    names = [name for name in table.columns if str(name).lower() in LABELS]
    if len(names) != 1:
        listed = ", ".join(map(str, names)) or "none"
        raise ValueError(f"its table has {listed} of the columns {', '.join(LABELS)}; return (inputs, labels)")
    remarks.note(f"labels are the column {str(names[0])!r} of the table")
    return table.drop(columns=names), table[names[0]]


def _of_loader(loader: Any, remarks: Remarks) -> tuple[Any, Any]:
    """Return the items of a torch DataLoader, in the order of its data set, which a shuffling loader has lost.

    Its collate_fn makes each of them: of a list of one item, or of the item itself if the loader makes no batches.
    """
    from torch.utils.data import Subset, default_collate, default_convert

    dataset = loader.dataset
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        return read_stream(_Unbatched(loader, remarks) if loader.batch_size is not None else loader, remarks)
    batches = loader.batch_size is not None or loader.batch_sampler is not None
    rows = _rows_of(loader)
    remarks.note("a DataLoader is read in the order of its data set")

    plain = loader.collate_fn in (None, default_collate if batches else default_convert)

    def get(row: int) -> Any:
        item = dataset[rows[row]]
        if plain:
            return item
        if not batches:
            return loader.collate_fn(item)
        x, y = split_item(loader.collate_fn([item]), remarks)
        return next(unbatch(x)), to_array(y, "labels")[0]

    items = Items(get, len(rows), remarks, Subset(dataset, rows) if plain else None)
    return items, items


def _rows_of(loader: Any) -> list[int] | range:
    """Return the rows that a loader gives: those of its sampler if that leaves some out, else all.

    ValueError for a sampler of batches that is not given as batch_sampler: then each item is a batch.
    """
    rows = range(len(loader.dataset))
    if loader.batch_size is None and loader.batch_sampler is not None:  # the user's own
        drawn = {int(row) for batch in loader.batch_sampler for row in batch}
        return rows if len(drawn) == len(rows) else sorted(drawn)
    try:
        if len(loader.sampler) >= len(rows):
            return rows
    except TypeError:
        return rows
    try:
        return sorted({int(row) for row in loader.sampler})
    except TypeError:
        problem = "its DataLoader has a sampler whose draws are no row numbers"
        raise ValueError(f"{problem}; give one of batches as batch_sampler, or return the data set alone") from None


class _Unbatched:
    """The items in the batches of a loader."""

    def __init__(self, batches: Iterable[Any], remarks: Remarks) -> None:
        self._batches = batches
        self._remarks = remarks

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for batch in self._batches:
            x, y = split_item(batch, self._remarks)
            yield from zip(unbatch(x), to_array(y, "labels"), strict=True)

"""Tables of encoded pictures and labels: which columns are meant, and what data set they are."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust.attacks.spec import Spec, configure
from robust.attacks.text import printable
from robust.data.dataset import Dataset, Split
from robust.data.images import THREAT, Images, ImageTransform
from robust.data.user_arrays import to_labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from robust.data.arrow_files import Table


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns are meant, and how a picture becomes an input: "hf:DIR:label=fine_label:size=224"."""

    image: str | None = None  # by default the only one of encoded pictures
    label: str | None = None  # by default the only one of classes, else the only one of whole numbers
    classes: int | None = None  # by default as many as the file names, else one more than the largest test label
    size: int | None = None
    resize: int | None = None
    channels: int = 3

    def __post_init__(self) -> None:
        _ = self.look
        if self.classes is not None and self.classes < 2:
            raise ValueError(f"classes must be at least 2, got {self.classes}")

    @property
    def look(self) -> ImageTransform:
        return ImageTransform(self.size, self.resize, self.channels)


def table_dataset(name: str, spec: Spec, files: Callable[[Split], list[Path]]) -> Dataset:
    """The data set of the tables in the files of a split, of which there is at least one.

    `spec` holds the options of `Columns`. Pictures are turned as `datasets` does.
    """
    columns = configure(Columns, Spec(spec.name, options=spec.options))

    @cache
    def chosen() -> "tuple[str, str, int | None]":
        from robust.data.arrow_files import read_schema

        path = files("test")[0]
        return _chosen(path, read_schema(path), columns)

    @cache
    def read(split: Split) -> "tuple[Images, NDArray[np.int64]]":
        import numpy as np

        from robust.data.arrow_files import open_table

        image, label, _ = chosen()
        tables = [open_table(path, image, label) for path in files(split)]
        y = np.concatenate([to_labels(table.labels) for table in tables])
        return Images(Encoded(tables), columns.look, upright=True), y

    transforms = ("turned as EXIF says", *columns.look.transforms)
    name, shape = printable(name), columns.look.shape
    return Dataset(
        name, THREAT, 0.0, 1.0, columns.classes, shape, read, transforms=transforms, count=lambda: chosen()[2]
    )


class Encoded:
    """Pictures in the rows of tables, one table after the other."""

    def __init__(self, tables: "list[Table]") -> None:
        self._tables = tables

    def __len__(self) -> int:
        return sum(len(table.labels) for table in self._tables)

    def open(self, row: int) -> BytesIO:
        table, at = self._place(row)
        content = table.picture(at)
        if content is None:
            told = "a path at most, which is not followed"
            raise ValueError(f"{self.name(row)} holds no picture ({told}); write the file with the pictures in it")
        return BytesIO(content)

    def name(self, row: int) -> str:
        table, at = self._place(row)
        return f"row {at} of {printable(table.path.name)}"

    def _place(self, row: int) -> "tuple[Table, int]":
        for table in self._tables:
            if row < len(table.labels):
                return table, row
            row -= len(table.labels)
        raise IndexError(row)


def _chosen(path: Path, schema: Any, columns: Columns) -> tuple[str, str, int | None]:
    """(the column of pictures, that of labels, the classes that the file names); ValueError where it is not clear."""
    named = _classes(schema.metadata or {})
    encoded = [field.name for field in schema if _is_encoded(field.type)]
    numbers = [field.name for field in schema if str(field.type).startswith(("int", "uint"))]
    image = _one(path, "image", columns.image, encoded, "encoded pictures", schema.names)
    label = _one(path, "label", columns.label, [*named] or numbers, "whole numbers", schema.names)
    return image, label, named.get(label)


def _one(path: Path, key: str, given: str | None, fit: list[str], what: str, names: Iterable[str]) -> str:
    if given is not None and given in names:
        return given
    if given is None and len(fit) == 1:
        return fit[0]
    listed = ", ".join(map(printable, fit if given is None and fit else names))
    wrong = f"no column {given!r}" if given is not None else f"{len(fit)} columns of {what}"
    raise ValueError(f"{printable(path.name)} has {wrong}; name one with {key}=, of {listed or 'none'}")


def _is_encoded(kind: Any) -> bool:
    """Bytes, or a struct that holds them, as `datasets` writes pictures."""
    if str(kind).startswith("struct"):
        return any(field.name == "bytes" and _is_encoded(field.type) for field in kind)
    return str(kind) in ("binary", "large_binary", "binary_view")


def _classes(metadata: dict[bytes, bytes]) -> dict[str, int]:
    """Of each column of classes how many `datasets` says there are."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        kinds = {name: kind for name, kind in features.items() if kind.get("_type") == "ClassLabel"}
        return {name: len(kind["names"]) for name, kind in kinds.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}  # of another writer

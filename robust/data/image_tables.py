"""Tables of encoded images and labels as data sets."""

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
from robust.data.labels import to_labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from robust.data.arrow_files import Table


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns to read, and how an image becomes an input: "hf:DIR:label=fine_label:size=224"."""

    image: str | None = None  # by default the only column of encoded images
    label: str | None = None  # by default the only column of classes, else the only one of whole numbers
    classes: int | None = None  # by default as many as the file names, else one more than the largest test label
    size: int | None = None
    resize: int | None = None
    channels: int = 3

    def __post_init__(self) -> None:
        _ = self.transform
        if self.classes is not None and self.classes < 2:
            raise ValueError(f"classes must be at least 2, got {self.classes}")

    @property
    def transform(self) -> ImageTransform:
        return ImageTransform(self.size, self.resize, self.channels)


def table_dataset(name: str, spec: Spec, files: Callable[[Split], list[Path]]) -> Dataset:
    """Return the data set of the tables that `files` names for a split, at least one.

    `spec` holds the options of `Columns`. Images are rotated as by `datasets`.
    """
    columns = configure(Columns, Spec(spec.name, options=spec.options))

    @cache
    def choose() -> "tuple[str, str, int | None]":
        from robust.data.arrow_files import read_schema

        path = files("test")[0]
        return _choose_columns(path, read_schema(path), columns)

    @cache
    def read(split: Split) -> "tuple[Images, NDArray[np.int64]]":
        import numpy as np

        from robust.data.arrow_files import open_table

        image, label, _ = choose()
        tables = [open_table(path, image, label) for path in files(split)]
        y = np.concatenate([to_labels(table.labels) for table in tables])
        return Images(Encoded(tables), columns.transform, upright=True), y

    transforms = ("turned as EXIF says", *columns.transform.transforms)
    name, shape = printable(name), columns.transform.shape
    return Dataset(
        name, THREAT, 0.0, 1.0, columns.classes, shape, read, transforms=transforms, count=lambda: choose()[2]
    )


class Encoded:
    """Encoded images in the rows of tables, one table after the other."""

    def __init__(self, tables: "list[Table]") -> None:
        self._tables = tables

    def __len__(self) -> int:
        return sum(len(table.labels) for table in self._tables)

    def open(self, row: int) -> BytesIO:
        table, at = self._place(row)
        content = table.image(at)
        if content is None:
            fault = f"{self.name(row)} holds no image (a path at most, which is not followed)"
            raise ValueError(f"{fault}; write the file with the images in it")
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


def _choose_columns(path: Path, schema: Any, columns: Columns) -> tuple[str, str, int | None]:
    """Return (the column of images, the column of labels, the number of classes that the file names).

    ValueError if the columns are not clear.
    """
    class_counts = _read_class_counts(schema.metadata or {})
    encoded = [field.name for field in schema if _is_encoded(field.type)]
    numbers = [field.name for field in schema if str(field.type).startswith(("int", "uint"))]
    image = _choose_column(path, "image", columns.image, encoded, "encoded images", schema.names)
    label = _choose_column(path, "label", columns.label, [*class_counts] or numbers, "whole numbers", schema.names)
    return image, label, class_counts.get(label)


def _choose_column(
    path: Path, key: str, chosen: str | None, candidates: list[str], kind: str, names: Iterable[str]
) -> str:
    """Return the column `chosen` by the user, or the only candidate; ValueError if there is none or several."""
    if chosen is not None and chosen in names:
        return chosen
    if chosen is None and len(candidates) == 1:
        return candidates[0]
    listed = ", ".join(map(printable, candidates if chosen is None and candidates else names))
    fault = f"no column {chosen!r}" if chosen is not None else f"{len(candidates)} columns of {kind}"
    raise ValueError(f"{printable(path.name)} has {fault}; name one with {key}=, of {listed or 'none'}")


def _is_encoded(kind: Any) -> bool:
    """Whether the type is bytes, or a struct of them, as `datasets` writes images."""
    if str(kind).startswith("struct"):
        return any(field.name == "bytes" and _is_encoded(field.type) for field in kind)
    return str(kind) in ("binary", "large_binary", "binary_view")


def _read_class_counts(metadata: dict[bytes, bytes]) -> dict[str, int]:
    """Return the number of classes of each column of classes, according to `datasets`."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        kinds = {name: kind for name, kind in features.items() if kind.get("_type") == "ClassLabel"}
        return {name: len(kind["names"]) for name, kind in kinds.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}  # another program wrote the file

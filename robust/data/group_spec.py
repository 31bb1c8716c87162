"""Read which column --robust-groups names: of a CSV file, or of the data's own table. Numpy is not imported here."""

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from robust.attacks.files import read_content
from robust.attacks.registry import suggest
from robust.attacks.text import cut, printable

FILE = ".csv:"  # between the file and its column
WAYS = "write FILE.csv:COLUMN, or the name of a column of the data"
MOST = 2**27  # bytes of a file


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """A column that says of each sample which group it is of."""

    text: str  # as the user wrote it
    column: str
    path: Path | None = None  # of the file; None: a column of the data

    @classmethod
    def parse(cls, text: str, folder: Path) -> "GroupSpec":
        """Read "people.csv:sex" or "sex"; ValueError for no such file, or one without that column."""
        at = text.lower().find(FILE)
        if at < 0 and text.lower().endswith(FILE[:-1]):
            raise ValueError(f"name the column, too, as {text}:sex")
        if at < 0:
            return cls(text, text)
        path, column = folder / text[: at + len(FILE) - 1], text[at + len(FILE) :]
        if not path.is_file():
            raise ValueError(f"no such file (looked for {printable(str(path))}); {WAYS}")
        if not column:
            raise ValueError(f"name the column, too, as {text}sex")
        return cls(text, column, path)


@dataclass(frozen=True, slots=True)
class GroupFile:
    """The values of a column of a CSV file, one for each sample of the split, and the SHA-256 of the file."""

    values: tuple[str, ...]
    sha256: str


def read_group_file(path: Path, column: str) -> GroupFile:
    """Read a column of a CSV file with a header; ValueError, in one line, if a value is missing or it is no such file.

    Blank lines at the end do not count.
    """
    name = printable(path.name)
    try:
        content = read_content(path, MOST)
        rows = [*csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)]
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror or error}") from None
    except (ValueError, csv.Error) as error:  # not UTF-8, or a quote without an end
        raise ValueError(f"{name} is no CSV: {error}") from None
    while rows and not any(map(str.strip, rows[-1])):
        rows.pop()
    if not rows:
        raise ValueError(f"{name} is empty; expected a header and a line for each sample")
    header = [cell.strip() for cell in rows[0]]
    if column not in header and len(header) == 1 and (sign := next((s for s in ";\t|" if s in header[0]), "")):
        raise ValueError(f"the columns of {name} are separated by {sign!r}; separate them by commas")
    if header.count(column) != 1:
        twice = f"{name} has the column {column!r} {header.count(column)} times; give it once"
        raise ValueError(twice if column in header else f"{name} has no column {suggest(column, header)}")
    at = header.index(column)
    return GroupFile(tuple(_read_values(name, column, at, rows)), hashlib.sha256(content).hexdigest())


def _read_values(name: str, column: str, at: int, rows: list[list[str]]) -> list[str]:
    """Return the values of a column of rows, of which the first is the header."""
    values = []
    for k, cells in enumerate(rows[1:], 2):
        if cells and len(cells) != len(rows[0]):
            raise ValueError(f"row {k} of {name} has {len(cells)} cells, and its header {len(rows[0])}; mend the row")
        value = "".join(cells[at : at + 1]).strip()
        if not value:
            raise ValueError(f"row {k} of {name} has no value in the column {column!r}; give each sample one")
        values.append(cut(printable(value), 300))
    return values

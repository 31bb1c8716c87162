"""The rows of a table, by a file of its constraints: "features:loans.toml"."""

import re
from pathlib import Path

from robust.attacks.grammar.family import Family
from robust.attacks.table_file import Table, read_table, read_table_file
from robust.attacks.text import slug

FEATURES = "features"
DIGESTED = re.compile(r"features:[\w.+-]+-[0-9a-f]{8}")  # the canonical spelling: the file's name, and its content
FILE = "names, bounds, types, groups, relations and eps of the columns: docs/tables.md"

# The tables that were read, by the canonical word, whose digest is that of the content.
_tables: dict[str, Table] = {}


def _canonical(text: str, folder: Path) -> str:
    """Return a table's word by its content: "features:loans-1a2b3c4d"; its file is read, below `folder`."""
    if DIGESTED.fullmatch(text):
        return text
    file = text.partition(":")[2]
    if not file.endswith(".toml"):
        raise ValueError(f"{text!r}: name the file of the table, as features:loans.toml")
    path = folder / file
    return keep_table(slug(path.stem), read_table_file(path))


def keep_table(stem: str, table: Table) -> str:
    """Keep a table under its canonical word, which is returned: "features:loans-1a2b3c4d"."""
    word = f"{FEATURES}:{stem}-{table.digest}"
    _tables[word] = table
    return word


def find_table(word: str) -> Table:
    """Return the table of a canonical word; ValueError if this process has not read it."""
    if word not in _tables:
        raise ValueError(f"{word!r}: the table with this content was not read; name its file, as features:loans.toml")
    return _tables[word]


def tables_of(threat: str) -> dict[str, str]:
    """Return the content of the tables in a threat model, as JSON, by their canonical words."""
    return {part: find_table(part).content for part in threat.split("+") if part.startswith(f"{FEATURES}:")}


def learn_tables(tables: dict[str, str]) -> None:
    """Keep the tables that `tables_of` returned elsewhere; ValueError if a content is not what its word says."""
    for word, content in tables.items():
        table = read_table(content)
        if keep_table(word.partition(":")[2].rpartition("-")[0], table) != word:
            raise ValueError(f"the table of {word} has another content: its digest is {table.digest}")


ROWS = Family(
    FEATURES,
    "features:FILE.toml",
    "a table's rows change within the constraints of a file: features:loans.toml",
    (("FILE.toml", FILE),),
    _canonical,
)

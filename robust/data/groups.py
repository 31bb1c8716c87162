"""The groups of samples: read from a file with a line for each sample of the split, or from a column of their table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.grammar.features import FEATURES, find_table
from robust.attacks.registry import suggest
from robust.attacks.table_file import Table
from robust.attacks.text import printable
from robust.attacks.words import family_of
from robust.data.dataset import Dataset, Samples
from robust.data.group_spec import WAYS, GroupFile, GroupSpec, read_group_file
from robust.records.groups import Groups

MAX_GROUPS = 1000
MISSING = "missing"  # the group of rows whose value is NaN


@dataclass(frozen=True)
class GroupReader:
    """Reads the groups of samples of a data set."""

    spec: GroupSpec
    dataset: Dataset
    threats: tuple[str, ...] = ()  # canonical; a table's file names the columns, too

    @cached_property
    def file(self) -> GroupFile | None:
        """The column of the file, for all samples of the split; None where the data themselves have it.

        ValueError if the file has another number of lines than the split has samples.
        """
        if self.spec.path is None:
            return None
        file, n = read_group_file(self.spec.path, self.spec.column), len(self.dataset.read("test")[1])
        if len(file.values) != n:
            raise ValueError(
                f"{printable(self.spec.path.name)} has {len(file.values)} rows below its header, and the test split of "
                f"{self.dataset.name} has {n} samples; give each sample a row, in the order of the split"
            )
        return file

    @property
    def provenance(self) -> dict[str, Any]:
        """Return what was named, and the digest of its file, for a record."""
        file = self.file
        return {"text": printable(self.spec.text), **({} if file is None else {"sha256": file.sha256})}

    def read(self, samples: Samples) -> Groups:
        """Return the groups of samples; ValueError, in one line, if they have none, or too many."""
        values = self._read_column(samples) if self.file is None else self._pick(self.file, samples)
        names = sorted({*(values if self.file is None else self.file.values)}, key=_order)
        if len(names) > MAX_GROUPS:
            many = f"{len(names):,} different values, expected at most {MAX_GROUPS:,}"
            raise ValueError(f"the column has {many}; name one of groups, not of single samples or of measurements")
        places = {name: k for k, name in enumerate(names)}
        codes = np.array([places[value] for value in values], np.int64)
        return Groups(printable(self.spec.column), tuple(names), codes)

    def check(self, samples: Samples) -> None:
        """Raise ValueError, in one line, if samples have no groups, or are all of one."""
        groups = self.read(samples)
        if len(seen := np.unique(groups.codes)) == 1:
            whole = f"all {len(samples)} samples are of one group, {groups.names[seen[0]]!r}"
            raise ValueError(f"{whole}; name a column with several, or take more samples")

    def _pick(self, file: GroupFile, samples: Samples) -> list[str]:
        if samples.index.max() >= len(file.values):
            raise ValueError(f"sample {samples.index.max()} has no row in the file")
        return [file.values[row] for row in samples.index]

    def _read_column(self, samples: Samples) -> Sequence[str]:
        """Return the values of a column of the samples' table, or of its one-hot group of columns."""
        table = next((find_table(word) for word in _list_tables(self.threats)), None)
        names = table.names if table else self.dataset.features or self.dataset.remarks.features
        if not names or len(samples.x.shape) != 2:
            raise ValueError(f"{self.dataset.name} has no columns with names; write FILE.csv:COLUMN")
        if table and self.spec.column in table.groups:
            return _read_one_hot(table, self.spec.column, samples.x[:])
        if self.spec.column not in names:
            known = [*names, *(table.groups if table else ())]
            raise ValueError(f"{self.dataset.name} has no column {suggest(self.spec.column, known)}; {WAYS}")
        return [_spell(value) for value in samples.x[:][:, names.index(self.spec.column)]]


def _list_tables(threats: Sequence[str]) -> list[str]:
    return [part for threat in threats for part in threat.split("+") if family_of(part) == FEATURES]


def _read_one_hot(table: Table, name: str, x: NDArray[np.float32]) -> list[str]:
    """Return the name of the column that is 1, for each row; ValueError for a row with none, or with several."""
    members = table.groups[name]
    columns = x[:, members]
    if len(wrong := np.flatnonzero((columns == 1).sum(1) != 1)):
        raise ValueError(
            f"{len(wrong)} of {len(x)} rows have not exactly one 1 in the columns of {name}; mend the data"
        )
    return [table.names[members[k]] for k in columns.argmax(1)]


def _spell(value: np.float32) -> str:
    return MISSING if np.isnan(value) else np.format_float_positional(value, unique=True, trim="-")


def _order(name: str) -> tuple[bool, float, str]:
    """Order numbers by their values, and before other names."""
    try:
        number = float(name)
    except ValueError:
        return True, 0.0, name
    return number != number, number if number == number else 0.0, name

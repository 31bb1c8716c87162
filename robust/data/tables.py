"""Data under threat models of tables: the file says the bounds and the names of columns, and values may be missing."""

from collections.abc import Iterable
from dataclasses import replace

from robust.attacks.grammar.features import FEATURES, find_table
from robust.attacks.registry import suggest
from robust.attacks.table_file import Table
from robust.attacks.words import families_of, family_of, parts_of
from robust.data.dataset import Dataset


def fit_tables(dataset: Dataset, threats: Iterable[str]) -> Dataset:
    """Return the data set for threat models, canonical: under tables alone, its bounds are the widest of their files.

    NaN then stands for a missing value. Of several inputs it knows which the threat models change. Under other threat
    models nothing changes.
    """
    threats = [*threats]
    if parts := parts_of(threats):
        return replace(dataset, moving=parts)
    if families_of(threats) != {FEATURES}:
        return dataset
    tables = [find_table(word) for word in _words(threats)]
    features = [feature for table in tables for feature in table.features]
    lo, hi = min(feature.lo for feature in features), max(feature.hi for feature in features)
    ranges = tuple((feature.lo, feature.hi) for feature in tables[0].features)
    return replace(dataset, lo=lo, hi=hi, missing=True, ranges=ranges)


def check_table(dataset: Dataset, word: str) -> None:
    """Raise ValueError, in one line, unless the inputs have the columns that a table's file names, in its order."""
    table, shape = find_table(word), dataset.shape or ()
    if len(shape) != 1:
        raise ValueError(f"a table is for rows of features, and an input of {dataset.name} has the shape {[*shape]}")
    names = dataset.features or dataset.remarks.features
    if names and names != table.names:
        raise ValueError(_describe_names(dataset.name, names, table))
    if shape[0] != len(table.features):
        raise ValueError(
            f"the file names {len(table.features)} features, and {dataset.name} has {shape[0]}; give each column a "
            "line, in the order of the columns"
        )


def _describe_names(data: str, names: tuple[str, ...], table: Table) -> str:
    """Return what is wrong with the names of a file, whose data has others."""
    if missing := [name for name in names if name not in table.names]:
        return f"{data} has the column {missing[0]!r}, which the file does not name; write a line for it, maybe fixed"
    if unknown := [name for name in table.names if name not in names]:
        return f"the file names a feature that {data} does not have: {suggest(unknown[0], names)}"
    k = next(k for k, pair in enumerate(zip(names, table.names, strict=True)) if pair[0] != pair[1])
    return f"column {k + 1} of {data} is {names[k]!r} and the file's {table.names[k]!r}; give the lines in that order"


def _words(threats: Iterable[str]) -> list[str]:
    return [part for threat in threats for part in threat.split("+") if family_of(part) == FEATURES]

"""Groups: the samples of a row by class, or by what a file or a column says of each; and how many are robust."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.records.columns import read_columns, write_columns

CODE = "group"  # the column of the groups' numbers
Codes = NDArray[np.int64]  # (n,)


@dataclass(frozen=True, slots=True)
class Group:
    """The samples of one class or group: how many there are, are answered right, and are robust."""

    name: str
    n: int
    correct: int
    robust: int

    @property
    def clean_percent(self) -> float:
        """Return the clean accuracy in percent of its samples."""
        return 100 * self.correct / self.n

    @property
    def percent(self) -> float:
        """Return the robust accuracy in percent of its samples."""
        return 100 * self.robust / self.n


@dataclass(frozen=True)
class Groups:
    """The group of each of n samples."""

    column: str  # what it is that groups have different values of: "sex"
    names: tuple[str, ...]
    codes: Codes  # (n,): numbers of names

    def to_json(self, correct: Flags, robust: Flags) -> dict[str, Any]:
        """Return the groups as JSON can hold them, with the counts of their samples, which are for people to read."""
        counts = _count(len(self.names), self.codes, correct, robust)
        codes = write_columns({CODE: self.codes.astype(np.float32)})
        return {"column": self.column, "names": [*self.names], **counts, "columns": codes}

    @classmethod
    def from_json(cls, content: dict[str, Any], n: int) -> "Groups":
        """Read the groups of n samples; ValueError, in one line, for damage."""
        names, codes = tuple(content["names"]), read_columns(content["columns"], n).get(CODE)
        if codes is None or codes.shape != (n,) or not np.isin(codes, np.arange(len(names), dtype=np.float32)).all():
            raise ValueError(
                f"not a record: the groups of its {n} samples are not among the {len(names)} that it names"
            )
        if len({*names}) < len(names):
            raise ValueError("not a record: two of its groups have the same name")
        return cls(content["column"], names, codes.astype(np.int64))

    def same(self, other: "Groups | None") -> bool:
        """Whether the others are the same groups of the same samples."""
        if other is None or (self.column, self.names) != (other.column, other.names):
            return False
        return np.array_equal(self.codes, other.codes)


def _count(k: int, codes: Codes, correct: Flags, robust: Flags) -> dict[str, list[int]]:
    """Return the numbers of samples of each of k groups: of all, of the right ones, of the robust ones."""
    weights = {"n": None, "correct": correct, "robust": robust}
    return {key: np.bincount(codes, weights=flags, minlength=k).astype(int).tolist() for key, flags in weights.items()}


def count_groups(names: Sequence[str], codes: Codes, correct: Flags, robust: Flags) -> tuple[Group, ...]:
    """Count the samples of each group. One without a name has its number; one that is named may have no samples."""
    counts = _count(len(names), codes, correct, robust)
    return _make_groups(names, counts)


def _make_groups(names: Sequence[str], counts: dict[str, list[int]]) -> tuple[Group, ...]:
    columns = zip(counts["n"], counts["correct"], counts["robust"], strict=True)
    return tuple(Group(names[k] if k < len(names) else str(k), *numbers) for k, numbers in enumerate(columns))


def read_classes(classes: dict[str, Any] | None) -> tuple[Group, ...]:
    """Return all classes by what a record's provenance says of them; none if it says nothing."""
    if not classes:
        return ()
    names = classes.get("names", ())
    counted = _make_groups(names, classes)
    return (*counted, *(Group(name, 0, 0, 0) for name in names[len(counted) :]))


def join_groups(parts: Sequence[Iterable[Group]]) -> tuple[Group, ...]:
    """Add up the counts of groups of the same names, as of several folds; in the order in which they first come."""
    joined: dict[str, Group] = {}
    for group in (group for part in parts for group in part):
        same = joined.get(group.name, Group(group.name, 0, 0, 0))
        joined[group.name] = Group(
            group.name, same.n + group.n, same.correct + group.correct, same.robust + group.robust
        )
    return tuple(joined.values())


def find_weakest(groups: Iterable[Group]) -> Group | None:
    """Return the group with the lowest robust accuracy, of several that with the most samples; None of none."""
    return min(keep_seen(groups), key=lambda group: (group.percent, -group.n), default=None)


def keep_seen(groups: Iterable[Group]) -> tuple[Group, ...]:
    """Return the groups that have samples."""
    return tuple(group for group in groups if group.n)

"""The features of a table that adversarial inputs changed, and by how much: in the record, and for people. No torch."""

from dataclasses import dataclass, fields
from typing import Any

from robust.attacks.text import printable

MOST_MOVED = 8  # features that are shown


@dataclass(frozen=True, slots=True)
class Moved:
    """A feature of a table, or a one-hot group, as the adversarial inputs changed it."""

    feature: str
    n: int  # adversarial inputs in which it was changed
    of: int  # adversarial inputs
    median: float  # change in these, regardless of its sign, in the feature's own units; 0 for a group
    largest: float
    way: str  # "up 12, down 3"; of a group the most frequent change: "temp to office 9"

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the cells of its line in a table, as `MOVED_HEADS`."""
        sizes = (f"{self.median:.4g}", f"{self.largest:.4g}") if self.largest else ("", "")
        return printable(self.feature), f"{100 * self.n / max(self.of, 1):.0f} %", *sizes, printable(self.way)


MOVED_HEADS = ("feature", "moved in", "median", "largest", "way")  # the second: share of the adversarial rows


def moved_to_json(moved: tuple[Moved, ...]) -> list[dict[str, Any]]:
    """Return the features as JSON can hold them."""
    return [{field.name: getattr(part, field.name) for field in fields(Moved)} for part in moved]


def moved_from_json(content: list[dict[str, Any]]) -> tuple[Moved, ...]:
    """Make the features from their JSON, which the schema has passed."""
    return tuple(Moved(**{field.name: part[field.name] for field in fields(Moved)}) for part in content)

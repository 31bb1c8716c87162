"""The changes of adversarial inputs, and their sizes: features of a table, or parts of several inputs. No torch."""

from dataclasses import dataclass, fields
from typing import Any

from robust.attacks.grammar.product import PRODUCT
from robust.attacks.text import printable
from robust.attacks.words import families_of

MOST_MOVED = 8  # features that are shown


@dataclass(frozen=True, slots=True)
class Moved:
    """A feature of a table, a one-hot group, or one of several inputs, as the adversarial inputs changed it."""

    feature: str
    n: int  # adversarial inputs in which it was changed
    of: int  # adversarial inputs
    median: float  # change in these, in the feature's own units, or as a share of the part's eps; 0 for a group
    largest: float
    way: str  # "up 12, down 3"; of a group the most frequent change: "temp to office 9"; of a part "9 of 40": alone

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the cells of its line in a table, as `moved_heads`."""
        sizes = (f"{self.median:.4g}", f"{self.largest:.4g}") if self.largest else ("", "")
        return printable(self.feature), f"{100 * self.n / max(self.of, 1):.0f} %", *sizes, printable(self.way)


_HEADS = ("feature", "moved in", "median", "largest", "way")  # the second: share of the adversarial rows
_PART_HEADS = ("part", "moved in", "median", "largest", "moved alone")


def moved_heads(threat: str) -> tuple[str, ...]:
    """Return the heads of the columns that say what moved under a threat model."""
    return _PART_HEADS if _has_parts(threat) else _HEADS


def moved_title(threat: str) -> str:
    """Return what the table says that `moved_heads` are of."""
    if _has_parts(threat):
        return "which parts its adversarial inputs moved, in shares of each part's eps"
    return "what its adversarial rows moved most, in the features' units"


def _has_parts(threat: str) -> bool:
    return PRODUCT in families_of([threat])


def moved_to_json(moved: tuple[Moved, ...]) -> list[dict[str, Any]]:
    """Return the features as JSON can hold them."""
    return [{field.name: getattr(part, field.name) for field in fields(Moved)} for part in moved]


def moved_from_json(content: list[dict[str, Any]]) -> tuple[Moved, ...]:
    """Make the features from their JSON, which the schema has passed."""
    return tuple(Moved(**{field.name: part[field.name] for field in fields(Moved)}) for part in content)

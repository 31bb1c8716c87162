"""Files of tables, for `features:FILE.toml`: what an attacker may change in a row, feature by feature.

No torch in this file: collecting tests reads threat models, and must stay instant.
"""

import hashlib
import json
import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from robust.attacks.files import read_text
from robust.attacks.registry import suggest
from robust.attacks.table_relations import Relation, read_relation, refuse_impossible
from robust.attacks.text import printable

TYPES = ("float", "integer", "category")
UNITS = ("range", "deviation", "own")
WAYS = ("increasing", "decreasing")
KEYS = ("eps", "unit", "relations", "groups", "features")
NUMBERS = ("lo", "hi", "eps", "deviation")


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of a table: its values, and what an attacker may do to them."""

    name: str
    lo: float = 0.0
    hi: float = 1.0
    type: str = "float"  # one of TYPES; a category is one column of a one-hot group
    fixed: bool = False  # an attacker cannot change it
    monotone: str = ""  # "increasing": an attacker may only raise it
    eps: float = 0.0  # the largest change, in the feature's own units; of a category: whether the group may change

    @property
    def moves(self) -> bool:
        """Whether an attacker may change it."""
        return not self.fixed and self.eps > 0


@dataclass(frozen=True, slots=True)
class Table:
    """What an attacker may change in a row, in the order of the columns."""

    features: tuple[Feature, ...]
    groups: dict[str, tuple[int, ...]]  # one-hot: by name, the numbers of the columns of which exactly one is 1
    relations: tuple[Relation, ...]
    content: str  # the file as JSON, without its comments: what a row's identity depends on

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(feature.name for feature in self.features)

    @property
    def digest(self) -> str:
        """Return the first 8 digits of the content's SHA-256."""
        return hashlib.sha256(self.content.encode()).hexdigest()[:8]


def read_table_file(path: Path) -> Table:
    """Read a TOML file; ValueError, in one line, if something in it is wrong."""
    name = printable(path.name)
    try:
        content = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise ValueError(f"no such file (looked for {printable(str(path))})") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # no TOML, not UTF-8, or nested too deeply
        raise ValueError(f"{name}: {error}") from None
    try:
        return make_table(content)
    except ValueError as error:
        raise ValueError(printable(f"{name}: {error}")) from None


def read_table(content: str) -> Table:
    """Read a table's content, as JSON; ValueError, in one line, if something in it is wrong."""
    return make_table(json.loads(content))


def make_table(content: dict[str, Any]) -> Table:
    """Make a table of a file's content; ValueError, in one line, if something in it is wrong."""
    _refuse_keys("", content, KEYS)
    for key, kind, expected in (
        ("features", dict, "tables, as [features]"),
        ("groups", dict, "lists, as job = [...] below [groups]"),
        ("relations", list, "a list of texts"),
    ):
        if not isinstance(content.get(key, kind()), kind):
            raise ValueError(f"{key} must be {expected}")
    unit = content.get("unit", "range")
    if unit not in UNITS:
        raise ValueError(f"unknown unit {suggest(str(unit), UNITS)}")
    default = _number("eps", content["eps"]) if "eps" in content else None
    features = tuple(_feature(name, given, default, unit) for name, given in content.get("features", {}).items())
    if not features:
        raise ValueError("no feature is named; write [features] and a line for each column of the data, in its order")
    names = [feature.name for feature in features]
    groups = {name: _group(name, members, features) for name, members in content.get("groups", {}).items()}
    _check_groups(features, groups)
    relations = tuple(_relation(text, names) for text in content.get("relations", []))
    if not any(feature.moves for feature in features):
        raise ValueError("every feature is fixed, or has eps = 0: nothing is left to attack")
    refuse_impossible(relations, [(feature.lo, feature.hi) for feature in features])
    return Table(features, groups, relations, _canonical(content))


def _canonical(content: dict[str, Any]) -> str:
    """Return a file's content as text; the order of the features is that of the columns, that of keys means nothing."""
    features = {name: dict(sorted(given.items())) for name, given in content["features"].items()}
    return json.dumps({**{key: content[key] for key in KEYS if key in content}, "features": features})


def _feature(name: str, given: Any, default: float | None, unit: str) -> Feature:
    """Make a feature of its line; `default` is the file's eps."""
    try:
        if not isinstance(given, dict):
            raise ValueError("expected a table, as {lo = 0, hi = 1}")
        _refuse_keys("", given, [field.name for field in fields(Feature) if field.name != "name"] + ["deviation"])
        kind = given.get("type", "float")
        if kind not in TYPES:
            raise ValueError(f"unknown type {suggest(str(kind), TYPES)}")
        numbers = {key: _number(key, given[key]) for key in NUMBERS if key in given}
        fixed, monotone = given.get("fixed", False), given.get("monotone", "")
        if not isinstance(fixed, bool):
            raise ValueError("fixed must be true or false")
        if monotone and monotone not in WAYS:
            raise ValueError(f"monotone: unknown way {suggest(str(monotone), WAYS)}")
        if kind == "category":
            return _category(name, numbers, fixed, monotone)
        return _ordered(Feature(name, type=kind, fixed=fixed, monotone=monotone), numbers, default, unit)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _category(name: str, numbers: dict[str, float], fixed: bool, monotone: str) -> Feature:
    """Return a column of a one-hot group."""
    if (numbers.get("lo", 0), numbers.get("hi", 1)) != (0, 1):
        raise ValueError("a category is 0 or 1; leave lo and hi out")
    if numbers.get("eps", 1) not in (0, 1):
        raise ValueError("eps of a category is 1 (its group may become another) or 0 (it stays)")
    if monotone:
        raise ValueError("a category has no order, so it cannot be monotone")
    return Feature(name, type="category", fixed=fixed, eps=numbers.get("eps", 1))


def _ordered(feature: Feature, numbers: dict[str, float], default: float | None, unit: str) -> Feature:
    """Return a number's feature with its bounds, and its eps in its own units."""
    if not {"lo", "hi"} <= numbers.keys():
        raise ValueError("give its bounds, as {lo = 0, hi = 1}")
    lo, hi, eps = numbers["lo"], numbers["hi"], numbers.get("eps", default)
    if not lo < hi:
        raise ValueError(f"lo must be below hi, got {lo:g} and {hi:g}")
    if feature.type == "integer" and not (lo.is_integer() and hi.is_integer()):
        raise ValueError(f"an integer needs whole bounds, got {lo:g} and {hi:g}")
    if eps is None and not feature.fixed:
        raise ValueError("there is no eps; give one for all, at the top of the file, or to this feature")
    size = 0.0 if eps is None or feature.fixed else eps * _unit(numbers, hi - lo, unit, eps)
    if feature.type == "integer" and 0 < size < 1:
        raise ValueError(f"it is an integer, and eps allows {size:.2g}: give eps for a change of 1 or more, or fixed")
    return Feature(feature.name, lo, hi, feature.type, feature.fixed, feature.monotone, size)


def _unit(numbers: dict[str, float], width: float, unit: str, eps: float) -> float:
    """Return the unit of a feature's eps, in its own units."""
    if unit == "deviation" and eps:
        if numbers.get("deviation", 0) <= 0:
            raise ValueError("eps is in units of the deviation: give it, above 0, as deviation = 2.5 of your data")
        return numbers["deviation"]
    return width if unit == "range" else 1.0


def _group(name: str, members: Any, features: tuple[Feature, ...]) -> tuple[int, ...]:
    """Return the numbers of a group's columns."""
    if not isinstance(members, list) or len(members) < 2:
        raise ValueError(f"group {name}: expected a list of two features or more")
    names = [feature.name for feature in features]
    for member in members:
        if member not in names:
            raise ValueError(f"group {name}: unknown feature {suggest(str(member), names)}")
        if features[names.index(member)].type != "category":
            raise ValueError(
                f'group {name}: {member} is of type {features[names.index(member)].type}; write "category"'
            )
    chosen = tuple(names.index(member) for member in members)
    if len({features[k].moves for k in chosen}) > 1:
        raise ValueError(f"group {name}: some of it may change and some not; give all the same eps, and fixed")
    return chosen


def _check_groups(features: tuple[Feature, ...], groups: dict[str, tuple[int, ...]]) -> None:
    """Refuse a category that is in no group, or in two."""
    for k, feature in enumerate(features):
        inside = [name for name, members in groups.items() for member in members if member == k]
        if len(inside) > 1:
            raise ValueError(f"{feature.name} is twice in the groups ({', '.join(inside)}), expected once")
        if feature.type == "category" and not inside:
            raise ValueError(f"{feature.name} is a category and in no group; list it below [groups]")


def _relation(text: Any, names: list[str]) -> Relation:
    if not isinstance(text, str):
        raise ValueError(f'a relation is a text, as "a <= b", got {text!r}')
    return read_relation(text, names)


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key} must be a number, got {value!r}")
    if key == "eps" and value < 0:
        raise ValueError(f"eps must be 0 or above, got {value:g}")
    return float(value)


def _refuse_keys(where: str, given: dict[str, Any], known: Any) -> None:
    for key in given:
        if key not in known:
            raise ValueError(f"{where}unknown key {suggest(str(key), known)}")

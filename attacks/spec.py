"""Specs, NAME or NAME:key=value:key=value, as users write them for attacks, recipes, data and models.

No torch in this file: collecting tests reads specs, and must stay instant.
"""

import dataclasses
import math
import re
import typing
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from robust.attacks.registry import suggest
from robust.attacks.text import slug

Value = bool | int | float | str

T = typing.TypeVar("T")

LOSSES = ("ce", "margin", "dlr", "sice")  # the names of losses.LOSSES, which imports torch
MAP_LOSSES = ("segpgd", "js", "mask-ce", "mask-ce-bal", "mask-sph")  # those of maps alone: see criteria/pixels.py


def parse_value(text: str) -> Value:
    """Read "true", "40", "0.5" or "1/4" (a float); return any other text as it is."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    try:
        number = float(Fraction(text)) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        return text
    return number if math.isfinite(number) else text


@dataclass(frozen=True, slots=True)
class Spec:
    """A name with arguments and options: "torchattacks:PGD:steps=40" is torchattacks, ("PGD",), (("steps", 40),).

    A value may contain colons: in "pgd:surrogate=net.py:make" a part that is not an option belongs to the one before.
    """

    name: str
    args: tuple[str, ...] = ()
    options: tuple[tuple[str, Value], ...] = ()

    @staticmethod
    @lru_cache(1024)  # thousands of records have the same few
    def parse(text: str) -> "Spec":
        """Read a spec; raise ValueError if its form is wrong, or an option is given twice."""
        name, *parts = text.strip().split(":")
        if not name or not all(parts):
            raise ValueError(f"{text!r} is not of the form NAME or NAME:key=value:key=value")
        args: tuple[str, ...] = ()
        pairs: list[list[str]] = []
        for part in parts:
            if re.match(r"[\w.]+=", part):
                pairs.append(part.split("=", 1))
            elif pairs:
                pairs[-1][1] += f":{part}"
            else:
                args = (*args, part)
        options = tuple(sorted((key, parse_value(value)) for key, value in pairs))  # the order means nothing
        if len(dict(options)) < len(options):
            raise ValueError(f"{text!r} gives an option twice")
        return Spec(name, args, options)

    def __str__(self) -> str:
        return ":".join((self.name, *self.args, *(f"{key}={_value_text(value)}" for key, value in self.options)))

    @property
    def slug(self) -> str:
        """Return the spec for node ids and file names: "pgd-restarts5-steps40"."""
        options = (f"{key}{_value_text(value)}" for key, value in self.options)
        return "-".join(slug(part) for part in (self.name, *self.args, *options))

    def without(self, key: str) -> "Spec":
        """Return the spec without the option `key`."""
        return Spec(self.name, self.args, tuple(pair for pair in self.options if pair[0] != key))


def _value_text(value: Value) -> str:
    """Return a value as `parse_value` reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def configure(cls: type[T], spec: Spec, **given: object) -> T:
    """Make the frozen dataclass `cls` from the options of `spec` and the fields `given`.

    Raise ValueError, in one line, for an unknown key, a value of the wrong type, or one that `cls` refuses.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init and f.name not in given}  # type: ignore[arg-type]
    if spec.args:
        raise ValueError(f"{spec}: {spec.name} takes options as key=value, not the bare word {spec.args[0]!r}")
    for key, value in spec.options:
        if key not in fields:
            raise ValueError(f"{spec}: {spec.name} has no option {suggest(key, fields, 'option')}")
        given[key] = _checked(spec, key, value, fields[key])
    try:
        return cls(**given)
    except ValueError as error:
        raise ValueError(f"{spec}: {error}") from None


def _checked(spec: Spec, key: str, value: Value, hint: type) -> Value:
    """Return the value if its type is that of the field, an int also as a float; else raise ValueError."""
    accepted = (hint, *typing.get_args(hint))
    if type(value) in accepted:
        return value
    if float in accepted and type(value) is int:
        return float(value)
    expected = next((t.__name__ for t in (bool, int, float, str) if t in accepted), str(hint))
    raise ValueError(f"{spec}: {key} must be of type {expected}, got {_value_text(value)!r}")


def check_at_least_1(name: str, value: float) -> None:
    """Raise ValueError if an option's value is below 1."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def check_loss(loss: object) -> None:
    """Raise ValueError for a name that no criterion has; a function is always accepted."""
    if isinstance(loss, str) and loss not in (*LOSSES, *MAP_LOSSES):
        raise ValueError(f"unknown loss {suggest(loss, (*LOSSES, *MAP_LOSSES), 'loss')}")


def describe_alone(spec: Spec, option: str) -> str:
    """Return why an attack with `alone` takes no option of every attack, in one line."""
    return f"{spec}: {spec.name} takes no {option}: it is one patch that serves all samples"

"""Specs, NAME or NAME:key=value:key=value, as users write them for attacks, recipes, data and models.

No torch in this file: collecting tests reads specs, and must stay instant.
"""

import dataclasses
import math
import re
import typing
from dataclasses import dataclass
from fractions import Fraction

from robust.attacks.registry import suggest
from robust.attacks.text import slug

Value = bool | int | float | str

T = typing.TypeVar("T")


def parse_value(text: str) -> Value:
    """Read "true", "40", "0.5", "1/4" (a float) or any other word (itself)."""
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

    A value may have colons of its own: in "pgd:surrogate=net.py:make" what is no option belongs to the one before it.
    """

    name: str
    args: tuple[str, ...] = ()
    options: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Spec":
        name, *words = text.strip().split(":")
        if not name or not all(words):
            raise ValueError(f"{text!r} is not of the form NAME or NAME:key=value:key=value")
        args: tuple[str, ...] = ()
        pairs: list[list[str]] = []
        for word in words:
            if re.match(r"\w+=", word):
                pairs.append(word.split("=", 1))
            elif pairs:
                pairs[-1][1] += f":{word}"
            else:
                args = (*args, word)
        options = tuple(sorted((key, parse_value(value)) for key, value in pairs))  # the order means nothing
        if len(dict(options)) < len(options):
            raise ValueError(f"{text!r} gives an option twice")
        return cls(name, args, options)

    def __str__(self) -> str:
        return ":".join((self.name, *self.args, *(f"{key}={_word(value)}" for key, value in self.options)))

    @property
    def slug(self) -> str:
        """The spec as one word for node ids and file names: "pgd-steps40-restarts5"."""
        words = (f"{key}{_word(value)}" for key, value in self.options)
        return "-".join(slug(word) for word in (self.name, *self.args, *words))

    def without(self, key: str) -> "Spec":
        return Spec(self.name, self.args, tuple(pair for pair in self.options if pair[0] != key))


def _word(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def configure(cls: type[T], spec: Spec, **given: object) -> T:
    """Make the frozen dataclass `cls` with the options of `spec`; unknown keys and wrong types are one clear line."""
    hints = typing.get_type_hints(cls)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init and f.name not in given}  # type: ignore[arg-type]
    if spec.args:
        raise ValueError(f"{spec}: {spec.name} takes options as key=value, not the bare word {spec.args[0]!r}")
    for key, value in spec.options:
        if key not in fields:
            raise ValueError(f"{spec}: {spec.name} has no option {suggest(key, fields)}")
        given[key] = _checked(spec, key, value, fields[key])
    try:
        return cls(**given)
    except ValueError as error:
        raise ValueError(f"{spec}: {error}") from None


def _checked(spec: Spec, key: str, value: Value, hint: type) -> Value:
    """`value` as the type that the field wants: an int serves for a float, nothing else is bent."""
    accepted = (hint, *typing.get_args(hint))
    if type(value) in accepted:
        return value
    if float in accepted and type(value) is int:
        return float(value)
    wanted = next((t.__name__ for t in (bool, int, float, str) if t in accepted), str(hint))
    raise ValueError(f"{spec}: {key} must be of type {wanted}, got {_word(value)!r}")


def check_at_least_1(name: str, value: float) -> None:
    """Raise ValueError if an option's value is below 1."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")

"""The space of a study: of each option that varies, a range or a list of values, as a TOML file gives them."""

import json
import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust.attacks.files import read_text
from robust.attacks.registry import suggest
from robust.attacks.text import first_line

ARCH = "arch"  # arch.NAME is an argument of the function that makes the model
KEYS = ("low", "high", "log", "step")
FORMS = "expected a range, as {low = 0.01, high = 0.3, log = true}, or a list, as [1, 3, 6]"
DIGITS = 6  # significant ones of a number that is drawn, so that a recipe stays readable
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}

Types = tuple[type, ...] | None  # that a value may have; None: any, as an argument of the user's function


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from low to high, both included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def ends(self) -> tuple[Any, ...]:
        """Return the values at which the range is tried before anything is trained."""
        return (self.low,) if self.low == self.high else (self.low, self.high)

    def round(self, value: float) -> float:
        """Return a number that was drawn as it is trained with: of few digits, and within the range."""
        return int(value) if self.whole else min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def describe(self) -> dict[str, Any]:
        """Return the range as JSON can hold it."""
        return {key: getattr(self, key) for key in KEYS}


@dataclass(frozen=True, slots=True)
class Choice:
    """A list of values, without an order."""

    values: tuple[Any, ...]

    @property
    def ends(self) -> tuple[Any, ...]:
        """Return all values."""
        return self.values

    def describe(self) -> list[Any]:
        """Return the values as JSON can hold them."""
        return [*self.values]


Space = dict[str, Range | Choice]


def read_file(path: Path) -> dict[str, Any]:
    """Return what a space's file holds, with arch.NAME for the arguments of the model; ValueError if it is no TOML."""
    try:
        return flatten(tomllib.loads(read_text(path)))
    except FileNotFoundError:
        raise ValueError(f"no such file (looked for {path.absolute()})") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"is not TOML: {first_line(error)}") from None


def flatten(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with arch.NAME for each NAME in its table `arch`."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if name == ARCH and isinstance(value, Mapping):
            flat |= {f"{ARCH}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


def read_space(content: Mapping[str, Any], options: Mapping[str, Types], arguments: Collection[str] | None) -> Space:
    """Return the space, by name in ascending order; ValueError, in one line on the name, for what is wrong.

    `options` are those that a recipe has, by name; `arguments` those of the model's function, None if any will do.
    """
    if not content:
        raise ValueError(f"it names no option; {FORMS}")
    space: Space = {}
    for name in sorted(content):
        types = _find_types(name, options, arguments)
        try:
            space[name] = _read_entry(content[name], types)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return space


def _find_types(name: str, options: Mapping[str, Types], arguments: Collection[str] | None) -> Types:
    prefix, _, argument = name.partition(".")
    if prefix == ARCH:
        if arguments is not None and argument not in arguments:
            raise ValueError(f"the model's function has no argument {suggest(argument, arguments)}")
        return None
    if name not in options:
        known = [*options, *(f"{ARCH}.{argument}" for argument in arguments or ())]
        raise ValueError(f"unknown option {suggest(name, known, 'option')}")
    return options[name]


def _read_entry(entry: object, types: Types) -> Range | Choice:
    if isinstance(entry, list | tuple):
        return _read_choice(entry, types)
    if isinstance(entry, Mapping):
        return _read_range(entry, types)
    raise ValueError(f"{FORMS}; a value that does not vary belongs behind the recipe or the model")


def _read_choice(values: list[Any] | tuple[Any, ...], types: Types) -> Choice:
    if not values:
        raise ValueError("the list is empty; name at least one value")
    seen: set[str] = set()
    for value in values:
        if types is None:
            _check_literal(value)
        elif not _fits(value, types):
            raise ValueError(f"{_show(value)} is not {_describe(types)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not finite")
        if (text := _identify(value)) in seen:
            raise ValueError(f"{_show(value)} is given twice")
        seen.add(text)
    return Choice(tuple(values))


def _check_literal(value: object) -> None:
    if isinstance(value, list):
        for part in value:
            _check_literal(part)
    elif not isinstance(value, bool | int | float | str):
        raise ValueError(f"{_show(value)} is no number, word, true, false or list of these")


def _identify(value: object) -> str:
    """Return a text that equal values have in common: 1 and 1.0, but not 1 and true."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(float(value)) if number else json.dumps(value)  # type: ignore[arg-type]


def _read_range(entry: Mapping[str, Any], types: Types) -> Range:
    for key in entry:
        if key not in KEYS:
            raise ValueError(f"a range has no {suggest(key, KEYS)}")
    if types is not None and not {int, float} & {*types}:
        raise ValueError(f"takes {_describe(types)}, so name its values in a list")
    missing = [key for key in ("low", "high") if key not in entry]
    if missing:
        raise ValueError(f"a range needs {' and '.join(missing)}: {{low = 0.01, high = 0.3}}")
    numbers = {key: entry[key] for key in ("low", "high", "step") if key in entry}
    whole = types is not None and float not in types
    for key, value in numbers.items():
        if not _fits(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{key} must be a finite number, got {_show(value)}")
        if whole and not isinstance(value, int):
            raise ValueError(f"{key} must be a whole number, got {_show(value)}")
    whole = whole or (types is None and all(isinstance(value, int) for value in numbers.values()))
    log = entry.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"log must be true or false, got {_show(log)}")
    kind = int if whole else float
    low, high = kind(numbers["low"]), kind(numbers["high"])
    step = kind(numbers["step"]) if "step" in numbers else None
    _check_ends(low, high, log, step)
    return Range(low, high, log, step, whole)


def _check_ends(low: float, high: float, log: bool, step: float | None) -> None:
    """Raise ValueError if no numbers, or not those that were meant, lie between the ends of a range."""
    if low > high:
        raise ValueError(f"low = {low:g} is above high = {high:g}")
    if log and low <= 0:
        raise ValueError(f"a log range is above 0, got low = {low:g}")
    if step is None:
        return
    if log:
        raise ValueError("step and log exclude each other; leave one out")
    if step <= 0:
        raise ValueError(f"step must be above 0, got {step:g}")
    last = low + step * math.floor((high - low) / step + 1e-9)
    if abs(last - high) > 1e-9 * max(1.0, abs(high)):
        raise ValueError(f"steps of {step:g} from {low:g} reach {last:g}, not high = {high:g}; write high = {last:g}")


def _fits(value: object, types: tuple[type, ...]) -> bool:
    return type(value) in types or (float in types and type(value) is int)


def _describe(types: tuple[type, ...]) -> str:
    return next(text for kind, text in WORDS.items() if kind in types)


def _show(value: object) -> str:
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError):
        return str(value)

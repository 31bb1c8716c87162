"""Parse one option; what is wrong with its value is an OptionError, which names the option.

Two functions at the end are for pytest: they turn such an error into a usage error, and call hooks.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import pytest

from robust.attacks.text import brief
from robust.settings.sources import OptionValue
from robust.user_code import describe_user_error

T = TypeVar("T")


class SettingsError(ValueError):
    """A mistake in what the user asked for, as one sentence."""

    def line(self, prefix: str) -> str:
        """Return the message for the user; options are called `prefix` and their name there."""
        return str(self)


class OptionError(SettingsError):
    """A value of an option that cannot be used."""

    def __init__(self, name: str, text: str | None, message: str) -> None:
        super().__init__(message)
        self.name = name  # "threat"
        self.text = text  # "lin:0.1"; None if not one value of the option is wrong

    def line(self, prefix: str) -> str:
        """Return "--robust-threat=lin:0.1: unknown norm ..." for the prefix "--robust-"."""
        return f"{prefix}{self.name}{'' if self.text is None else f'={self.text}'}: {self}"


class Hooks(Protocol):
    """A function that calls a hook by its name; it returns None, or an empty list, if nobody implements the hook."""

    def __call__(self, hook: str, /, **arguments: object) -> Any: ...


def call_no_hook(hook: str, /, **arguments: object) -> None:
    """Return None, as in a run in which nobody implements the hook."""


@contextmanager
def blame(name: str, text: str | None = None) -> Iterator[None]:
    """Turn a ValueError or a LookupError inside into an OptionError on this value of the option `name`."""
    try:
        yield
    except SettingsError:
        raise
    except (ValueError, LookupError) as error:
        message = str(error.args[0]).removeprefix(f"{text}: ").removeprefix(f"{text!r}: ")
        raise OptionError(name, text, message) from error


def read_list(option: OptionValue, read_one: Callable[[str], T], default: str = "") -> tuple[T, ...]:
    """Return the values of a list option in the user's order, each once; those of `default` if it is not given."""
    return read_items(option.name, option.items if option.texts else filter(None, default.split(",")), read_one)


def read_items(name: str, items: Iterable[str], read_one: Callable[[str], T]) -> tuple[T, ...]:
    """Return the values of the items, each once; OptionError on the first item that `read_one` refuses."""
    values: dict[T, None] = {}
    for item in items:
        with blame(name, item):
            values[read_one(item)] = None
    return tuple(values)


def read_whole(option: OptionValue, minimum: int, alternative: str = "") -> int | None:
    """Return a whole number, or None if the option is not given; a message also names the `alternative` to numbers."""
    if option.text is None:
        return None
    with blame(option.name, option.text):
        return parse_whole(option.text, minimum, alternative)


def parse_whole(text: str, minimum: int, alternative: str = "") -> int:
    """Return the whole number; ValueError if the text is none, is below `minimum` or has more than 18 digits."""
    if not re.fullmatch(r"-?\d{1,18}", text) or int(text) < minimum:
        other = f", or {alternative}" * bool(alternative)
        raise ValueError(f"expected a whole number, {minimum} or more, of at most 18 digits{other}")
    return int(text)


@contextmanager
def raise_usage_errors() -> Iterator[None]:
    """Turn a SettingsError inside into a pytest.UsageError: one line, exit status 4.

    The message may quote names that a stranger chose: of a file, a tensor, a class.
    """
    try:
        yield
    except SettingsError as error:
        raise pytest.UsageError(brief(error.line("--robust-"))) from error


@contextmanager
def blaming(option: str) -> Iterator[None]:
    """Turn a ValueError or a LookupError inside into a pytest.UsageError on `option`, as "threat=lin:0.1"."""
    with raise_usage_errors(), blame(*option.split("=", 1)):
        yield


def call_hook(config: pytest.Config, hook: str, /, **arguments: object) -> Any:
    """Call the hook of that name; ValueError, in one line, if an implementation of it fails."""
    try:
        return getattr(config.hook, hook)(config=config, **arguments)
    except Exception as error:
        raise ValueError(f"{hook} failed: {describe_user_error(error)}") from error

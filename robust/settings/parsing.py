"""Reading options one by one: what is wrong with a value is told in one line."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from robust.attacks.text import brief
from robust.options import dest, value
from robust.user_code import describe_user_error

T = TypeVar("T")


@contextmanager
def blaming(option: str) -> Iterator[None]:
    """ValueError and LookupError inside become one line on `option`, and exit status 4.

    Names in it may be a stranger's: of a file, a tensor, a class.
    """
    try:
        yield
    except (ValueError, LookupError) as error:
        word = option.partition("=")[2]
        told = str(error.args[0]).removeprefix(f"{word}: ").removeprefix(f"{word!r}: ")
        raise pytest.UsageError(brief(f"--robust-{option}: {told}")) from error


def base(config: pytest.Config, name: str) -> Path:
    """What a relative path in this option is below: the working folder, or the folder of the ini file that says it."""
    given = config.getoption(dest(name)) is not None
    return config.invocation_params.dir if given or config.inipath is None else config.inipath.parent


def asked(config: pytest.Config, hook: str, /, **arguments: object) -> Any:
    """What the hook of that name returns; ValueError, in one line, where an implementation of it fails."""
    try:
        return getattr(config.hook, hook)(config=config, **arguments)
    except Exception as error:
        raise ValueError(f"{hook} failed: {describe_user_error(error)}") from error


def each(config: pytest.Config, name: str, read_one: Callable[[str], T], default: str | None) -> tuple[T, ...]:
    """The values of a list option, split at commas, in the user's order, each once; with no default maybe none."""
    given = value(config, name) or ([] if default is None else [default])
    return once(name, [word for text in given for word in text.split(",")], read_one)


def once(name: str, words: list[str], read_one: Callable[[str], T]) -> tuple[T, ...]:
    found: dict[T, None] = {}
    for word in words:
        with blaming(f"{name}={word}"):
            found[read_one(word)] = None
    return tuple(found)


def whole(config: pytest.Config, name: str, least: int, or_word: str = "") -> int | None:
    """A whole number; `or_word` is only told, as what else there might have been."""
    text = value(config, name)
    if text is None:
        return None
    with blaming(f"{name}={text}"):
        if not re.fullmatch(r"-?\d{1,18}", text) or int(text) < least:
            other = f", or {or_word}" * bool(or_word)
            raise ValueError(f"expected a whole number, {least} or more, of at most 18 digits{other}")
    return int(text)

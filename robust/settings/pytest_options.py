"""The options in pytest: declared to its parser and its ini file, and read from both. No torch in this file."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from robust.options import OPTIONS, Option, dest


def add_options(parser: pytest.Parser) -> None:
    """Declare every option, and the ini keys of those that have one."""
    group = parser.getgroup("robust", "adversarial robustness (pytest-robust)")
    for option in OPTIONS:
        flag, help_ = f"--robust-{option.name}", option.help
        if option.flag:
            group.addoption(flag, action="store_true", default=None, dest=option.dest, help=help_)
            ini: dict[str, Any] = {"type": "bool", "default": False}
        elif option.many:
            group.addoption(flag, action="append", default=None, dest=option.dest, metavar=option.metavar, help=help_)
            ini = {"type": "linelist", "default": []}
        else:
            bare: dict[str, Any] = {"nargs": "?", "const": ""} if option.bare else {}
            group.addoption(flag, default=None, dest=option.dest, metavar=option.metavar, help=help_, **bare)
            ini = {"default": None}
        if option.ini:
            parser.addini(option.dest, help_, **ini)


def refuse_unknown_keys(config: pytest.Config) -> None:
    """Raise pytest.UsageError for a key in the ini file that begins like ours, unless some plugin declares it.

    pytest itself only warns of it, and a gate that is misspelt would pass.
    """
    unknown: Callable[[], Iterable[str]] = getattr(config, "_get_unknown_ini_keys", list)  # gone, its warning stays
    wrong = sorted(key for key in unknown() if key.replace("-", "_").startswith(dest("")))
    if not wrong:
        return
    from robust.attacks.registry import suggest

    typed = next((option for option in OPTIONS if option.dest == wrong[0]), None)
    message = (
        f"{typed.dest} is no key of an ini file, for it is of the run at hand: type --robust-{typed.name}"
        if typed
        else f"unknown key {suggest(wrong[0], [option.dest for option in OPTIONS if option.ini])}"
    )
    raise pytest.UsageError(f"{config.inipath.name if config.inipath else '--override-ini'}: {message}")


def read_option(config: pytest.Config, name: str) -> Any:
    """Return what the command line says, else the ini file, else None (or [] for a list).

    pytest.UsageError if the value is empty, as by a variable that is not set: a gate would silently be off. And if the
    ini file holds a value of another type, as a number in pytest 9's [tool.pytest].
    """
    option = next(option for option in OPTIONS if option.name == name)
    content = typed = config.getoption(option.dest)
    if typed is None:
        content = _read_ini(config, option) if option.ini else [] if option.many else None
        if isinstance(content, list) and (odd := [item for item in content if not isinstance(item, str)]):
            form = 'a list of texts in quotes, as ["..."]'
            raise pytest.UsageError(f"{option.dest}: expected {form}, got {odd[0]!r:.80}")
    if "" in (content if isinstance(content, list) else [content]) and not option.bare:
        where = option.dest if typed is None else f"--robust-{name}"
        raise pytest.UsageError(f"{where}: expected {option.metavar}, and it is empty; leave it out for the default")
    return content


def _read_ini(config: pytest.Config, option: Option) -> Any:
    try:
        return config.getini(option.dest)
    except (TypeError, ValueError, pytest.UsageError) as error:  # the last from pytest 9.2 on
        form = (
            "true or false"
            if option.flag
            else 'a list of texts in quotes, as ["..."]'
            if option.many
            else "it in quotes"
        )
        raise pytest.UsageError(f"{error}; write {form}") from None

"""The options as plain values, from each of their two sources: pytest's Config and argparse's Namespace."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robust.options import OPTIONS, Option
from robust.settings.pytest_options import read_option

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True)
class OptionValue:
    """The value of one option, and where it was given."""

    name: str  # "fail-under"
    texts: tuple[str, ...] = ()  # as the user wrote them; none if the option is not given; ("",) for a flag that is set
    folder: Path = Path()  # where a relative path in a text starts
    typed: bool = False  # whether it was given on the command line, not in the ini file

    @property
    def text(self) -> str | None:
        """Return the text of an option that has one value; None if it is not given."""
        return self.texts[0] if self.texts else None

    @property
    def items(self) -> list[str]:
        """Return the texts of a list option, split at commas."""
        return [item for text in self.texts for item in text.split(",")]


Options = Mapping[str, OptionValue]  # every option of the plugin by its name, also those that are not given


def options_of_config(config: "pytest.Config") -> Options:
    """Read all options of a run: the command line wins over the ini file.

    A relative path is below the working folder, or below the ini file's folder if it is written there.
    pytest.UsageError if a value is empty, or of another type than its ini key takes.
    """
    return {option.name: _read_value(config, option) for option in OPTIONS}


def _read_value(config: "pytest.Config", option: Option) -> OptionValue:
    typed = config.getoption(option.dest) is not None
    folder = config.invocation_params.dir if typed or config.inipath is None else config.inipath.parent
    return OptionValue(option.name, _list_texts(read_option(config, option.name)), folder, typed)


def options_of_namespace(args: argparse.Namespace) -> Options:
    """Take the plugin's options from a command's arguments, by name; relative paths are below the working folder."""
    given = {option.name: getattr(args, option.name.replace("-", "_"), None) for option in OPTIONS}
    here = Path.cwd()
    return {name: OptionValue(name, _list_texts(it), here, it is not None) for name, it in given.items()}


def _list_texts(given: object) -> tuple[str, ...]:
    if isinstance(given, list):
        return tuple(given)
    if isinstance(given, bool):
        return ("",) * given
    return () if given is None else (str(given),)

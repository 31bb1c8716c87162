"""Mistakes in what is typed for pytest, for which argparse would print its usage: told in one line.

It is typed on the command line, in the variable PYTEST_ADDOPTS and in the ini file's addopts.
"""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from robust.options import OPTIONS

OURS = "--robust-"
FLAGS = {f"{OURS}{option.name}": option for option in OPTIONS}


def list_sources(config: pytest.Config) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield (where words are typed, as a message begins; the words), for each place where options can be typed."""
    yield "", config.invocation_params.args
    yield "PYTEST_ADDOPTS: ", shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    try:
        words = config.getini("addopts")
    except (AttributeError, ValueError):  # a plugin of pytest.main's own arguments is there before the ini file is
        words = []
    yield f"{config.inipath.name if words and config.inipath else '--override-ini'}: addopts: ", words


def refuse_malformed(typed: Sequence[str], where: str = "") -> None:
    """Raise pytest.UsageError for an option of ours without its value, or with one that it does not take.

    The message begins with `where` it is typed.
    """
    for text, after in pairwise([*typed, "--"]):
        if text == "--":
            return
        flag, equals, value = text.partition("=")
        option = FLAGS.get(flag)
        if option is None:
            continue
        if option.flag and equals:
            raise pytest.UsageError(f"{where}{flag}: it takes no value, got {value!r:.80}; write {flag}")
        if not (option.flag or option.bare or equals) and _is_option(after):
            raise pytest.UsageError(f"{where}{flag}: its value is missing; write {flag}={option.metavar}")


def _is_option(text: str) -> bool:
    """Whether argparse takes a text for an option, and not for the value of the one before it."""
    if text.partition("=")[0] in FLAGS:
        return True
    return text.startswith("-") and text != "-" and " " not in text and not re.fullmatch(r"-\d+|-\d*\.\d+", text)


def types_gate(typed: Sequence[str]) -> bool:
    """Whether a floor or a comparison is asked for: without a model it would silently be off."""
    return any(text.partition("=")[0] in (f"{OURS}fail-under", f"{OURS}compare") for text in typed)


def refuse_unknown(parser: pytest.Parser, typed: Sequence[str]) -> None:
    """Raise pytest.UsageError for an option that begins like ours, unless a plugin or a conftest.py declares it."""
    if not any(text.startswith("--robust") for text in typed):  # and nothing is parsed where nobody asks for us
        return
    if {"-h", "--help"} & {*typed}:  # pytest's help answers, whatever else is typed
        return
    unknown = [text for text in parser.parse_known_and_unknown_args(typed)[1] if text.startswith("--robust")]
    if unknown:
        from robust.attacks.registry import suggest

        raise pytest.UsageError(f"unknown option {suggest(unknown[0].partition('=')[0], FLAGS)}")

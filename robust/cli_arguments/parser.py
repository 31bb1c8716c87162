"""A parser of arguments that tells a mistake in one line: what is wrong, and what to write."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from robust.attacks.registry import suggest
from robust.attacks.text import brief

MISTAKE = 4  # the exit status


class OneLineParser(argparse.ArgumentParser):
    """A parser of a command, or of all commands; where to find what it does not know may be its `hint`."""

    hint = ""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse the arguments; what is left over is a mistake in the command that was asked, not in `robust`."""
        namespace, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(_describe_rest(self, rest))
        return namespace, rest

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong, and exit; `message` is argparse's or ours."""
        self.exit(MISTAKE, f"{self.prog}: {brief(_describe(self, message))}\n")


def _describe(parser: OneLineParser, message: str) -> str:
    """Return argparse's message in our words: without the word argument before it, and with what to write."""
    if message.startswith("the following arguments are required: "):
        return _describe_missing(parser)
    named = re.fullmatch(r"argument ([^:]+): (.*)", message, re.DOTALL)
    if named is None:
        return message
    name, problem = named[1].partition("/")[0], named[2]
    action = next(action for action in parser._actions if name in (*action.option_strings, action.dest, action.metavar))
    if choice := re.match(r"invalid choice: '(.*)' \(choose from ", problem, re.DOTALL):
        return f"unknown {name} {suggest(choice[1], map(str, action.choices or ()))}"
    if problem == "expected one argument":
        return f"{name}: its value is missing; write {name}={action.metavar}"
    if ignored := re.match(r"ignored explicit argument (.*)", problem, re.DOTALL):
        return f"{name}: it takes no value, got {ignored[1]}; write {name}"
    return f"{name}: {problem}"


def _describe_missing(parser: OneLineParser) -> str:
    """Return the shortest call of a command in which nothing is missing."""
    words = []
    for action in parser._actions:
        if action.required and action.choices:
            known = ", ".join(map(str, action.choices))
            return f"name a command: {known}; {parser.prog} --help tells what they do"
        if action.required:
            words.append(f"{action.option_strings[0]}={action.metavar}" if action.option_strings else action.metavar)
    return f"something is missing; write {' '.join(map(str, [parser.prog, *words]))}"


def _describe_rest(parser: OneLineParser, rest: list[str]) -> str:
    name = rest[0].partition("=")[0]
    if not name.startswith("-"):
        return f"{rest[0]!r} is one word too many; {parser.prog} --help tells what it takes"
    options = [text for text in parser._option_string_actions if text.startswith("--")]
    return f"unknown option {suggest(name, options)}{parser.hint}"

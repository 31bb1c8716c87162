"""The values of arguments that are numbers and times."""

import argparse


def read_whole(text: str) -> int:
    from robust.settings.parsing import parse_whole

    try:
        return parse_whole(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, got {text!r}") from None


def read_count(text: str) -> int:
    from robust.settings.parsing import parse_whole

    try:
        return parse_whole(text, 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, got {text!r}") from None


def read_time(text: str) -> float | None:
    from robust.settings.values import read_time

    try:
        return read_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from None

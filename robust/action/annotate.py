"""Annotations: lines of a step's output that GitHub shows beside the code, escaped, and within its limits."""

import re
from collections.abc import Iterator, Sequence

from robust.action.outcome import Failure, Outcome
from robust.attacks.text import printable

MOST = 8  # of a kind; GitHub shows ten of a step and drops the others in silence
LONGEST = 1000  # characters of one


def annotations(outcome: Outcome) -> Iterator[str]:
    """An error for each failure, and a warning for what is to be read beside the figures: at most nine of each."""
    yield from _some("error", outcome.failures)
    yield from _some("warning", [Failure(text) for text in outcome.warnings])


def annotation(level: str, failure: Failure) -> str:
    """One line, whatever the text holds: nothing in it can begin a command of its own."""
    properties = {
        "file": printable(failure.path),
        "line": failure.line or "",
        "title": printable(failure.test) or "pytest-robust",
    }
    told = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value)
    return f"::{level} {told}::{_data(clean(failure.text)[:LONGEST])}"


def clean(text: str) -> str:
    """Somebody else's text, line by line, without what a terminal would obey."""
    return "\n".join(printable(line) for line in re.split(r"\r\n|\r|\n", text.strip()))


def _some(level: str, found: Sequence[Failure]) -> Iterator[str]:
    for failure in found[:MOST]:
        yield annotation(level, failure)
    if len(found) > MOST:
        yield annotation(level, Failure(f"... and {len(found) - MOST} more; the step's summary and its log have them"))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

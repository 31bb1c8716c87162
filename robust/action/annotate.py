"""Annotations: lines of a step's output that GitHub shows beside the code, escaped, and within its limits."""

from collections.abc import Iterator, Sequence

from robust.action.outcome import Failure, Outcome
from robust.attacks.text import brief, printable, printable_lines

MAX_SHOWN = 8  # of a kind; GitHub shows ten of a step and drops the others in silence
MAX_CHARACTERS, MAX_TITLE = 1000, 200  # characters of one, and of its title


def annotate(outcome: Outcome) -> Iterator[str]:
    """Yield an error for each failure and a warning for each warning of the run: at most nine of each."""
    yield from _limit("error", outcome.failures)
    yield from _limit("warning", [Failure(text) for text in outcome.warnings])


def format_annotation(level: str, failure: Failure) -> str:
    """Format one annotation as one line, whatever its text holds: nothing in it can begin a command of its own."""
    properties = {
        "file": printable(failure.path),
        "line": failure.line or "",
        "title": brief(failure.test, MAX_TITLE) or "pytest-robust",
    }
    pairs = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value)
    return f"::{level} {pairs}::{_data(clean(failure.text)[:MAX_CHARACTERS])}"


def clean(text: str) -> str:
    """Return somebody else's text without what a terminal would obey, line by line."""
    return printable_lines(text.strip())


def _limit(level: str, failures: Sequence[Failure]) -> Iterator[str]:
    for failure in failures[:MAX_SHOWN]:
        yield format_annotation(level, failure)
    if (more := len(failures) - MAX_SHOWN) > 0:
        yield format_annotation(level, Failure(f"... and {more} more; the step's summary and its log have them"))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""Other people's text, made fit for node ids, file names, terminals and single lines. No torch here."""

import re

MAX_LENGTH = 1000  # signs of somebody else's error that are shown: zipfile's quotes the file


def slug(text: str) -> str:
    """Lower case, letters, digits, dots, dashes and underscores only: fit for node ids and file names, never empty."""
    return re.sub(r"[^a-z0-9.+_-]+", "_", text.lower()).strip("_.") or "unnamed"


def printable(text: str) -> str:
    """Somebody else's text without what a terminal would obey, and without lines of its own."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def brief(text: str) -> str:
    """Likewise somebody else's error, which may quote a whole file: the beginning of it."""
    return printable(text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}...")


def first_line(error: BaseException) -> str:
    """Return the first line of an error, or its type's name if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Sanitising of foreign text for node ids, file names, terminals and single lines. No torch in this file."""

import hashlib
import re
import unicodedata
from typing import Any

MAX_LENGTH = 1000  # characters of a foreign error that are shown; zipfile's quotes the whole file

# What begins a command in the log of GitHub ("::error::", "::add-mask::", "##[error]"), Azure or TeamCity. GitHub's
# runner knows commands by their names, and node ids and C++ have colons, too.
NAMES = "error|warning|notice|debug|group|endgroup|echo|stop-commands|(?:add|remove|set|save|internal)-[a-z-]+"
COMMAND = re.compile(rf"(:(?=:(?:{NAMES})(?:::|\s))|#(?=#\w*\[))[:#]", re.IGNORECASE)
FORMULA = re.compile(r"(^|;\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")  # the last four are wide forms of the others


def slug(text: str) -> str:
    """Return text for node ids and file names: lower-case letters, digits and "._+-" only, never empty.

    Accents are dropped. A name without a Latin letter becomes "unnamed" and a digest, so that two stay apart.
    """
    plain = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    if name := re.sub(r"[^a-z0-9.+_-]+", "_", plain).strip("_."):
        return name
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:6]
    return f"unnamed-{digest}" if any(map(str.isalnum, plain)) else "unnamed"


def printable(text: str) -> str:
    """Return foreign text on one line, as every text of a file or of another machine is shown.

    A question mark stands for each character that a terminal or a reader would obey, as ESC, a line break or a mark for
    writing from right to left, and for one of those that begin a command in the log of a CI system.
    """
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "?" for character in text)
    return COMMAND.sub(r"\1?", text) if "::" in text or "##" in text else text


def printable_lines(text: str) -> str:
    """Return text of several lines with each of them `printable`."""
    return "\n".join(printable(line) for line in re.split(r"\r\n|\r|\n", text))


def brief(text: str, most: int = MAX_LENGTH) -> str:
    """Return the beginning of foreign text, which may be a whole file, as `printable` text."""
    return printable(cut(text, most))


def cut(text: str, most: int) -> str:
    """Return the beginning of a text that is longer."""
    return text if len(text) <= most else f"{text[:most]}..."


def cell(text: str) -> str:
    """Return foreign text for a cell of CSV: `printable`, and with a quote before what a spreadsheet would calculate.

    Where a semicolon separates cells, as in half of Europe, a formula may also follow one.
    """
    return FORMULA.sub(r"\1'", printable(" ".join(text.split())))


def shorten_texts(content: Any, most: int = MAX_LENGTH) -> Any:
    """Return what was read from foreign JSON with all of its texts `brief`."""
    if isinstance(content, str):
        return brief(content, most)
    if isinstance(content, dict):
        return {brief(key, most): shorten_texts(value, most) for key, value in content.items()}
    return [shorten_texts(value, most) for value in content] if isinstance(content, list) else content


def first_line(error: BaseException) -> str:
    """Return the first line of an error, `brief`, or its type's name if it says nothing."""
    return brief((str(error).splitlines() or [type(error).__name__])[0])


def format_seconds(seconds: float) -> str:
    """Return a duration as "0.004 s", "50 s", "3.5 min" or "12 h"."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds:.0f} s"

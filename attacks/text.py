"""Sanitising of foreign text for node ids, file names, terminals and single lines. No torch in this file."""

import hashlib
import re
import unicodedata

MAX_LENGTH = 1000  # characters of a foreign error that are shown; zipfile's quotes the whole file


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
    """Return foreign text on one line, with a question mark for every control character."""
    return "".join(character if character.isprintable() else "?" for character in text)


def brief(text: str) -> str:
    """Return the beginning of a foreign error, which may quote a whole file, as `printable` text."""
    return printable(text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}...")


def first_line(error: BaseException) -> str:
    """Return the first line of an error, or its type's name if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Keys that this version does not know: found when a record is read, and put back when it is written."""

from typing import Any

from robust.attacks.text import brief


def find_unknown(content: Any, known: Any, place: str = "$") -> dict[Any, Any]:
    """Return what `content` has beside `known`, by the keys and places where it stands.

    ValueError names the first place where both have a value, and these differ: what follows from other values is
    written for people to read, and must be true.
    """
    if content is known or content == known:
        return {}
    if isinstance(content, dict) and isinstance(known, dict):
        if missing := next((key for key in known if key not in content), None):
            raise ValueError(f"{place}.{missing} is missing")
        unknown = {key: value for key, value in content.items() if key not in known}
        parts = [(key, content[key], known[key], f"{place}.{key}") for key in known]
    elif isinstance(content, list) and isinstance(known, list) and len(content) == len(known):
        unknown, parts = {}, [(k, *pair, f"{place}[{k}]") for k, pair in enumerate(zip(content, known, strict=True))]
    else:
        raise ValueError(brief(f"its parts do not agree: {place} is {content!r}, by the rest of it {known!r}"))
    return unknown | {key: deeper for key, *both in parts if (deeper := find_unknown(*both))}


def put_back(known: Any, unknown: dict[Any, Any]) -> Any:
    """Return `known` with what `find_unknown` had found beside it."""
    if not unknown:
        return known
    if isinstance(known, list):
        return [put_back(part, unknown.get(k, {})) for k, part in enumerate(known)]
    beside = {key: value for key, value in unknown.items() if key not in known}
    return {key: put_back(value, unknown.get(key, {})) for key, value in known.items()} | beside

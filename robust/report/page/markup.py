"""Build HTML and SVG; every child that is not `Html` is escaped."""

import re
from functools import cache
from html import escape

from robust.attacks.text import printable

OPEN = frozenset({"td", "th", "tr", "li", "dt", "dd", "option", "thead", "tbody"})  # HTML needs no end tags of these
SIGNS = re.compile("[&<>\"']")  # what `escape` replaces; most texts have none
SPACE = re.compile(r"\s")
PLAIN = re.compile(r"[\w#.-]+")  # an attribute's value that needs no quotes; a large page is a fifth smaller so


class Html(str):
    """Markup, which is written as it is."""

    __slots__ = ()


def text(value: object) -> Html:
    """Return any value as markup of its text, without control characters; `Html` is returned as it is."""
    if isinstance(value, Html):
        return value
    words = str(value)
    words = printable(words if words.isprintable() else SPACE.sub(" ", words))
    return Html(escape(words) if SIGNS.search(words) else words)


def join(*children: object) -> Html:
    """Join children to markup; None and False are left out."""
    return Html("".join(text(child) for child in children if child is not None and child is not False))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element; `class_` is the attribute class, `aria_label` aria-label, and None or False leave one out."""
    end = "" if name in OPEN else f"</{name}>"
    return Html(f"<{name}{_attributes(attributes)}>{join(*children)}{end}")


def void(name: str, /, **attributes: object) -> Html:
    """Return an element without children."""
    return Html(f"<{name}{_attributes(attributes)} />")


def _attributes(attributes: dict[str, object]) -> str:
    parts = []
    for name, value in attributes.items():
        key = _key(name)
        if value is True:
            parts.append(f" {key}")
        elif value is not None and value is not False:
            escaped = text(value)
            parts.append(f" {key}={escaped}" if PLAIN.fullmatch(escaped) else f' {key}="{escaped}"')
    return "".join(parts)


@cache
def _key(name: str) -> str:
    return name.rstrip("_").replace("__", ":").replace("_", "-")


def breakable(words: str) -> Html:
    """Return the spec of an attack or a recipe, with possible line breaks after colons."""
    return Html(text(words).replace(":", ":<wbr>"))


def number(value: float) -> str:
    """Return a coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")

"""HTML and SVG, escaped where it is made: what is not `Html` is somebody's text."""

import re
from html import escape

from robust.attacks.text import printable

OPEN = frozenset({"td", "th", "tr", "li", "dt", "dd", "option", "thead", "tbody"})  # HTML needs no end tags of these
PLAIN = re.compile(r"[\w#.-]+")  # an attribute's value that needs no quotes; a large page is a fifth smaller so


class Html(str):
    """Markup, to be written as it is."""

    __slots__ = ()


def text(value: object) -> Html:
    """Any text as markup that shows it: nothing in it opens a tag, ends an attribute or is obeyed by a terminal."""
    return value if isinstance(value, Html) else Html(escape(printable(re.sub(r"\s", " ", str(value)))))


def join(*children: object) -> Html:
    """Children one after the other; "" for None and False."""
    return Html("".join(text(child) for child in children if child is not None and child is not False))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. `class_` is the attribute class, `aria_label` aria-label; None and False leave one out."""
    end = "" if name in OPEN else f"</{name}>"
    return Html(f"<{name}{_attributes(attributes)}>{join(*children)}{end}")


def void(name: str, /, **attributes: object) -> Html:
    """An element that holds nothing, of HTML or of SVG."""
    return Html(f"<{name}{_attributes(attributes)} />")


def _attributes(attributes: dict[str, object]) -> str:
    found = []
    for name, value in attributes.items():
        key = name.rstrip("_").replace("__", ":").replace("_", "-")
        if value is True:
            found.append(f" {key}")
        elif value is not None and value is not False:
            shown = text(value)
            found.append(f" {key}={shown}" if PLAIN.fullmatch(shown) else f' {key}="{shown}"')
    return "".join(found)


def breakable(words: str) -> Html:
    """An attack's or a recipe's words, whose lines may end after a colon."""
    return Html(text(words).replace(":", ":<wbr>"))


def number(value: float) -> str:
    """A coordinate: at most one digit after the point."""
    return f"{value:.1f}".removesuffix(".0")

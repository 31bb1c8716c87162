"""Marks of charts: a shape and a colour for each way of training, so that neither alone carries the meaning."""

from collections import Counter
from collections.abc import Iterable

from robust.attacks.spec import Spec
from robust.records.record import Record
from robust.report.page.markup import Html, tag, void

SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",  # circle
    "M-4.4-4.4h8.8v8.8h-8.8z",  # square
    "M0-5.8L5.4 4H-5.4z",  # triangle
    "M0-6L5 0L0 6L-5 0z",  # diamond
    "M0 5.8L5.4-4H-5.4z",  # triangle on its tip
    "M-1.9-5.4h3.8v3.5h3.5v3.8h-3.5v3.5h-3.8v-3.5h-3.5v-3.8h3.5z",  # plus
    "M0-5.6L5.3-1.7L3.3 4.5H-3.3L-5.3-1.7z",  # pentagon
    "M-5.2-2.6L0-5.4L5.2-2.6V2.6L0 5.4L-5.2 2.6z",  # hexagon
)


def family(record: Record) -> str:
    """Return the recipe of a model without options: "trades+awp"; a recipe on a card that does not parse is ignored."""
    try:
        return Spec.parse(record.recipe).name
    except ValueError:
        return Spec.parse(record.model.training).name


def number_families(records: Iterable[Record]) -> dict[str, int]:
    """Return the number of the mark of each family, the most frequent first."""
    counts = Counter(map(family, records))
    names = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: k for k, name in enumerate(names)}


def shape(mark: int) -> str:
    """Return the link to the shape of a mark."""
    return f"#s{mark % len(SHAPES)}"


def colour(mark: int) -> str:
    """Return the CSS class of the colour of a mark; marks with the same shape have different colours."""
    return f"c{(mark + 3 * (mark // len(SHAPES))) % len(SHAPES)}"


def shapes() -> Html:
    """Return the definitions of the shapes, once a page, for `use`."""
    drawn = (tag("symbol", void("path", d=d), id=f"s{k}", overflow="visible") for k, d in enumerate(SHAPES))
    return tag("svg", *drawn, class_="shapes", aria_hidden="true", width=0, height=0)


def legend(marks: Iterable[tuple[str, int]]) -> Html:
    """Return the legend of the marks."""
    items = (tag("li", _key(mark), name) for name, mark in marks)
    return tag("ul", *items, class_="legend")


def _key(mark: int) -> Html:
    return tag("svg", void("use", href=shape(mark), class_=colour(mark)), viewBox="-7 -7 14 14", aria_hidden="true")

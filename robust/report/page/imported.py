"""Tables of figures that others report, without ranks."""

from collections.abc import Sequence
from itertools import groupby

from robust.report.page.markup import Html, join, tag
from robust.report.robustbench import CLAIMS, HEADS, Imported, sort_entries


def claims(imported: Sequence[Imported]) -> Html:
    """Return a table for each data set and threat model; "" if nothing was imported."""
    if not imported:
        return join()
    groups = groupby(sort_entries(imported), lambda entry: (entry.data, entry.threat))
    return tag(
        "section",
        tag("h2", "Reported elsewhere", id="imported"),
        tag("p", CLAIMS, class_="under"),
        *(_table(f"{data}, {threat}", list(entries)) for (data, threat), entries in groups),
        aria_labelledby="imported",
    )


def _table(title: str, entries: list[Imported]) -> Html:
    head = tag("tr", *(tag("th", name, scope="col") for name in HEADS))
    body = (
        tag("tr", tag("th", entry.cells[0], scope="row"), *(tag("td", c) for c in entry.cells[1:])) for entry in entries
    )
    table = tag("table", tag("caption", f"{title}, not verified"), tag("thead", head), tag("tbody", *body))
    return tag("div", table, class_="scroll claims", tabindex=0, role="region", aria_label=f"{title}, not verified")

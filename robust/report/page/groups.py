"""The tables of a row by class, and by the groups of its samples."""

from robust.gates import Measured
from robust.records.groups import Group, find_weakest
from robust.records.record import Record
from robust.report.groups import rank_groups, weakest_first
from robust.report.page.markup import Html, join, tag

MOST = 20  # of more classes or groups, the weakest are shown


def by_class(record: Record) -> Html:
    """Return the table of accuracies by class, and the weakest in words; "" if the record does not have them."""
    classes = record.by_class
    if (weakest := find_weakest(classes)) is None:
        return join()
    shown = weakest_first(classes, MOST)
    which = f"the {MOST} worst of {len(classes)} classes" if len(classes) > MOST else "by class"
    rows = [
        _line("clean %", [group.clean_percent for group in shown]),
        _line("robust %", [group.percent for group in shown]),
    ]
    head = tag("tr", tag("th", which), *(tag("th", group.name) for group in shown))
    measured = Measured.of(weakest.robust, weakest.n)
    caption = tag("caption", f"the weakest class, {weakest.name}: robust {measured}")
    return tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="heat")


def _line(name: str, shares: list[float]) -> Html:
    """Return a line of the table; cells below 90 % get the shade of their class h0 to h8."""
    cells = (tag("td", f"{share:.0f}", class_=f"h{int(share / 10)}" if share < 90 else None) for share in shares)
    return tag("tr", tag("th", name), *cells)


def by_group(record: Record) -> Html:
    """Return the table of the groups, the weakest first; "" if the samples have none."""
    groups = record.by_group
    if not groups or record.groups is None:
        return join()
    shown = rank_groups(groups)[:MOST]
    more = f", the {MOST} weakest of {len(groups)}" * (len(groups) > MOST)
    heads = (record.groups.column, "n", "clean %", "robust %", "95 % interval")
    return tag(
        "table",
        tag("caption", f"by {record.groups.column}{more}"),
        tag("thead", tag("tr", *(tag("th", title) for title in heads))),
        tag(
            "tbody",
            *(tag("tr", tag("th", group.name), *(tag("td", cell) for cell in _cells(group))) for group in shown),
        ),
        class_="attacks",
    )


def _cells(group: Group) -> tuple[str, ...]:
    percent, low, high = Measured.of(group.robust, group.n).bounds
    return f"{group.n:,}", f"{group.clean_percent:.1f}", f"{percent:.1f}", f"{low:.1f} to {high:.1f}"

"""The table of a row's accuracies under each corruption."""

from robust.records.record import Record
from robust.report.corrupted import list_measured
from robust.report.page.markup import Html, join, tag
from robust.report.scores import mean_corrupted

HEADS = ("corruption", "accuracy %", "95 % interval")


def by_corruption(record: Record) -> Html:
    """Return the table, the lowest accuracy first, with their mean above it; "" for a row without corruptions."""
    measured = sorted(list_measured(record), key=lambda pair: pair[1].percent)
    if record.corrupted is None or not measured:
        return join()
    rows = []
    for title, share in measured:
        percent, low, high = share.bounds
        cells = (tag("td", f"{percent:.1f}"), tag("td", f"{low:.1f} to {high:.1f}"))
        rows.append(tag("tr", tag("th", title), *cells))
    before = f"; images were corrupted before {record.corrupted_before}" * bool(record.corrupted_before)
    caption = tag("caption", f"{mean_corrupted(record.corrupted)}, each of all samples{before}")
    head = tag("tr", *(tag("th", title) for title in HEADS))
    return tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="attacks")

"""How each class fares, as a table whose cells are shaded: that tells more than an average."""

from robust.records.record import Record
from robust.report.page.markup import Html, join, tag

MANY = 20  # classes; of more the worst are shown


def by_class(record: Record) -> Html:
    """ "" where the record does not tell."""
    told = record.provenance.get("classes")
    if not told:
        return join()
    counts = list(zip(told["n"], told["correct"], told["robust"], strict=True))
    shown = sorted((k for k, (n, _, _) in enumerate(counts) if n), key=lambda k: counts[k][2] / counts[k][0])[:MANY]
    shown.sort()
    which = f"the {MANY} worst of {len(counts)} classes" if len(counts) > MANY else "by class"
    rows = [
        _line(f"{name} %", [100 * counts[k][at] / counts[k][0] for k in shown])
        for at, name in ((1, "clean"), (2, "robust"))
    ]
    head = tag("tr", tag("th", which), *(tag("th", k) for k in shown))
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="heat")


def _line(name: str, shares: list[float]) -> Html:
    """From 90 % on a cell has the table's own shade, which says so of most cells in no words."""
    cells = (tag("td", f"{share:.0f}", class_=f"h{int(share / 10)}" if share < 90 else None) for share in shares)
    return tag("tr", tag("th", name), *cells)

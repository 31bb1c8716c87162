"""The bracket of a row: what is certified below, what the attacks left above, and the mark of each sample."""

from collections.abc import Iterable

import numpy as np

from robust.flags import Flags
from robust.records.certificate import Certificate
from robust.records.record import Record
from robust.report.board import Row, percent
from robust.report.page.markup import Html, tag, void
from robust.stats import wilson

COLUMNS, PITCH = 50, 7  # samples in a line, and pixels between two
MAX_MARKS = 1000  # samples that are drawn
# Each state has a shape of its own, so that colour alone carries no meaning: paths in the cell of a sample.
SHAPES = {
    "certified": "h5",  # a full square, by the width of the stroke
    "open": "m0-2h5v4h-5z",  # a hollow square
    "broken": "m0-2l5 4m0-4l-5 4",  # a cross
    "wrong": "m1 0h3",  # a dash
    "contradicted": "m0-2h5v4h-5zl5 4m0-4l-5 4",
}
MEANINGS = {
    "certified": "certified: a bound proves that no input is answered wrong",
    "open": "open: neither certified nor broken",
    "broken": "broken by an attack",
    "wrong": "answered wrong without an attack",
    "contradicted": "certified and broken at once: one of the two is wrong",
}


def find_states(record: Record, certificate: Certificate) -> dict[str, Flags]:
    """Return which samples are in each state, (n,); each sample is in one."""
    certified, robust, correct, both = certificate.certified, record.robust, record.correct, record.contradicted
    return {
        "certified": certified & robust & ~both,
        "open": robust & ~certified & ~both,
        "broken": correct & ~robust & ~certified & ~both,
        "wrong": ~correct & ~certified,
        "contradicted": both,
    }


def cell(row: Row) -> Html:
    """Return the cell of the table: the lower end of the bracket, whose upper end is in the next cell."""
    certificate = row.record.certificate
    if certificate is None or row.certified is None:
        return tag("td")
    low, high = wilson(int(certificate.certified.sum()), row.record.data.n)
    interval = tag("small", f"{100 * low:.1f} to {100 * high:.1f}")
    return tag("td", tag("b", f"{row.certified:.1f}"), interval, class_="certified")


def section(row: Row) -> Html | None:
    """Return the bracket of a row in words, with a mark for each sample; None without a certificate."""
    record, certificate = row.record, row.record.certificate
    if certificate is None or row.certified is None:
        return None
    states = find_states(record, certificate)
    return tag(
        "figure",
        tag("p", tag("b", f"{row.certified:.1f} ≤ robust ≤ {row.robust:.1f} %"), f" {_describe(certificate)}"),
        _marks(states),
        tag("figcaption", _legend(states, record.data.n)),
        class_="bracket",
    )


def _describe(certificate: Certificate) -> str:
    by = ", ".join(f"{method} {count:,}" for method, count in certificate.by.items())
    stopped = f"; stopped by the {certificate.partial}, and what was not asked is open" * bool(certificate.partial)
    return f"certified by {certificate.method} ({by}) in {certificate.seconds:,.1f} s{stopped}"


def _marks(states: dict[str, Flags]) -> Html:
    """Draw a mark for each of the first samples, line by line in the order of their numbers."""
    n = min(MAX_MARKS, len(states["open"]))
    lines = -(-n // COLUMNS)
    drawn = (void("path", class_=name, d=_path(np.flatnonzero(flags[:n]), name)) for name, flags in states.items())
    counts = "; ".join(f"{int(flags.sum())} {name}" for name, flags in states.items() if flags.any())
    return tag(
        "svg",
        tag("title", f"The samples in the order of their numbers: {counts}"),
        *drawn,
        viewBox=f"0 0 {PITCH * min(n, COLUMNS)} {PITCH * lines}",
        width=PITCH * min(n, COLUMNS),
        class_="marks",
        role="img",
    )


def _path(rows: Iterable[int], name: str) -> str:
    places = (divmod(int(k), COLUMNS) for k in rows)
    return "".join(f"M{PITCH * column + 1} {PITCH * line + 3.5}{SHAPES[name]}" for line, column in places)


def _legend(states: dict[str, Flags], n: int) -> Html:
    items = (
        tag("li", _key(name), f"{MEANINGS[name]}: {int(flags.sum()):,} ({percent(int(flags.sum()), n):.1f} %)")
        for name, flags in states.items()
        if flags.any()
    )
    more = tag("li", f"the first {MAX_MARKS:,} of {n:,} samples are drawn") if n > MAX_MARKS else None
    return tag("ul", *items, more, class_="legend")


def _key(name: str) -> Html:
    path = void("path", class_=name, d=f"M1 3.5{SHAPES[name]}")
    return tag("svg", path, viewBox="0 0 7 7", class_="marks", aria_hidden="true")

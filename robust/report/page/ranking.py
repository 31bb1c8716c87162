"""The section of a board: its chart, and its table, which JavaScript can sort and filter."""

from collections.abc import Iterable

from robust.records.curve import describe_radius
from robust.records.store import PAGES
from robust.report.board import Board, Row
from robust.report.corrupted import mean_cell
from robust.report.page import bracket
from robust.report.page.layout import MAX_ROWS, Layout, further_links, slice_of
from robust.report.page.marks import family, legend, number_families
from robust.report.page.markup import Html, breakable, join, number, tag, void
from robust.report.page.scatter import scatter
from robust.report.table import (
    Column,
    columns,
    describe_folds,
    describe_rounding,
    describe_scores,
    mean_cells,
    spread_cell,
    worst_cell,
)

INTERVAL = "95 % interval"
FIRST = (
    "rank",
    "model",
    "certified %",
    "robust %",
    "open %",
    "verdict",
)  # what decides, so that no width hides it; the others scroll
NARROW = (
    "This window is narrow: the columns n, params and weights are left out. The samples stand above the table, "
    "parameters and weights at each model below."
)


def section(board: Board, number_: int, layout: Layout) -> Html:
    """Return the section of board number `number_`, with the first rows in its table and the others in a template."""
    lines = [_line(board, row, layout.link(row.record, f"{PAGES}/")) for row in board.rows]
    shown = slice_of(1)
    return tag(
        "section",
        tag("h2", heading(board), " ", tag("small", board.suite), id=f"b{number_}"),
        tag("p", describe_samples(board), class_="under"),
        _plot(board, layout),
        table(board, lines[shown]),
        further_links(board, 1),
        tag("template", *lines[shown.stop :]) if lines[shown.stop :] else None,
        tag("p", NARROW, class_="note narrow"),
        _stages(board),
        tag("p", rounding, class_="note") if (rounding := describe_rounding(board)) else None,
        tag("p", means, class_="note") if (means := describe_scores(board)) else None,
        *(tag("p", told, class_="note") for row in board.rows if (told := describe_folds(row))),
        class_="board",
        aria_labelledby=f"b{number_}",
        data_threat=board.threat,
    )


def _plot(board: Board, layout: Layout) -> Html | None:
    marks = number_families(row.record for row in board.rows)
    chart = scatter(board, marks, layout)
    return (
        tag("figure", chart, tag("figcaption", legend(marks.items()), _caption(board)), class_="plot")
        if chart
        else None
    )


def further_section(board: Board, layout: Layout, number: int) -> Html:
    """Return the section of a board on the page of this number, with the rows that stand there alone."""
    lines = (_line(board, row, layout.link(row.record, "")) for row in board.rows[slice_of(number)])
    title = tag("h2", heading(board), " ", tag("small", board.suite))
    samples = tag("p", describe_samples(board), class_="under")
    return tag("section", title, samples, table(board, lines), further_links(board, number), class_="board")


def heading(board: Board) -> str:
    """Return the title of a board."""
    return board.title


def describe_samples(board: Board) -> str:
    """Return the number of rows, and the number and hash of their samples."""
    n = " to ".join(dict.fromkeys(f"{size:,}" for size in (board.sizes[0], board.sizes[-1])))
    rows = f"{len(board.rows)} row{'s' * (len(board.rows) > 1)}"
    digests = sorted({digest[:8] for digest in board.digests})
    samples = (
        f"{n} samples (sha256 {digests[0]})" if len(digests) == 1 else f"{n} samples, {len(digests)} selections of them"
    )
    return f"{rows}, {samples}"


def table(board: Board, lines: Iterable[Html]) -> Html:
    """Return the table of a board with these of its lines."""
    hidden = {INTERVAL, "training", *board.columns} - {*_attacks(board)}
    shown = [column for column in columns(board) if column.title not in hidden]
    heads = sorted(shown, key=lambda column: FIRST.index(column.title) if column.title in FIRST else len(FIRST))
    return tag(
        "div",
        tag(
            "table",
            tag("caption", f"{heading(board)}: {describe_samples(board)}", class_="hidden"),
            tag("thead", tag("tr", *map(_head, heads))),
            tag("tbody", *lines),
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=f"table of {heading(board)}, {board.suite}",
    )


def _attacks(board: Board) -> tuple[str, ...]:
    """Return the columns of attacks; none if there is a single attack, whose figures equal the worst case."""
    return () if len(board.columns) == 1 and not board.stages else board.attacks


def _head(column: Column) -> Html:
    """Return the head of a column; its class is that of names, or of long titles over numbers."""
    long = "long" if ":" in column.title else None
    return tag("th", breakable(column.title), scope="col", class_=long if column.numeric else "word")


def _line(board: Board, row: Row, address: str) -> Html:
    record, model = row.record, row.record.model
    link = tag("a", model.name, href=address)
    name = tag("th", link, tag("small", breakable(record.recipe)), scope="row", class_="name")
    under = dict(zip(board.columns, row.under, strict=True))
    figures = [tag("td", "" if under[name] is None else f"{under[name]:.1f}") for name in _attacks(board)]
    return tag(
        "tr",
        tag("td", "partial" if row.rank is None else row.rank, class_="rank"),
        name,
        *[bracket.cell(row)] * board.certified,
        tag("td", tag("b", f"{row.robust:.1f}"), whisker(row), class_="robust"),
        *[tag("td", "" if row.open is None else f"{row.open:.1f}")] * board.certified,
        *[tag("td", verdict(row), class_="word")] * board.judged,
        tag("td", f"{row.clean:.1f}"),
        *figures,
        *[tag("td", spread_cell(row))] * board.folded,
        *[tag("td", worst_cell(row))] * board.classed,
        *[tag("td", mean_cell(row.record))] * board.corrupted,
        *(tag("td", cell) for cell in mean_cells(board, row)),
        *[_median(row)] * board.curved,
        *[_certified_median(row)] * board.proved,
        *[tag("td", record.draws, class_="word")] * board.drawn,
        tag("td", f"{row.drop:.1f}"),
        tag("td", f"{record.data.n:,}"),
        tag("td", f"{model.params:,}"),
        tag("td", tag("code", model.weights[:8]), class_="word"),
        data_t=family(record),
        data_v=record.verdict or "unchecked",
    )


def _median(row: Row) -> Html:
    """Return the cell of the median adversarial distance; an empty one without a curve."""
    curve = row.record.curve
    return tag("td", "" if curve is None else describe_radius(curve, curve.median))


def _certified_median(row: Row) -> Html:
    """Return the cell of the median certified radius; an empty one without any."""
    curve = row.record.curve
    return tag("td", describe_radius(curve, curve.proved.median) if curve and curve.proved else "")


def verdict(row: Row) -> Html:
    """Return the verdict as a word, to which the style adds a sign and a colour."""
    word = row.record.verdict or "unchecked"
    return tag("span", row.record.marked_verdict, class_=f"verdict {word}")


def whisker(row: Row) -> Html:
    """Draw the robust accuracy between 0 and 100 % with its interval, also written as text, and what is certified."""
    low, high = number(0.6 * row.low), max(0.6 * (row.high - row.low), 1)
    return join(
        tag(
            "svg",
            void("path", class_="proof", d=f"M0 5h{number(0.6 * row.certified)}") if row.certified else None,
            void("path", class_="span", d=f"M{low} 5h{number(high)}"),
            void("path", class_="dot", d=f"M{number(0.6 * row.robust)} 1v8"),
            viewBox="0 0 60 10",
            aria_hidden="true",
        ),
        tag("small", f"{row.low:.1f} to {row.high:.1f}"),
    )


def _caption(board: Board) -> Html:
    proofs = " The dotted lines go down to what is certified." * board.certified
    others = f" Rows after the first {MAX_ROWS} are small circles without a link." * (len(board.rows) > MAX_ROWS)
    return tag(
        "p",
        "Each point is a row and links to it; the thin lines are 95 % Wilson intervals. The stepped line joins the "
        f"rows that no other beats in both accuracies. Hollow: partial, or not trusted.{proofs}{others}",
    )


def _stages(board: Board) -> Html | None:
    if not board.stages:
        return None
    listed = tag("ol", *(tag("li", tag("code", attack)) for attack in board.stages))
    return tag("details", tag("summary", "The stages of the suite"), listed)

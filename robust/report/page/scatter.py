"""Clean against robust accuracy: every row a point that leads to its section, with both intervals."""

from robust.records.record import Record
from robust.report.board import Board, Row
from robust.report.page.axes import Axes, around
from robust.report.page.marks import colour, family, shape
from robust.report.page.markup import Html, join, number, tag, void
from robust.report.page.names import anchor
from robust.stats import wilson

MANY = 60  # rows whose intervals would hide what they are of, unless they are drawn faintly


def scatter(board: Board, marks: dict[str, int]) -> Html:
    """A board's chart; "" where there are too few rows to be compared."""
    if len(board.rows) < 3:
        return join()
    clean = [bound for row in board.rows for bound in _clean_interval(row)]
    axes = Axes(*around(clean), *around([bound for row in _seen(board) for bound in (row.low, row.high)]))
    best = front(board.rows)
    told = f"{len(board.rows)} rows, whose numbers are in the table. The line joins those that no other beats in both."
    return tag(
        "svg",
        tag("title", f"Clean against robust accuracy, {board.data}, {board.threat}"),
        tag("desc", told),
        axes.frame("clean accuracy, %", "robust accuracy, %"),
        _chance(axes, board.rows[0].record),
        void("path", class_="front", d=_steps(axes, best)),
        # Pointers follow the points; a keyboard and a screen reader have the table, whose links are the same.
        tag(
            "g",
            *(_point(axes, row, marks[family(row.record)]) for row in reversed(board.rows)),
            aria_hidden="true",
            class_="many" if len(board.rows) > MANY else None,
        ),
        viewBox=f"0 0 {axes.width} {axes.height}",
        class_="chart",
        role="group",
    )


def _seen(board: Board) -> list[Row]:
    """The rows that the chart has room for: those with half of the best accuracy or more, where these are most.

    A few that lost all would press the others together; they are drawn on the lower edge.
    """
    half = max(row.robust for row in board.rows) / 2
    high = [row for row in board.rows if row.robust >= half]
    return high if len(high) > 0.6 * len(board.rows) else [*board.rows]


def front(rows: tuple[Row, ...]) -> list[Row]:
    """The rows with a rank that no other beats in both accuracies, from the most robust on."""
    found: list[Row] = []
    able = (row for row in rows if row.rank is not None and row.record.verdict != "broken")
    for row in sorted(able, key=lambda row: (-row.robust, -row.clean)):
        if not found or row.clean > found[-1].clean:
            found.append(row)
    return found


def _point(axes: Axes, row: Row, mark: int) -> Html:
    model = row.record.model
    figures = f"clean {row.clean:.1f} %, robust {row.robust:.1f} % ({row.low:.1f} to {row.high:.1f})"
    told = f"{model.name}, {row.record.recipe}: {figures}"
    hollow = row.rank is None or row.record.verdict in ("suspect", "broken")
    drawn = join(
        void("path", d=_whiskers(axes, row)),
        void("use", href=shape(mark), x=number(axes.x(row.clean)), y=number(_y(axes, row))),
    )
    classes = f"{colour(mark)}{' hollow' * hollow}"
    return tag("a", tag("title", told), drawn, href=f"#{anchor(row.record)}", tabindex=-1, class_=classes)


def _clean_interval(row: Row) -> tuple[float, float]:
    low, high = wilson(int(row.record.correct.sum()), row.record.data.n)
    return 100 * low, 100 * high


def _y(axes: Axes, row: Row) -> float:
    return axes.y(max(row.robust, axes.y0))


def _whiskers(axes: Axes, row: Row) -> str:
    left, right = _clean_interval(row)
    across = f"M{number(axes.x(left))} {number(_y(axes, row))}H{number(axes.x(right))}"
    low, high = max(row.low, axes.y0), max(min(row.high, axes.y1), axes.y0)
    return f"{across}M{number(axes.x(row.clean))} {number(axes.y(low))}V{number(axes.y(high))}"


def _steps(axes: Axes, rows: list[Row]) -> str:
    """Along the edge of what is beaten: level from a row to the next one's clean accuracy, then down."""
    if not rows:
        return ""
    path = f"M{axes.left} {number(axes.y(rows[0].robust))}"
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        path += f"H{number(axes.x(row.clean))}"
        path += f"V{number(_y(axes, following) if following else axes.y_end)}"
    return path


def _chance(axes: Axes, record: Record) -> Html:
    """What guessing gets, where the record knows how many classes there are and the chart reaches down to it."""
    classes = len(record.provenance.get("classes", {}).get("n", ()))
    if not classes or not axes.y0 <= 100 / classes <= axes.y1:
        return join()
    return join(
        void("path", class_="chance", d=axes.across(100 / classes)),
        tag("text", "chance", class_="title", x=axes.x_end - 4, y=number(axes.y(100 / classes) - 5)),
    )

"""A chart of robust against clean accuracy: each row is a point with both intervals, and links to its section."""

from robust.records.record import Record
from robust.records.store import PAGES
from robust.report.board import Board, Row
from robust.report.page.axes import Axes, pad_bounds
from robust.report.page.layout import MAX_ROWS, Layout
from robust.report.page.marks import colour, family, shape
from robust.report.page.markup import Html, join, number, tag, void
from robust.stats import wilson

MAX_DISTINCT = 60  # rows; the intervals of more would hide the points, so they are drawn faintly


def scatter(board: Board, marks: dict[str, int], layout: Layout) -> Html:
    """Return the chart of a board; "" for fewer than three rows."""
    if len(board.rows) < 3:
        return join()
    clean = [bound for row in board.rows for bound in _clean_interval(row)]
    robust = [bound for row in board.rows for bound in (row.low, row.high, row.certified) if bound is not None]
    axes = Axes(*pad_bounds(clean), *pad_bounds(robust))
    best = pareto_front(board.rows)
    description = (
        f"{len(board.rows)} rows; the table has their figures. The line joins those that no other beats in both."
    )
    return tag(
        "svg",
        tag("title", f"Clean against robust accuracy, {board.title}"),
        tag("desc", description),
        axes.frame("clean accuracy, %", "robust accuracy, %"),
        _chance(axes, board.rows[0].record),
        void("path", class_="front", d=_steps(axes, best)),
        # For pointers only; the table has the same links for the keyboard and screen readers.
        tag(
            "g",
            *reversed(_points(axes, board, marks, layout)),
            aria_hidden="true",
            class_="points many" if len(board.rows) > MAX_DISTINCT else "points",
        ),
        viewBox=f"0 0 {axes.width} {axes.height}",
        class_="chart",
        role="group",
    )


def pareto_front(rows: tuple[Row, ...]) -> list[Row]:
    """Return the ranked rows that no other beats in both accuracies, the most robust first."""
    best: list[Row] = []
    ranked = (row for row in rows if row.rank is not None and row.record.verdict != "broken")
    for row in sorted(ranked, key=lambda row: (-row.robust, -row.clean)):
        if not best or row.clean > best[-1].clean:
            best.append(row)
    return best


def _points(axes: Axes, board: Board, marks: dict[str, int], layout: Layout) -> list[Html]:
    """Return a point for each row, those after the first MAX_ROWS as small circles without a link."""
    points = []
    for k, row in enumerate(board.rows):
        mark = marks[family(row.record)]
        hollow = row.rank is None or row.record.verdict in ("suspect", "broken")
        classes = f"{colour(mark)}{' hollow' * hollow}"
        x, y = number(axes.x(row.clean)), number(axes.y(row.robust))
        if k < MAX_ROWS:
            drawn = (void("path", d=_whiskers(axes, row)), _proof(axes, row), void("use", href=shape(mark), x=x, y=y))
            link = {"href": layout.link(row.record, f"{PAGES}/"), "tabindex": -1}
            points.append(tag("a", tag("title", _describe(row)), *drawn, **link, class_=classes))
        else:  # a browser draws thousands of circles quickly, and of nothing else
            points.append(void("circle", cx=x, cy=y, r=2, class_=classes))
    return points


def _describe(row: Row) -> str:
    figures = f"clean {row.clean:.1f} %, robust {row.robust:.1f} % ({row.low:.1f} to {row.high:.1f})"
    proved = "" if row.certified is None else f", certified {row.certified:.1f} %"
    return f"{row.record.model.name}, {row.record.recipe}: {figures}{proved}"


def _clean_interval(row: Row) -> tuple[float, float]:
    low, high = wilson(int(row.record.correct.sum()), row.record.data.n)
    return 100 * low, 100 * high


def _whiskers(axes: Axes, row: Row) -> str:
    left, right = _clean_interval(row)
    across = f"M{number(axes.x(left))} {number(axes.y(row.robust))}H{number(axes.x(right))}"
    return f"{across}M{number(axes.x(row.clean))} {number(axes.y(row.low))}V{number(axes.y(row.high))}"


def _proof(axes: Axes, row: Row) -> Html | None:
    """Return the line from the robust accuracy down to what is certified, with a foot; None without a certificate."""
    if row.certified is None:
        return None
    x, foot = axes.x(row.clean), number(axes.y(row.certified))
    line = f"M{number(x)} {number(axes.y(row.robust))}V{foot}M{number(x - 4)} {foot}H{number(x + 4)}"
    return void("path", class_="proof", d=line)


def _steps(axes: Axes, rows: list[Row]) -> str:
    """Return the path of steps along the front: level to the clean accuracy of a row, then down to the next."""
    if not rows:
        return ""
    path = f"M{axes.left} {number(axes.y(rows[0].robust))}"
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        path += f"H{number(axes.x(row.clean))}"
        path += f"V{number(axes.y(following.robust) if following else axes.y_end)}"
    return path


def _chance(axes: Axes, record: Record) -> Html:
    """Return a line at the accuracy of guessing, if the number of classes is known and the chart reaches it."""
    classes = len(record.provenance.get("classes", {}).get("n", ()))
    if not classes or not axes.y0 <= 100 / classes <= axes.y1:
        return join()
    return join(
        void("path", class_="chance", d=axes.across(100 / classes)),
        tag("text", "chance", class_="title", x=axes.x_end - 4, y=number(axes.y(100 / classes) - 5)),
    )

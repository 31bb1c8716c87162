"""The whole page of a leaderboard."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from robust.records.gallery import Gallery
from robust.report.board import Board
from robust.report.page import model, ranking
from robust.report.page.controls import controls, pack_lines
from robust.report.page.curves import Curve, Group, chart, curves, group_curves
from robust.report.page.document import document, read_asset
from robust.report.page.imported import claims
from robust.report.page.layout import Layout, place_models
from robust.report.page.marks import shapes
from robust.report.page.markup import Html, join, tag
from robust.report.page.names import model_key
from robust.report.robustbench import Imported
from robust.report.table import legend


def page(
    boards: Sequence[Board],
    galleries: Mapping[str, Gallery],
    imported: Sequence[Imported] = (),
    reports: Mapping[str, str] = model.NONE,
) -> str:
    """Return index.html; `galleries` are those of rows, by the stems of their records, for a page that holds models.

    `reports` are the paths of those on trainings, by their keys.
    """
    layout = Layout.of(boards)
    main = tag(
        "main",
        *(ranking.section(board, k, layout) for k, board in enumerate(boards)),
        _curves(curves(boards)),
        claims(imported),
        join() if layout.models else _models(boards, galleries, reports),
        id="top",
    )
    footer = tag("footer", tag("p", "Made by pytest-robust from the records beside this page, and from nothing else."))
    data = tag("script", Html(pack_lines(boards)), type="application/json", id="data")
    body = (shapes(), _header(boards), controls(boards), main, footer, data)
    return document("Robustness leaderboard", *body, script=read_asset("reveal.js") + read_asset("page.js"))


def _header(boards: Sequence[Board]) -> Html:
    rows = [row for board in boards for row in board.rows]
    models = {model_key(row.record) for row in rows}
    counts = {"model": len(models), "row": len(rows), "board": len(boards)}
    tiles = (
        tag("div", tag("dt", name + "s" * (count != 1)), tag("dd", f"{count:,}")) for name, count in counts.items()
    )
    return tag(
        "header",
        tag("a", "Skip to the tables", href="#top", class_="skip"),
        tag("h1", "Robustness leaderboard"),
        tag(
            "p",
            "How many test samples each model still answers right after the changes that a threat model allows.",
            class_="lead",
        ),
        tag("dl", *tiles, class_="tiles"),
        tag(
            "p",
            "Full precision: ",
            _file("leaderboard.csv"),
            ", one line a row; ",
            _file("results.csv"),
            ", one line an attack; ",
            _file("groups.csv"),
            ", one line a class or group.",
        ),
        tag("details", tag("summary", "How to read it"), tag("p", legend(boards))),
    )


def _file(name: str) -> Html:
    return tag("a", name, href=name)


def _curves(drawn: Sequence[Curve]) -> Html:
    if not drawn:
        return join()

    def group(curve: Curve) -> Group:
        return curve.group

    charts = (chart(list(members), each.title) for each, members in groupby(sorted(drawn, key=group), group))
    return tag("section", tag("h2", "Accuracy against eps", id="curves"), *charts, aria_labelledby="curves")


def _models(boards: Sequence[Board], galleries: Mapping[str, Gallery], reports: Mapping[str, str]) -> Html:
    placed, drawn = place_models(boards), group_curves(boards)
    sections = (model.section(rows, drawn.get(key, ()), galleries, reports) for key, rows in placed.items())
    return tag("section", tag("h2", "Models", id="models"), *sections, aria_labelledby="models") if placed else join()

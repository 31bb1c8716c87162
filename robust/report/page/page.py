"""The whole page of a leaderboard."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby

from robust.records.gallery import Gallery
from robust.records.store import GENERATED
from robust.report.board import Board
from robust.report.csv import wide_table
from robust.report.page import model, ranking
from robust.report.page.curves import Curve, chart, curves
from robust.report.page.imported import claims
from robust.report.page.marks import family, shapes
from robust.report.page.markup import Html, join, tag, void
from robust.report.page.names import ModelKey, model_key
from robust.report.robustbench import Imported
from robust.report.table import LEGEND


def page(boards: Sequence[Board], galleries: Mapping[str, Gallery], imported: Sequence[Imported] = ()) -> str:
    """Return index.html; `galleries` are those of rows, by the stems of their records."""
    style, script = (_read_asset(name) for name in ("page.css", "page.js"))
    drawn = curves(boards)
    body = [
        shapes(),
        _header(boards),
        _controls(boards),
        tag(
            "main",
            *(ranking.section(board, k) for k, board in enumerate(boards)),
            _curves(drawn),
            claims(imported),
            _models(boards, drawn, galleries),
            id="top",
        ),
        tag("footer", tag("p", "Made by pytest-robust from the records beside this page, and from nothing else.")),
    ]
    head = [
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        void("meta", name="color-scheme", content="light dark"),
        tag("title", "Robustness leaderboard"),
        void("link", rel="icon", href="data:,"),
        tag("style", Html(style)),
    ]
    data = tag("script", Html(_data(boards)), type="application/json", id="data")
    html = tag("html", tag("head", *head), tag("body", *body, data, tag("script", Html(script))), lang="en")
    return f"{GENERATED['index.html']}\n{html}\n"


def _read_asset(name: str) -> str:
    return files("robust.report.page").joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Return the content security policy: nothing is loaded, and only this style and this script run."""
    digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script)]
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _data(boards: Sequence[Board]) -> str:
    """Return leaderboard.csv as JSON, for downloads, with its lines in the order of the rows of the tables."""
    columns, lines = wide_table(boards)
    content = {"columns": columns, "rows": [[line.get(column) for column in columns] for line in lines]}
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


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
            "How many test samples each model still answers right when somebody changes them on purpose.",
            class_="lead",
        ),
        tag("dl", *tiles, class_="tiles"),
        tag(
            "p",
            "Full precision: ",
            _file("leaderboard.csv"),
            ", one line a row; ",
            _file("results.csv"),
            ", one line an attack.",
        ),
        tag("details", tag("summary", "How to read it"), tag("p", LEGEND)),
    )


def _controls(boards: Sequence[Board]) -> Html:
    """Return the controls, hidden until JavaScript shows them, since they do nothing without it."""
    records = [row.record for board in boards for row in board.rows]
    choices = {
        "threat": sorted({record.threat for record in records}),
        "training": sorted({family(record) for record in records}),
        "verdict": sorted({record.verdict or "unchecked" for record in records}),
    }
    selects = (
        tag(
            "label",
            name,
            tag(
                "select", tag("option", "all", value=""), *(tag("option", word, value=word) for word in words), id=name
            ),
        )
        for name, words in choices.items()
    )
    search = tag("label", "search", void("input", type="search", id="search", placeholder="model, training, weights"))
    buttons = (tag("button", label, type="button", id=name) for name, label in BUTTONS.items())
    fields = (search, *selects, tag("span", *buttons, class_="buttons"), tag("p", id="state", role="status"))
    return tag("form", *fields, id="controls", hidden=True, role="search")


def _file(name: str) -> Html:
    return tag("a", name, href=name)


BUTTONS = {"link": "Copy link", "csv": "CSV", "json": "JSON", "clear": "Reset"}


def _curves(drawn: Sequence[Curve]) -> Html:
    if not drawn:
        return join()

    def group(curve: Curve) -> tuple[str, str, str]:
        return curve.group

    charts = (
        chart(list(members), f"{data}, {norm}") for (data, norm, _), members in groupby(sorted(drawn, key=group), group)
    )
    return tag("section", tag("h2", "Accuracy against eps", id="curves"), *charts, aria_labelledby="curves")


def _models(boards: Sequence[Board], drawn: Sequence[Curve], galleries: Mapping[str, Gallery]) -> Html:
    placed: dict[ModelKey, list[model.Placed]] = {}
    for board in boards:
        for row in board.rows:
            placed.setdefault(model_key(row.record), []).append((board, row))
    sections = (
        model.section(rows, [curve for curve in drawn if curve.model == key], galleries) for key, rows in placed.items()
    )
    return tag("section", tag("h2", "Models", id="models"), *sections, aria_labelledby="models") if placed else join()

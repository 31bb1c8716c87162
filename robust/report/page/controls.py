"""Controls that only JavaScript can use, and the lines that they download."""

import json
from collections.abc import Sequence
from typing import Any

from robust.report.board import Board
from robust.report.csv import wide_table
from robust.report.page.marks import family
from robust.report.page.markup import Html, tag, void

BUTTONS = {"link": "Copy link", "csv": "CSV", "json": "JSON", "clear": "Reset"}


def controls(boards: Sequence[Board]) -> Html:
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


def pack_lines(boards: Sequence[Board]) -> str:
    """Return leaderboard.csv as JSON, for downloads, with its lines in the order of the rows of the tables.

    What is the same in all lines of a board, as what it does not have, is there once: "same", by column; the other
    columns are "at", in the order of the cells of "rows".
    """
    columns, lines = wide_table(boards)
    cells = iter([line.get(column) for column in columns] for line in lines)
    packed = [_pack([next(cells) for _ in board.rows]) for board in boards]
    content = {"columns": columns, "boards": packed}
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def _pack(rows: list[list[Any]]) -> dict[str, Any]:
    at = [k for k, column in enumerate(zip(*rows, strict=True)) if any(cell != column[0] for cell in column)]
    varying = {*at}
    same = {k: cell for k, cell in enumerate(rows[0]) if k not in varying and cell is not None}
    return {"same": same, "at": at, "rows": [[row[k] for k in at] for row in rows]}

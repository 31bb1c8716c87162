"""Badges: what a board's first row gets, for shields.io's endpoint, and as a picture that needs no server."""

import json

from robust.records.store import MADE
from robust.report.board import Board, Row
from robust.report.page.markup import text

HEAD = '{"schemaVersion": 1, "label": "robust acc.'
WIDTH = 6.6  # of a letter of Verdana at 11 pixels, on average
COLOURS = ((70, "brightgreen"), (55, "green"), (40, "yellowgreen"), (25, "yellow"), (10, "orange"), (0, "red"))
HEX = {
    "brightgreen": "#3c8f1b", "green": "#4d7f0c", "yellowgreen": "#6e7216", "yellow": "#8a6a0a", "orange": "#b3541e",
    "red": "#b83a2b", "lightgrey": "#6b6b6b",
}  # fmt: skip


def label(row: Row) -> str:
    return f"robust acc. ({row.record.threat})"


def message(row: Row) -> str:
    """The figure, never empty; with the verdict where that is not to be relied on, and as a bound where it is one."""
    doubt = row.record.verdict if row.record.verdict in ("suspect", "broken") else ""
    bound = "at most " if row.record.partial else ""
    return f"{bound}{row.robust:.1f} %{f', {doubt}' if doubt else ''}"


def colour(row: Row) -> str:
    """Grey where the figure is not to be relied on."""
    if row.record.partial or row.record.verdict in ("suspect", "broken"):
        return "lightgrey"
    return next(name for least, name in COLOURS if row.robust >= least)


def shields(row: Row) -> str:
    """For https://shields.io/badges/endpoint-badge."""
    content = {"schemaVersion": 1, "label": label(row), "message": message(row), "color": colour(row)}
    return json.dumps(content) + "\n"


def svg(row: Row) -> str:
    """The same as a picture."""
    left, right = label(row), message(row)
    a, b = (round(WIDTH * len(words)) + 12 for words in (left, right))
    told = text(f"{left}: {right}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{a + b}" height="20" role="img" aria-label="{told}">{MADE}'
        f'<title>{told}</title><clipPath id="c"><rect width="{a + b}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#c)"><path fill="#444" d="M0 0h{a}v20H0z"/>'
        f'<path fill="{HEX[colour(row)]}" d="M{a} 0h{b}v20h-{b}z"/></g>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{a / 2:g}" y="14" textLength="{a - 12}">{text(left)}</text>'
        f'<text x="{a + b / 2:g}" y="14" textLength="{b - 12}">{text(right)}</text></g></svg>\n'
    )


def ours(content: str) -> bool:
    """Whether a badge is one that was made here."""
    return MADE in content or content.startswith(HEAD)


def badges(board: Board) -> dict[str, str]:
    """Of a board's first row, by the names of the files."""
    row = board.rows[0]
    name = "-".join(row.record.stem.split("/")[:3])
    return {f"{name}.json": shields(row), f"{name}.svg": svg(row)}

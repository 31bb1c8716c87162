"""Badges of the first row of a board: JSON for the endpoint of shields.io, and an SVG image that needs no server."""

import json

from robust.attacks.text import printable
from robust.records.store import MADE
from robust.report.board import Board, Row
from robust.report.page.markup import text

HEAD = '{"schemaVersion": 1, "label": "robust acc.'
WIDTH = 6.6  # pixels, the average width of a letter of Verdana at 11 pixels
COLOURS = ((70, "brightgreen"), (55, "green"), (40, "yellowgreen"), (25, "yellow"), (10, "orange"), (0, "red"))
HEX = {
    "brightgreen": "#3c8f1b", "green": "#4d7f0c", "yellowgreen": "#6e7216", "yellow": "#8a6a0a", "orange": "#b3541e",
    "red": "#b83a2b", "lightgrey": "#6b6b6b",
}  # fmt: skip


def label(row: Row) -> str:
    """Return the left half of the badge."""
    return printable(f"robust acc. ({row.record.threat})")


def message(row: Row) -> str:
    """Return the right half: the figure, with a bad verdict, and as a bound if the row is partial."""
    verdict = row.record.verdict if row.record.verdict in ("suspect", "broken") else ""
    bound = "at most " if row.record.partial else ""
    return f"{bound}{row.robust:.1f} %{f', {verdict}' if verdict else ''}"


def colour(row: Row) -> str:
    """Return the colour by the figure; grey if the row is partial or has a bad verdict."""
    if row.record.partial or row.record.verdict in ("suspect", "broken"):
        return "lightgrey"
    return next(name for least, name in COLOURS if row.robust >= least)


def shields(row: Row) -> str:
    """Return JSON for https://shields.io/badges/endpoint-badge."""
    content = {"schemaVersion": 1, "label": label(row), "message": message(row), "color": colour(row)}
    return json.dumps(content) + "\n"


def svg(row: Row) -> str:
    """Return the badge as an SVG image."""
    left, right = label(row), message(row)
    a, b = (round(WIDTH * len(words)) + 12 for words in (left, right))
    title = text(f"{left}: {right}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{a + b}" height="20" role="img" aria-label="{title}">{MADE}'
        f'<title>{title}</title><clipPath id="c"><rect width="{a + b}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#c)"><path fill="#444" d="M0 0h{a}v20H0z"/>'
        f'<path fill="{HEX[colour(row)]}" d="M{a} 0h{b}v20h-{b}z"/></g>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{a / 2:g}" y="14" textLength="{a - 12}">{text(left)}</text>'
        f'<text x="{a + b / 2:g}" y="14" textLength="{b - 12}">{text(right)}</text></g></svg>\n'
    )


def is_generated(content: str) -> bool:
    """Whether a badge was made by this package."""
    return MADE in content or content.startswith(HEAD)


def badges(board: Board) -> dict[str, str]:
    """Return the badges of the first row of a board, by the names of the files."""
    row = board.rows[0]
    name = "-".join(row.record.stem.split("/")[:3])
    return {f"{name}.json": shields(row), f"{name}.svg": svg(row)}

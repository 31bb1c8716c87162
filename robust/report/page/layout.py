"""Places of rows and models: all in index.html, or those of a large leaderboard in further pages, in pages/."""

from collections.abc import Sequence
from dataclasses import dataclass

from robust.records.record import Record
from robust.records.store import PAGES
from robust.report.board import Board, Row
from robust.report.page.markup import Html, tag
from robust.report.page.names import ModelKey, anchor, hash_model, model_key

MAX_ROWS = 100  # of a board in one table, and of all boards with their models in one page
MODELS = 32  # in a further page, about

Placed = tuple[Board, Row]


@dataclass(frozen=True, slots=True)
class Layout:
    """The number of pages that hold the models; 0 if index.html does."""

    models: int

    @classmethod
    def of(cls, boards: Sequence[Board]) -> "Layout":
        """Return the layout of these boards. Twice as many models are in twice as many pages, and keep half of them.

        So another row changes the page of its model alone.
        """
        if sum(len(board.rows) for board in boards) <= MAX_ROWS:
            return cls(0)
        count = len({model_key(row.record) for board in boards for row in board.rows})
        return cls(2 ** max(0, (count - 1) // MODELS).bit_length())

    def number(self, key: ModelKey) -> int:
        """Return the number of the page of a model, from 1."""
        return 1 + hash_model(key) % self.models

    def link(self, record: Record, folder: str) -> str:
        """Return the address of a row's section, for a page from which the further pages are in `folder`."""
        place = f"#{anchor(record)}"
        return f"{folder}{model_page(self.number(model_key(record)))}{place}" if self.models else place


def model_page(number: int) -> str:
    """Return the name of a page of models."""
    return f"models-{number}.html"


def row_page(number: int) -> str:
    """Return the name of the page with the rows of each board after the first MAX_ROWS * (number - 1)."""
    return f"rows-{number}.html"


def slice_of(number: int) -> slice:
    """Return which rows of a board that page shows; index.html shows those of number 1."""
    return slice(MAX_ROWS * (number - 1), MAX_ROWS * number)


def count_pages(board: Board) -> int:
    """Return on how many pages the rows of a board stand, index.html among them."""
    return -(-len(board.rows) // MAX_ROWS)


def place_models(boards: Sequence[Board]) -> dict[ModelKey, list[Placed]]:
    """Return the rows of each model, in the order of the boards."""
    placed: dict[ModelKey, list[Placed]] = {}
    for board in boards:
        for row in board.rows:
            placed.setdefault(model_key(row.record), []).append((board, row))
    return placed


def further_links(board: Board, number: int) -> Html | None:
    """Return the links to the pages with the board's other rows, on the page of this number; None if there are none."""
    if count_pages(board) < 2:
        return None
    texts = (tag("li", _link(board, k, number)) for k in range(1, 1 + count_pages(board)))
    name = f"rows of {board.title}, {board.suite}"
    return tag("nav", tag("p", f"All {len(board.rows):,} rows:"), tag("ul", *texts), class_="further", aria_label=name)


def _link(board: Board, k: int, number: int) -> Html:
    shown = slice_of(k)
    words = f"{shown.start + 1:,} to {min(shown.stop, len(board.rows)):,}"
    if k == number:
        return tag("b", words)
    here = f"{PAGES}/" if number == 1 else ""
    return tag("a", words, href="../index.html" if k == 1 else f"{here}{row_page(k)}")

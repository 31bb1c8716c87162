"""The further pages of a large leaderboard: rows of the boards, and the sections of models."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from robust.records.gallery import Gallery
from robust.records.record import Record
from robust.records.store import PAGES
from robust.report.board import Board
from robust.report.page import model, ranking
from robust.report.page.curves import Curve, group_curves
from robust.report.page.document import document, read_asset
from robust.report.page.layout import Layout, Placed, count_pages, model_page, place_models, row_page
from robust.report.page.marks import shapes
from robust.report.page.markup import Html, tag
from robust.report.page.names import ModelKey

Model = tuple[list[Placed], Sequence[Curve]]


@dataclass(frozen=True)
class ModelPage:
    """A page with sections of models."""

    number: int
    of: int
    models: tuple[Model, ...]

    @property
    def path(self) -> str:
        """The path below the leaderboard's folder."""
        return f"{PAGES}/{model_page(self.number)}"

    @property
    def records(self) -> list[Record]:
        """The records of the rows."""
        return [row.record for placed, _ in self.models for _, row in placed]

    def note(self, digests: Mapping[str, str]) -> str:
        """Return a hash of what the page is made from; `digests` are those of records and evidence, by stem."""
        parts = [read_asset("page.css"), *(digests[record.stem] for record in self.records)]
        parts += [str(len(board.digests) > 1) for placed, _ in self.models for board, _ in placed]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def html(self, galleries: Mapping[str, Gallery], note: str, reports: Mapping[str, str] = model.NONE) -> str:
        """Return the page; `galleries` are those of its rows, by the stems of the records; `reports` as in page.py."""
        title = f"Models, page {self.number} of {self.of}"
        sections = (model.section(placed, curves, galleries, reports, up="../") for placed, curves in self.models)
        main = tag("main", tag("section", *sections, aria_label="models"), id="top")
        return document(title, shapes(), _header(title), main, script=read_asset("reveal.js"), note=note)


def model_pages(boards: Sequence[Board]) -> list[ModelPage]:
    """Return the pages with models; none if index.html holds them."""
    layout, drawn = Layout.of(boards), group_curves(boards)
    if not layout.models:
        return []
    pages: list[list[tuple[ModelKey, Model]]] = [[] for _ in range(layout.models)]
    for key, placed in place_models(boards).items():
        pages[layout.number(key) - 1].append((key, (placed, drawn.get(key, ()))))
    return [
        ModelPage(k, len(pages), tuple(each for _, each in sorted(members, key=lambda member: member[0])))
        for k, members in enumerate(pages, 1)
        if members
    ]


def row_pages(boards: Sequence[Board]) -> Iterator[tuple[str, str]]:
    """Yield (path, content) of the pages with the rows of boards that are not in the tables of index.html."""
    layout = Layout.of(boards)
    for number in range(2, 1 + max(map(count_pages, boards), default=0)):
        sections = (ranking.further_section(board, layout, number) for board in boards if number <= count_pages(board))
        title = f"Rows, page {number}"
        yield f"{PAGES}/{row_page(number)}", document(title, _header(title), tag("main", *sections, id="top"))


def _header(title: str) -> Html:
    back = tag("p", tag("a", "Robustness leaderboard", href="../index.html"), ", with search and charts")
    return tag("header", tag("a", "Skip to the content", href="#top", class_="skip"), tag("h1", title), back)

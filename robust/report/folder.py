"""Write the generated files of a leaderboard folder from its records alone."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from robust.records.files import write
from robust.records.record import Record
from robust.records.store import GENERATED, galleries, records
from robust.report.badge import badges, is_generated
from robust.report.board import Board, boards
from robust.report.csv import long_csv, wide_csv
from robust.report.markdown import markdown
from robust.report.page.document import begin
from robust.report.page.further import model_pages, row_pages
from robust.report.page.layout import FOLDER as PAGES
from robust.report.page.layout import Layout
from robust.report.page.page import page
from robust.report.robustbench import FOLDER, read_entries


def write_board(folder: Path, keep: bool = False) -> list[Path]:
    """Write tables, pages and badges; call this under `locked`. Return the paths of tables and page.

    With `keep` a further page of models stays if it says that it was made from the same records, as after a run that
    added one row to thousands; without it, nothing that is in the folder but records and evidence is believed.
    """
    rows, claims = records(folder), folder / FOLDER
    made, imported = boards(rows), read_entries(claims) if claims.is_dir() else []
    within = {} if Layout.of(made).models else galleries(folder, rows)
    files = {
        "index.html": page(made, within, imported),
        "README.md": markdown(made, imported),
        "leaderboard.csv": wide_csv(made),
        "results.csv": long_csv(made),
    }
    images = {name: content for board in made for name, content in badges(board).items()}
    for name, content in {**files, **{f"badges/{name}": content for name, content in images.items()}}.items():
        write(folder / name, content.encode())
    for stale in (folder / "badges").glob("*"):
        if stale.name not in images and is_generated(stale.read_text("utf-8", errors="replace")):
            stale.unlink()
    _write_pages(folder, made, keep)
    return [folder / name for name in files]


def _write_pages(folder: Path, made: Sequence[Board], keep: bool) -> None:
    """Write the further pages of a large leaderboard, and remove those that are no more."""
    current = set()
    for path, content in row_pages(made):
        write(folder / path, content.encode())
        current.add(folder / path)
    for models in model_pages(made):
        note = models.note({record.stem: _digest(folder, record) for record in models.records})
        if not (keep and _begins(folder / models.path, f"{begin(note)}\n")):
            write(folder / models.path, models.html(galleries(folder, models.records), note).encode())
        current.add(folder / models.path)
    for stale in {*(folder / PAGES).glob("*.html")} - current:
        if _begins(stale, GENERATED["index.html"]):
            stale.unlink()


def _digest(folder: Path, record: Record) -> str:
    """Return a hash of the file of a record, and of whether its evidence is there."""
    path = folder / "results" / f"{record.stem}.json"
    content = path.read_bytes() if path.exists() else record.to_json().encode()
    return hashlib.sha256(content).hexdigest() + "without" * (not path.with_suffix(".npz").exists())


def _begins(path: Path, beginning: str) -> bool:
    """Whether the file is there and begins so."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return file.read(len(beginning.encode())) == beginning.encode()

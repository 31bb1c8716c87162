"""Write the generated files of a leaderboard folder from its records alone."""

import gc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from robust.attacks.files import read_text
from robust.attacks.text import brief, first_line
from robust.records.files import begins, refuse_links, write
from robust.records.record import Record
from robust.records.store import GENERATED, PAGES, galleries, record_path, records
from robust.report.badge import badges, is_generated
from robust.report.board import Board, boards
from robust.report.csv import groups_csv, long_csv, wide_csv
from robust.report.markdown import markdown
from robust.report.page.document import begin
from robust.report.page.further import model_pages, row_pages
from robust.report.page.layout import Layout
from robust.report.page.page import page
from robust.report.robustbench import FOLDER, Imported, read_entries
from robust.report.trainings import find_reports, key_of, read_key

MADE = ("index.html", "README.md", "leaderboard.csv", "groups.csv", "results.csv")


def write_board(folder: Path, keep: bool = False) -> list[Path]:
    """Write tables, pages and badges; call this under `locked`. Return the paths of tables and page.

    With `keep` a further page of models stays if it says that it was made from the same records, as after a run that
    added one row to thousands; without it, nothing that is in the folder but records and evidence is believed.
    """
    with _uncollected():
        return _write(folder, keep)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the collection of garbage: it would look through thousands of records again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _write(folder: Path, keep: bool) -> list[Path]:
    claims, reports = folder / FOLDER, find_reports(folder)
    made, imported = boards(records(folder)), read_entries(claims) if claims.is_dir() else []
    for below in ("badges", PAGES):
        refuse_links(folder, folder / below)
    written = set()
    for name, content in render(folder, made, imported):
        write(folder / name, content.encode())
        written.add(name)
    for models in model_pages(made):
        note = models.note({record.stem: _digest(folder, record, reports) for record in models.records})
        if not (keep and begins(folder / models.path, f"{begin(note)}\n")):
            write(folder / models.path, models.html(galleries(folder, models.records), note, reports).encode())
        written.add(models.path)
    _remove_stale(folder, written)
    return [folder / name for name in MADE]


def render(folder: Path, made: Sequence[Board], imported: Sequence[Imported]) -> Iterator[tuple[str, str]]:
    """Yield the paths and texts of all files but the further pages of models."""
    rows = [row.record for board in made for row in board.rows]
    yield (
        "index.html",
        page(made, {} if Layout.of(made).models else galleries(folder, rows), imported, find_reports(folder)),
    )
    yield "README.md", markdown(made, imported)
    yield "leaderboard.csv", wide_csv(made)
    yield "results.csv", long_csv(made)
    yield "groups.csv", groups_csv(made)
    for board in made:
        yield from ((f"badges/{name}", content) for name, content in badges(board).items())
    yield from row_pages(made)


def _remove_stale(folder: Path, written: set[str]) -> None:
    """Remove the badges and pages of ours that were not written."""
    for stale in (folder / "badges").glob("*"):
        if f"badges/{stale.name}" not in written and is_generated(read_text(stale, "replace")):
            stale.unlink()
    for stale in (folder / PAGES).glob("*.html"):
        ours = begins(stale, GENERATED["index.html"]) and read_key(stale) is None
        if f"{PAGES}/{stale.name}" not in written and ours:
            stale.unlink()


def _digest(folder: Path, record: Record, reports: Mapping[str, str]) -> str:
    """Return a hash of the file of a record, and whether its evidence and a report on its training are there."""
    path = folder / "results" / f"{record.stem}.json"
    content = path.read_bytes() if path.exists() else record.to_json().encode()
    return (
        hashlib.sha256(content).hexdigest()
        + "without" * (not path.with_suffix(".npz").exists())
        + reports.get(key_of(record), "")
    )


def check_rendering(folder: Path, rows: list[Record]) -> None:
    """Check that tables and page of a stranger's rows can be written; ValueError names the file of one that cannot."""
    if not rows or _describe_failure(folder, rows) is None:
        return
    for record in rows:
        if failure := _describe_failure(folder, [record]):
            path = record_path(folder, record)
            raise ValueError(f"{path}: no table or page can show it: {failure}; mend it or move it away")
    raise ValueError(f"{folder}: no table or page can show its records together: {_describe_failure(folder, rows)}")


def _describe_failure(folder: Path, rows: list[Record]) -> str | None:
    try:
        made = boards(rows)
        for _, text in render(folder, made, []):
            text.encode()
        for models in model_pages(made):
            models.html(galleries(folder, models.records), "").encode()
    except Exception as error:  # of any code that draws, on any value that the schema lets pass
        return brief(first_line(error))
    return None

"""Write the generated files of a leaderboard folder from its records alone."""

from pathlib import Path

from robust.attacks.files import read_text
from robust.attacks.text import brief, first_line
from robust.records.files import refuse_links, write
from robust.records.record import Record
from robust.records.store import galleries, record_path, records
from robust.report.badge import badges, is_generated
from robust.report.board import boards
from robust.report.csv import long_csv, wide_csv
from robust.report.markdown import markdown
from robust.report.page.page import page
from robust.report.robustbench import FOLDER, Imported, read_entries


def write_board(folder: Path) -> list[Path]:
    """Write tables, page and badges; call this under `locked`. Return the paths of tables and page."""
    claims = folder / FOLDER
    files, images = _render(folder, records(folder), read_entries(claims) if claims.is_dir() else [])
    refuse_links(folder, folder / "badges")
    for name, content in {**files, **{f"badges/{name}": content for name, content in images.items()}}.items():
        write(folder / name, content.encode())
    for stale in (folder / "badges").glob("*"):
        if stale.name not in images and is_generated(read_text(stale, "replace")):
            stale.unlink()
    return [folder / name for name in files]


def check_rendering(folder: Path, rows: list[Record]) -> None:
    """Check that tables and page of a stranger's rows can be written; ValueError names the file of one that cannot."""
    if not rows or _describe_failure(folder, rows) is None:
        return
    for record in rows:
        if failure := _describe_failure(folder, [record]):
            path = record_path(folder, record)
            raise ValueError(f"{path}: no table or page can show it: {failure}; mend it or move it away")
    raise ValueError(f"{folder}: no table or page can show its records together: {_describe_failure(folder, rows)}")


def _render(folder: Path, rows: list[Record], imported: list[Imported]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts of tables and page, and of the badges, by their names."""
    made = boards(rows)
    files = {
        "index.html": page(made, galleries(folder, rows), imported),
        "README.md": markdown(made, imported),
        "leaderboard.csv": wide_csv(made),
        "results.csv": long_csv(made),
    }
    return files, {name: content for board in made for name, content in badges(board).items()}


def _describe_failure(folder: Path, rows: list[Record]) -> str | None:
    try:
        for texts in _render(folder, rows, []):
            "".join(texts.values()).encode()
    except Exception as error:  # of any code that draws, on any value that the schema lets pass
        return brief(first_line(error))
    return None

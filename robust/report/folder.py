"""Write the generated files of a leaderboard folder from its records alone."""

from pathlib import Path

from robust.records.files import write
from robust.records.store import galleries, records
from robust.report.badge import badges, is_generated
from robust.report.board import boards
from robust.report.csv import long_csv, wide_csv
from robust.report.markdown import markdown
from robust.report.page.page import page
from robust.report.robustbench import FOLDER, read_entries


def write_board(folder: Path) -> list[Path]:
    """Write tables, page and badges; call this under `locked`. Return the paths of tables and page."""
    rows, claims = records(folder), folder / FOLDER
    made, imported = boards(rows), read_entries(claims) if claims.is_dir() else []
    files = {
        "index.html": page(made, galleries(folder, rows), imported),
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
    return [folder / name for name in files]

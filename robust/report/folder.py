"""The generated files of a leaderboard folder, made from its records alone."""

from pathlib import Path

from robust.records.files import write
from robust.records.store import galleries, records
from robust.report.badge import badges, ours
from robust.report.board import boards
from robust.report.csv import long, wide
from robust.report.markdown import markdown
from robust.report.page.page import page
from robust.report.robustbench import FOLDER, read_entries


def write_board(folder: Path) -> list[Path]:
    """Make tables, page and badges anew; call it under `store.locked`. Returns the paths of what is to be read."""
    found, claims = records(folder), folder / FOLDER
    made, imported = boards(found), read_entries(claims) if claims.is_dir() else []
    files = {
        "index.html": page(made, galleries(folder, found), imported),
        "README.md": markdown(made, imported),
        "leaderboard.csv": wide(made),
        "results.csv": long(made),
    }
    small = {name: content for board in made for name, content in badges(board).items()}
    for name, content in {**files, **{f"badges/{name}": content for name, content in small.items()}}.items():
        write(folder / name, content.encode())
    for stale in (folder / "badges").glob("*"):
        if stale.name not in small and ours(stale.read_text("utf-8", errors="replace")):
            stale.unlink()
    return [folder / name for name in files]

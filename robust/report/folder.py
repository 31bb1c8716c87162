"""The generated files of a leaderboard folder, made from its records alone."""

from pathlib import Path

from robust.report.board import boards
from robust.report.csv import csv
from robust.report.markdown import markdown
from robust.store import records, write


def write_board(folder: Path) -> list[Path]:
    """Make leaderboard.csv and README.md anew; call it under `store.locked`. Returns their paths."""
    made = boards(records(folder))
    files = {folder / "README.md": markdown(made), folder / "leaderboard.csv": csv(made)}
    for path, content in files.items():
        write(path, content.encode())
    return [*files]

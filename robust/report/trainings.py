"""The reports on trainings that lie in a leaderboard's folder, found by how they begin."""

import re
from pathlib import Path

from robust.attacks.files import open_regular
from robust.records.record import Record
from robust.records.store import PAGES
from robust.report.page.document import begin

KEY = re.compile(re.escape(begin("training KEY")).replace("KEY", "([0-9a-f]{64})"))
BEGINNING = len(begin("training ")) + 64


def note_training(key: str) -> str:
    """Return the note at the beginning of the report on the training with this key, by which it is known."""
    return f"training {key}"


def read_key(path: Path) -> str | None:
    """Return the key of the training that a file reports on; None if it is no such report."""
    if path.is_symlink() or not path.is_file():
        return None
    with open_regular(path) as file:
        found = KEY.match(file.read(BEGINNING).decode(errors="replace"))
    return found[1] if found else None


def find_reports(folder: Path) -> dict[str, str]:
    """Return the paths of the reports in a leaderboard's folder, or in a folder of it, by the key of the training."""
    paths = [path for pattern in ("*.html", "*/*.html") for path in sorted(folder.glob(pattern))]
    keys = ((read_key(path), path) for path in paths if path.parent != folder / PAGES)
    return {key: path.relative_to(folder).as_posix() for key, path in keys if key}


def key_of(record: Record) -> str:
    """Return the key of the training of a record's model; "" if it was not trained here."""
    card = record.provenance.get("training")  # not checked: it may be of any type
    return str(card.get("key", "")) if isinstance(card, dict) else ""

"""RobustBench's entries, model_info/<data>/<threat>/<id>.json: read as claims, and written for our own rows.

Entries are kept field for field: others measured them in other ways, and nothing here has verified them.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust.attacks.criteria.registry import DEFAULT
from robust.attacks.files import read_text
from robust.attacks.grammar.norms import parse_threat
from robust.attacks.text import brief, slug
from robust.attacks.words import has_eps
from robust.report.board import Board, Row

FOLDER = "imported"  # below a leaderboard's
THREATS = {"linf": "Linf", "l2": "L2", "l1": "L1"}  # our names -> their names
NEEDED = ("name", "dataset", "architecture", "clean_acc")
MAX_CELL = 200  # characters of a field that a table shows
ROBUST = ("external", "autoattack_acc", "corruptions_acc")  # they rank by the first of these that an entry has

HEADS = ("model", "paper", "architecture", "venue", "eps", "clean %", "robust %", "said to be unreliable")
CLAIMS = (
    "Imported from RobustBench's model_info. Others measured these, with other attacks and on other samples; nothing "
    "was verified here, so they have no rank and cannot be compared with the figures above."
)


@dataclass(frozen=True, slots=True)
class Imported:
    """One entry; its figures are claims."""

    data: str  # the name of its folder: "cifar10"
    threat: str  # "Linf", "corruptions"
    id: str  # the name of its file, which identifies the model
    text: str  # the content of the file

    @property
    def fields(self) -> dict[str, Any]:
        """The content as a dict."""
        content: dict[str, Any] = json.loads(self.text)
        return content

    @property
    def place(self) -> Path:
        """The path below the folder of entries."""
        return Path(self.data, self.threat, f"{self.id}.json")

    @property
    def robust(self) -> str:
        """The robust accuracy in percent that RobustBench ranks by, as written; "" if there is none."""
        fields = self.fields
        return next((brief(str(fields[key]), MAX_CELL) for key in ROBUST if fields.get(key)), "")

    @property
    def cells(self) -> list[str]:
        """The cells of a table with the columns HEADS."""
        fields = self.fields
        unreliable = "unknown" if fields.get("unreliable") is None else "yes" if fields["unreliable"] else "no"
        keys = ("name", "architecture", "venue", "eps", "clean_acc")
        return [
            self.id,
            *("" if fields.get(key) is None else brief(str(fields[key]), MAX_CELL) for key in keys),
            self.robust,
            unreliable,
        ]


def sort_entries(imported: Iterable[Imported]) -> list[Imported]:
    """Return the entries by data, threat model and name, not by their figures, which are claims."""
    return sorted(imported, key=lambda entry: (entry.data, entry.threat, entry.id))


def read_entry(path: Path) -> Imported:
    """Read an entry; ValueError, in one line, if the file is none."""
    try:
        text = read_text(path)
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    missing = [key for key in NEEDED if not isinstance(fields, dict) or not isinstance(fields.get(key), str)]
    if missing:
        raise ValueError(f"{path}: not an entry of RobustBench: no text for {', '.join(missing)}")
    *_, data, threat, _ = ("", "", *path.absolute().parts)
    if data != fields["dataset"] or not all(re.fullmatch(r"\w[\w.-]*", name) for name in (data, threat)):
        raise ValueError(f"{path}: expected it in a folder of its dataset and its threat, as cifar10/Linf/{path.name}")
    return Imported(data, threat, path.stem, text)


def read_entries(path: Path) -> list[Imported]:
    """Read an entry, or all of a folder, by path; LookupError if there is no such path, ValueError for other files."""
    if not path.exists():
        raise LookupError(f"{path}: no such file or folder")
    return [read_entry(file) for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]


def make_entries(boards: Sequence[Board]) -> dict[Path, str]:
    """Return our rows as entries by their paths: not partial ones, unions of threats, tables and other criteria."""
    usual = [board for board in boards if has_eps(board.threat) and board.criterion == DEFAULT]
    placed = [(board, row) for board in usual for row in board.rows if row.rank is not None]
    return {_path_of(board, row): json.dumps(_entry(board, row), indent=2) + "\n" for board, row in placed}


def _path_of(board: Board, row: Row) -> Path:
    norm, _ = parse_threat(board.threat)
    *_, threat, suite, name = row.record.stem.split("/")
    return Path(slug(board.data).replace("-", ""), THREATS[norm], f"{name}-{threat}-{suite}.json")


def _entry(board: Board, row: Row) -> dict[str, Any]:
    """Return a row as an entry, its figure as "external", the field for evaluations other than AutoAttack."""
    record = row.record
    versions = record.provenance.get("versions", {})
    return {
        "link": "",
        "name": f"{record.model.name} ({record.recipe})",
        "authors": "",
        "additional_data": None,
        "number_forward_passes": 1,
        "dataset": slug(board.data).replace("-", ""),
        "venue": "",
        "architecture": str((record.provenance.get("model") or {}).get("arch") or record.model.name),
        "eps": board.threat.partition(":")[2],
        "clean_acc": f"{row.clean:.2f}",
        "reported": "",
        "external": f"{row.robust:.2f}",
        "footnote": f"Measured by pytest-robust {versions.get('pytest-robust', '')} with {board.suite} on "
        f"{record.data.n} samples, 95 % interval {row.low:.2f} to {row.high:.2f}.",
    }

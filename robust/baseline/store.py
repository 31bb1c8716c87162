"""The store of baselines: .robust/baselines/0003_main, each with results/ as a leaderboard has them, and a card.

So a leaderboard's folder, or one row of it, is a baseline too.
"""

import datetime
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.files import read_text
from robust.attacks.text import printable
from robust.baseline.git import Commit
from robust.data.numpy_files import read_arrays
from robust.records.evidence import Evidence
from robust.records.files import locked, private, read_object, refuse_links, write, write_arrays
from robust.records.record import Record
from robust.records.store import add

CARD = "baseline.json"  # written last: a folder without it is of a run that was killed
SCHEMA = 1
KEPT = ("x_adv", "row")  # in a file of inputs

Saved = tuple[NDArray[np.float32], NDArray[np.int64]]  # (inputs, *shape), and (inputs,) which of the n samples


@dataclass(frozen=True)
class Baseline:
    """Rows that were measured before, by the paths of their records, and the commit that was checked out."""

    path: Path
    rows: dict[Path, Record]
    commit: str | None = None  # its hash, if git knew it
    dirty: bool = False

    @property
    def records(self) -> list[Record]:
        return [*self.rows.values()]

    def path_of(self, record: Record) -> Path:
        return next(path for path, row in self.rows.items() if row is record)

    def __str__(self) -> str:
        commit = f" ({self.commit[:8]}{', with uncommitted changes' if self.dirty else ''})" if self.commit else ""
        return printable(f"{self.path.name}{commit}")


def read(path: Path) -> Baseline:
    """Read a baseline, a leaderboard or one record; raise ValueError or LookupError, in one line, for anything else."""
    if path.is_file():
        return Baseline(path, {path: _record(path)})
    if not (path / "results").is_dir():
        what = "holds no records (no folder results)" if path.is_dir() else "there is no such file or folder"
        raise LookupError(f"{what} (looked for {path}); name a baseline, a leaderboard or a row's .json")
    rows = {file: _record(file) for file in sorted((path / "results").rglob("*.json"))}
    if not rows:
        raise LookupError(f"{path / 'results'} holds no records")
    card = read_object(path / CARD)
    commit = card.get("commit")
    return Baseline(path, rows, commit if isinstance(commit, str) else None, card.get("dirty") is True)


def list_baselines(home: Path) -> list[Path]:
    """List the baselines that were saved, the newest first."""
    return [path for _, path in sorted(_numbered(home / "baselines"), reverse=True) if (path / CARD).exists()]


def save(home: Path, name: str, commit: Commit | None, rows: Iterable[tuple[Record, Evidence, Saved | None]]) -> Path:
    """Save rows as a new baseline, with their adversarial inputs and the hardest; return its folder."""
    folder = refuse_links(home, private(home) / "baselines")
    with locked(folder):
        number = 1 + max((number for number, _ in _numbered(folder)), default=0)
        place = folder / f"{number:04}_{name or (commit.commit[:8] if commit else 'unnamed')}"
        refuse_links(home, place)
        for record, evidence, hardest in rows:
            add(place, record, evidence)
            if hardest is not None:
                write_arrays(_hardest(place / "results" / f"{record.stem}.json"), dict(zip(KEPT, hardest, strict=True)))
        card = {
            "schema": SCHEMA,
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "commit": commit and commit.commit,
            "dirty": commit and commit.dirty,
        }
        write(place / CARD, f"{json.dumps(card, indent=1)}\n".encode())
    return place


def read_inputs(path: Path) -> Iterable[Saved]:
    """Yield the inputs of the record at `path`: those that fooled its model, and the hardest. None if it has no files.

    Raises ValueError, in one line, if a file is damaged.
    """
    for file in (path.with_suffix(".npz"), _hardest(path)):
        if file.exists():
            x_adv, row = _sound(file, KEPT)
            if x_adv.dtype != np.float32 or row.dtype.kind not in "iu" or row.ndim != 1:
                raise ValueError(f"{printable(str(file))} is damaged: x_adv is {x_adv.dtype}, row is {row.dtype}")
            yield x_adv, row


def read_numbers(path: Path, n: int) -> NDArray[np.int64] | None:
    """Read the n samples' numbers in their split, (n,); None if the record at `path` has no evidence."""
    file = path.with_suffix(".npz")
    if not file.exists():
        return None
    (index,) = _sound(file, ["index"])
    if index.shape != (n,) or index.dtype.kind not in "iu":
        raise ValueError(f"{printable(str(file))} is not of its record: {index.dtype} of {index.shape} for {n} samples")
    return index


def _hardest(path: Path) -> Path:
    return path.with_suffix(".hardest.npz")


def _sound(file: Path, names: Iterable[str]) -> list[NDArray[Any]]:
    try:
        return read_arrays(file, names)
    except Exception as error:  # a damaged archive raises anything
        raise ValueError(f"{printable(str(file))} is damaged: {error}") from None


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    matches = ((re.match(r"(\d{4,})_", path.name), path) for path in folder.glob("*_*"))
    return [(int(match[1]), path) for match, path in matches if match]


def _record(path: Path) -> Record:
    try:
        return Record.from_json(read_text(path))
    except (OSError, ValueError) as error:
        raise ValueError(f"{printable(str(path))}: {error}") from None

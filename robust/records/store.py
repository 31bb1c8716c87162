"""The folder of records: results/<data>/<threat>/<suite>/<model>.json + .npz, and history/ for what was replaced.

Every file is written whole beside its place and then moved there, under a lock on the folder: a reader never sees half
a file, a crash leaves the old one, and two runs at the same time take turns.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from robust.attacks.files import read_content, read_text, refuse_irregular
from robust.attacks.text import brief, first_line
from robust.records.evidence import Evidence
from robust.records.files import _write_all, begins, refuse_links
from robust.records.gallery import Gallery
from robust.records.record import Record

# The beginnings of the files that are made from the records; a file that begins otherwise is not overwritten.
MADE = "<!-- made by pytest-robust from results/; edits are lost -->"
GENERATED = {
    "README.md": MADE,
    "leaderboard.csv": "schema,",
    "results.csv": "schema,",
    "groups.csv": "schema,",
    "index.html": f"<!doctype html>{MADE}",
}
PAGES = "pages"  # the folder of the further pages of a large leaderboard, which begin as index.html does

Fate = Literal["new", "same", "replaced", "kept"]
FATES: dict[Fate, str] = {
    "new": "new",
    "same": "measured the same as before",
    "replaced": "replaced, the older in history/",
    "kept": "in history/, for the row there has as many samples or more",
}


def add(folder: Path, record: Record, evidence: Evidence) -> Fate:
    """File a record; call this under `locked`. Nothing is lost: of two records for one place, one goes to history/.

    "new": the place was free. "same": the same measurement with the same outcomes, findings, certificate, curve and
    groups is there, and stays, also if the new one was not checked, not certified, or has no curve or no groups.
    "replaced": the older went to history/, since the new one has more samples, or is the same measurement by newer
    options or code. "kept": anything else; the new one is in history/. So another seed, or as many other samples, never
    replace a row, and nobody can choose the best of several draws. A whole record replaces a partial one, never the
    other way; an unchecked record never replaces a checked one.
    """
    content = evidence.to_bytes()
    filed = replace(record, evidence=hashlib.sha256(content).hexdigest())
    Record.from_json(filed.to_json())  # one that could not be read again would end every later board
    return _file(folder, filed, content)


def _file(folder: Path, record: Record, content: bytes | None) -> Fate:
    place = record_path(folder, record)
    if not place.exists():
        _put(folder, place, record.to_json(), content)
        return "new"
    older = _read_record(place)
    same_trust = record.trust is None or older.same_trust(record)
    same_certificate = record.certificate is None or older.same_certificate(record)
    same_curve = record.curve is None or older.same_curve(record)
    same_groups = record.groups is None or older.same_groups(record)
    if older.same_outcomes(record) and same_trust and same_certificate and same_curve and same_groups:
        return "same"
    if not _replaces(record, older):
        _put(folder, _history_path(folder, record), record.to_json(), content)
        return "kept"
    _put(folder, _history_path(folder, older), read_text(place), _read(place.with_suffix(".npz")))
    _put(folder, place, record.to_json(), content)
    return "replaced"


def _replaces(record: Record, older: Record) -> bool:
    if bool(record.partial) != bool(older.partial):
        return bool(older.partial)
    return record.identity == older.identity or record.data.n > older.data.n


def describe_fates(fates: list[Fate]) -> str:
    """Return what became of records, in one line."""
    return "; ".join(f"{fates.count(fate)} {word}" for fate, word in FATES.items() if fate in fates) or "no records"


def check_folder(folder: Path) -> None:
    """Raise ValueError if the board would overwrite a file that it has not made, or `folder` is a file."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, expected a folder")
    pages = (path for kind in ("models", "rows") for path in (folder / PAGES).glob(f"{kind}-*.html"))
    beginnings = {folder / name: beginning for name, beginning in GENERATED.items()}
    for path, beginning in (beginnings | dict.fromkeys(pages, GENERATED["index.html"])).items():
        if path.exists() and not begins(path, beginning):
            raise ValueError(f"{path} is not a leaderboard of ours and would be overwritten; choose another folder")


def records(folder: Path) -> list[Record]:
    """Return all records in place, by path; ValueError names a file that is not a record."""
    return [_read_record(path) for path in _list_paths(folder)]


def _list_paths(folder: Path) -> list[Path]:
    return sorted((folder / "results").rglob("*.json"))


def _read_record(path: Path) -> Record:
    try:
        return Record.from_json(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; mend it or move it away") from None


def galleries(folder: Path, rows: Iterable[Record]) -> dict[str, Gallery]:
    """Return the galleries of those records that have one, by their stems; ValueError names a damaged file."""
    by_stem = {}
    for record in rows:
        path = record_path(folder, record).with_suffix(".npz")
        try:
            refuse_irregular(path)
            if gallery := Gallery.read(path):
                by_stem[record.stem] = gallery
        except FileNotFoundError:  # a checkout may leave the evidence out
            continue
        except Exception as error:  # a damaged archive raises anything
            raise ValueError(f"{path}: {brief(first_line(error))}; mend it or move it away") from None
    return by_stem


def sound_records(folder: Path) -> list[Record]:
    """Return all records of a stranger's folder, with their evidence checked; ValueError names a file at fault."""
    rows = []
    for path in _list_paths(folder):
        record = _read_record(path)
        if path != record_path(folder, record):
            raise ValueError(f"{path}: by what it says it belongs at {record_path(folder, record)}; move it there")
        _read_evidence(folder, record)
        rows.append(record)
    return rows


def merge(folder: Path, rows: Iterable[Record], into: Path) -> list[Fate]:
    """File records of `folder` and their evidence in `into`, as `add` does; call this under `locked(into)`."""
    return [_file(into, record, _read_evidence(folder, record)) for record in rows]


def record_path(folder: Path, record: Record) -> Path:
    """Return where a record belongs in a folder."""
    return folder / "results" / f"{record.stem}.json"


def _read_evidence(folder: Path, record: Record) -> bytes | None:
    """Read the evidence of a stranger's record; ValueError if it is a link, another's, or damaged. None for none."""
    path = record_path(folder, record).with_suffix(".npz")
    if any(part.is_symlink() for part in (path, *path.parents[: len(Path(record.stem).parts)])):
        raise ValueError(f"{path}: is a link, or in a folder that is one; put the file itself there")
    if (content := _read(path)) is None:
        return None
    if hashlib.sha256(content).hexdigest() != record.evidence:
        raise ValueError(f"{path}: is not the evidence of its record, by the digest; mend it or move both away")
    try:
        _check_rows(Evidence.from_bytes(content), record)
    except Exception as error:  # a damaged archive raises anything
        raise ValueError(f"{path}: {brief(first_line(error))}; mend it or move both away") from None
    return content


def _check_rows(evidence: Evidence, record: Record) -> None:
    """Raise ValueError if the evidence has other samples or attacks than its record."""
    galleries = () if evidence.gallery is None else (evidence.gallery.row,)
    near = () if evidence.near_row is None else (evidence.near_row,)
    n, places = (
        record.data.n,
        [(evidence.by, len(record.attacks)), *((row, record.data.n) for row in (evidence.row, *galleries, *near))],
    )
    if len(evidence.y) != n or any(len(at) and not 0 <= at.min() <= at.max() < most for at, most in places):
        raise ValueError(f"it has other samples than the {n} of its record, or other attacks")


def _read(path: Path) -> bytes | None:
    """Read the file; None if there is none, since a checkout may leave the evidence out."""
    return read_content(path) if path.exists() else None


def _put(folder: Path, place: Path, record: str, evidence: bytes | None) -> None:
    """Write a record and its evidence; an older record is removed first, so evidence is never beside another record."""
    refuse_links(folder, place)
    contents = {} if evidence is None else {place.with_suffix(".npz"): evidence}
    _write_all({**contents, place: record.encode()}, stale=place)


def _history_path(folder: Path, record: Record) -> Path:
    digest = hashlib.sha256(record.to_json().encode()).hexdigest()[:8]
    return folder / "history" / f"{record.stem}-{digest}.json"

"""The folder of records: results/<data>/<threat>/<suite>/<model>.json + .npz, and history/ for what was replaced.

Every file is written whole beside its place and then moved there, under a lock on the folder, so a reader never sees
half a file, a crash leaves the old one, and two runs at once take turns.
"""

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from robust.gallery import Gallery
from robust.record import Record
from robust.sampling import draw_rows

# How the files begin that are made from the records; one that begins otherwise is somebody else's.
MADE = "<!-- made by pytest-robust from results/; edits are lost -->"
GENERATED = {
    "README.md": MADE,
    "leaderboard.csv": "schema,",
    "results.csv": "schema,",
    "index.html": f"<!doctype html>{MADE}",
}

Fate = Literal["new", "same", "replaced", "kept"]
FATES: dict[Fate, str] = {
    "new": "new",
    "same": "measured the same as before",
    "replaced": "replaced, the older in history/",
    "kept": "in history/, for the row there has as many samples or more",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The adversarial inputs of a record's broken samples, or of some, one for each, in the samples' order."""

    x_adv: NDArray[np.float32]  # (inputs, *shape)
    row: NDArray[np.int64]  # (inputs,): which of the n samples
    by: NDArray[np.int64]  # (inputs,): which of the record's attacks found it
    y: NDArray[np.int64]  # (n,): the labels of all samples
    index: NDArray[np.int64]  # (n,): their numbers in the split
    gallery: Gallery | None = None  # pictures of a few

    @classmethod
    def of(
        cls,
        y: NDArray[np.int64],
        index: NDArray[np.int64],
        found: list[tuple[NDArray[np.bool_], NDArray[np.float32]]],
        most: int | None = None,
        seed: int = 0,
    ) -> "Evidence":
        """Of each attack's (broken (n,), their inputs), one input a sample: the first attack's that broke it.

        At most so many of them, drawn by the seed; None for all. Only these are brought into memory.
        """
        by = np.full(len(y), -1)
        for k, (broken, _) in reversed([*enumerate(found)]):
            by[broken] = k
        row = np.flatnonzero(by >= 0)
        row = row[draw_rows(len(row), most, seed)]
        x_adv = np.zeros((len(row), *found[0][1].shape[1:]), np.float32)
        for k, (broken, inputs) in enumerate(found):
            mine = by[row] == k
            x_adv[mine] = inputs[np.cumsum(broken)[row[mine]] - 1]
        return cls(x_adv, row, by[row], y, index)

    def drawn(self, most: int, seed: int) -> "Evidence":
        """At most so many of the inputs, drawn by the seed."""
        kept = draw_rows(len(self.row), most, seed)
        return replace(self, x_adv=self.x_adv[kept], row=self.row[kept], by=self.by[kept])

    def to_bytes(self) -> bytes:
        """A compressed .npz without pickles; equal evidence gives equal bytes."""
        file, pictures = io.BytesIO(), dict[str, Any](self.gallery.arrays() if self.gallery else {})
        np.savez_compressed(file, x_adv=self.x_adv, row=self.row, by=self.by, y=self.y, index=self.index, **pictures)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Evidence":
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            found: dict[str, Any] = {key: file[key] for key in ("x_adv", "row", "by", "y", "index")}
            return cls(**found, gallery=Gallery.of(file))


def private(folder: Path) -> Path:
    """The folder, made where it is missing and kept out of version control by a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / ".gitignore", b"# Made by pytest-robust.\n*\n")
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder, made where it is missing, for one process at a time."""
    with FileLock(private(folder / ".locks") / "folder"):
        yield


def add(folder: Path, record: Record, evidence: Evidence) -> Fate:
    """File a record; call it under `locked`. Nothing is lost: of two records for one place, one goes to history/.

    "new": the place was free. "same": the same measurement with the same outcomes, and the same doubts, is there, and
    stays. "replaced": the older went to history/, for the new one has more samples, or is the same measurement by newer
    options or code. "kept": anything else; the new one is in history/. So another seed or other samples of the same
    number never replace a row, and nobody can draw a better one. A whole record replaces a partial one, and never the
    other way; one that was not checked never replaces one that was.
    """
    content = evidence.to_bytes()
    return _file(folder, replace(record, evidence=hashlib.sha256(content).hexdigest()), content)


def _file(folder: Path, record: Record, content: bytes | None) -> Fate:
    place = folder / "results" / f"{record.stem}.json"
    if not place.exists():
        _put(place, record.to_json(), content)
        return "new"
    older = _record_at(place)
    if older.same_outcomes(record) and (record.trust is None or older.same_trust(record)):
        return "same"
    if not _replaces(record, older):
        _put(_historic(folder, record), record.to_json(), content)
        return "kept"
    _put(_historic(folder, older), place.read_text("utf-8"), _read(place.with_suffix(".npz")))
    _put(place, record.to_json(), content)
    return "replaced"


def _replaces(record: Record, older: Record) -> bool:
    if bool(record.partial) != bool(older.partial):
        return bool(older.partial)
    return record.identity == older.identity or record.data.n > older.data.n


def told(fates: list[Fate]) -> str:
    """What became of records, in one line."""
    return "; ".join(f"{fates.count(fate)} {word}" for fate, word in FATES.items() if fate in fates) or "no records"


def check_folder(folder: Path) -> None:
    """ValueError where the board would overwrite a file of somebody else's, or `folder` is a file."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, expected a folder")
    for name, beginning in GENERATED.items():
        path = folder / name
        if path.exists() and not path.read_text("utf-8", errors="replace").startswith(beginning):
            raise ValueError(f"{path} is not a leaderboard of ours and would be overwritten; choose another folder")


def records(folder: Path) -> list[Record]:
    """All records in place, by path. ValueError names the file that is not one."""
    return [_record_at(path) for path in sorted((folder / "results").rglob("*.json"))]


def _record_at(path: Path) -> Record:
    try:
        return Record.from_json(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; mend it or move it away") from None


def galleries(folder: Path, found: Iterable[Record]) -> dict[str, Gallery]:
    """The pictures of these records, by their stems, where they have some. ValueError names a file that is damaged."""
    pictures = {}
    for record in found:
        path = folder / "results" / f"{record.stem}.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                if gallery := Gallery.of(file):
                    pictures[record.stem] = gallery
        except FileNotFoundError:  # a checkout may leave the evidence out
            continue
        except Exception as error:  # a damaged archive raises anything
            raise ValueError(f"{path}: {error}; mend it or move it away") from None
    return pictures


def merge(folder: Path, into: Path) -> list[Fate]:
    """File all records of `folder` and their evidence in `into`, as `add` does; call it under `locked(into)`."""
    fates = []
    for record in records(folder):
        place = folder / "results" / f"{record.stem}.json"
        fates.append(_file(into, record, _read(place.with_suffix(".npz"))))
    return fates


def write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing; an equal one is left alone."""
    if not (path.exists() and path.read_bytes() == content):
        _write_all({path: content})


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """A whole .npz without pickles, or nothing; arrays that lie on a disk are not brought into memory for it."""
    _beside(path, lambda file: np.savez(file, **arrays)).replace(path)


def _write_all(contents: dict[Path, bytes], stale: Path | None = None) -> None:
    """Write files, all of which are on the disk before anything is changed: a full disk changes nothing.

    `stale` is removed then, before the first of them takes its place.
    """
    waiting: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            waiting[path] = _beside(path, partial(_fill, content))
        if stale is not None:
            stale.unlink(missing_ok=True)
        for path, file in waiting.items():
            file.replace(path)
    finally:
        for file in waiting.values():
            file.unlink(missing_ok=True)


def _fill(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _beside(path: Path, fill: Callable[[IO[bytes]], object]) -> Path:
    """A file that `fill` has written, in the folder of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)  # a temporary file is its owner's alone
        except BaseException:
            Path(file.name).unlink()
            raise
    return Path(file.name)


def _read(path: Path) -> bytes | None:
    """None where there is none: a checkout may leave the evidence out."""
    return path.read_bytes() if path.exists() else None


def _put(place: Path, record: str, evidence: bytes | None) -> None:
    """The older record goes before the newer's evidence comes: a record on disk always has its own."""
    contents = {} if evidence is None else {place.with_suffix(".npz"): evidence}
    _write_all({**contents, place: record.encode()}, stale=place)


def _historic(folder: Path, record: Record) -> Path:
    digest = hashlib.sha256(record.to_json().encode()).hexdigest()[:8]
    return folder / "history" / f"{record.stem}-{digest}.json"

"""A journal of a model's answers on the disk: a run that was killed goes on without asking for them again.

A run takes none of its own answers: what is asked twice is asked twice, so that checks see whether answers are random.
"""

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from robust.models.blackbox import Answer, Ask
from robust.records.files import private, refuse_links

ANSWERS = "answers"  # the folder of all journals
LENGTH = 8  # bytes that say how long the next part of a file is
MOST = 2**30  # bytes that a process writes; what is asked after these would be asked again
COMPARED, SLACK = 32, 1e-4  # inputs whose answers are compared, and by how much numbers may differ
Part = tuple[str, str, list[int], bytes, bytes]  # kind, type and shape of the answers; the inputs' hashes, the answers


@dataclass(slots=True)
class Journal:
    """The answers of one model: those of earlier runs, to be taken once each, and a file for those of this process."""

    home: Path  # of the run's own files
    folder: Path  # below it
    taken: int = 0  # answers of earlier runs that were not asked for again
    # A file for each process: what the last run wrote may end within a part.
    _file: str = field(default_factory=lambda: f"{uuid.uuid4().hex}.answers")
    _written: int = 0
    _parts: list[tuple[str, NDArray[Any]]] = field(default_factory=list)  # (kind, answers) as they were written
    _keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))  # sorted
    _places: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))  # (part, row) of each key
    _used: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    @classmethod
    def open(cls, home: Path, name: str) -> "Journal":
        """Open the journal of a model, and read what earlier runs have left; its folder is made with the first answer.

        ValueError if the folder is a link.
        """
        folder = refuse_links(home, home / ANSWERS / name)
        journal, keys, places = cls(home, folder), [np.zeros(0, np.uint64)], [np.zeros((0, 2), np.int64)]
        for own, kind, answers in (part for file in sorted(folder.glob("*.answers")) for part in _read_parts(file)):
            journal._parts.append((kind, answers))
            keys.append(own)
            places.append(np.stack([np.full(len(own), len(keys) - 2), np.arange(len(own))], 1))
        joined = np.concatenate(keys)
        order = np.argsort(joined, kind="stable")
        journal._keys, journal._places = joined[order], np.concatenate(places)[order]
        journal._used = np.zeros(len(order), bool)
        return journal

    def __len__(self) -> int:
        """Return how many answers earlier runs have left."""
        return len(self._keys)

    def wrap(self, ask: Ask, size: int | None = None) -> Ask:
        """Return a function that asks for what is not in the journal, `size` inputs at once, and writes it down."""

        def ask_new(x: NDArray[np.float32]) -> Answer:
            if not len(x):
                return ask(x)
            keys = _hash_rows(x)
            found = [self._find(key) for key in keys]
            new = np.flatnonzero([entry is None for entry in found])
            asked: dict[int, tuple[str, Any]] = {}
            for start in range(0, len(new), size or max(1, len(new))):
                rows = new[start : start + (size or len(new))]
                kind, values = ask(x[rows])
                answers = np.asarray(values)
                if answers.dtype.kind not in "biuf" or len(answers) != len(rows):
                    return kind, answers  # which the model refuses
                self._write(kind, keys[rows], answers)
                asked |= {int(row): (kind, answer) for row, answer in zip(rows, answers, strict=True)}
            return _join([entry or asked[k] for k, entry in enumerate(found)])

        return ask_new

    def agrees(self, ask: Ask, x: NDArray[np.float32]) -> bool:
        """Whether the model answers a few of x, (n, *shape), as it did in earlier runs; it is asked for them anew."""
        starts = {k: int(np.searchsorted(self._keys, key)) for k, key in enumerate(_hash_rows(x))}
        known = [
            k for k, at in starts.items() if at < len(self._keys) and self._keys[at] == _hash_rows(x[k : k + 1])[0]
        ]
        if not known:
            return True
        kind, answers = ask(x[known[:COMPARED]])
        for k, answer in zip(known, np.asarray(answers), strict=False):
            part, row = self._places[starts[k]]
            before, values = self._parts[part]
            if before != kind or not np.allclose(values[row], answer, rtol=SLACK, atol=SLACK):
                return False
        return True

    def forget(self) -> None:
        """Remove the journal, once a run has come to its end: the next one asks anew."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _find(self, key: np.uint64) -> tuple[str, Any] | None:
        """Take the first answer to an input that was not taken before; None if there is none."""
        k = int(np.searchsorted(self._keys, key))
        while k < len(self._keys) and self._keys[k] == key:
            if not self._used[k]:
                self._used[k] = True
                self.taken += 1
                part, row = self._places[k]
                kind, answers = self._parts[part]
                return kind, answers[row]
            k += 1
        return None

    def _write(self, kind: str, keys: NDArray[np.uint64], answers: NDArray[Any]) -> None:
        """Write answers down at once, so that a process that is killed loses none; ValueError if that fails."""
        part: Part = (
            kind,
            answers.dtype.str,
            [*answers.shape],
            keys.tobytes(),
            np.ascontiguousarray(answers).tobytes(),
        )
        content = msgspec.msgpack.encode(part)
        if self._written + len(content) > MOST:
            return
        try:
            private(self.home)
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / self._file).open("ab") as file:
                file.write(len(content).to_bytes(LENGTH, "little") + content)
        except OSError as error:
            raise ValueError(f"its answers could not be written: {error}") from error
        self._written += len(content)


def _hash_rows(x: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return a hash of each input, (n,)."""
    rows = np.ascontiguousarray(x).reshape(len(x), -1)
    hashes = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(hashes, np.uint64)


def _read_parts(file: Path) -> Iterator[tuple[NDArray[np.uint64], str, NDArray[Any]]]:
    """Yield (hashes, kind of the answers, answers) of the whole parts of a file; what is damaged ends it."""
    try:
        content = file.read_bytes()
    except OSError:
        return
    place = 0
    while place < len(content):
        end = place + LENGTH + int.from_bytes(content[place : place + LENGTH], "little")
        try:
            kind, dtype, shape, hashes, values = msgspec.msgpack.decode(content[place + LENGTH : end], type=Part)
            keys, answers = np.frombuffer(hashes, np.uint64), np.frombuffer(values, dtype).reshape(shape)
        except (msgspec.DecodeError, ValueError, TypeError):
            return
        if len(keys) != len(answers):
            return
        place = end
        yield keys, kind, answers


def _join(answers: list[tuple[str, Any]]) -> Answer:
    """Join the answers to several inputs; ValueError if they are of several kinds."""
    kinds = {kind for kind, _ in answers}
    if len(kinds) > 1:
        raise ValueError(f"it answered once with {' and once with '.join(sorted(kinds))}")
    return kinds.pop(), np.stack([np.asarray(answer) for _, answer in answers])

"""The state of a certification, kept on the disk while it runs: one that was killed goes on.

A bound of a sample depends on neither the other samples nor the number of processes, but for the slack of its batch. So
a run goes on with any number of processes, and by another method.
"""

import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.threats.threat import Threat
from robust.attacks.words import threat_slug
from robust.certification.words import METHODS
from robust.data.numpy_files import read_arrays
from robust.distributed.ranks import ALONE, Ranks
from robust.flags import Flags
from robust.records.certificate import Certificate
from robust.records.files import private, refuse_links, write_arrays

EVERY = 2.0  # seconds between two writes: a cheap batch takes less than writing does
FILE = "margins.npz"


@dataclass(slots=True)
class Known:
    """The state of n samples."""

    margin: NDArray[np.float32]  # (n,): the best lower bound so far; -inf: not asked
    asked: NDArray[np.int8]  # (n,): how many of METHODS have bounded it
    seconds: float = 0.0

    @classmethod
    def of_none(cls, n: int) -> "Known":
        """Return what is known of n samples before the first is asked."""
        return cls(np.full(n, -np.inf, np.float32), np.zeros(n, np.int8))

    def find_left(self, correct: Flags, k: int) -> NDArray[np.int64]:
        """Return the samples that method number k has still to bound: the correct ones that are not certified."""
        return np.flatnonzero(correct & (self.asked <= k) & ~(self.margin > 0))

    def add(self, rows: NDArray[np.int64], margin: NDArray[np.float32], k: int) -> None:
        """Add the bounds of some samples by method number k."""
        self.margin[rows] = np.maximum(self.margin[rows], margin)
        self.asked[rows] = k + 1

    def describe(self, correct: Flags, method: str) -> str:
        """Return how many of the correct samples a method and those before it have settled; "" if none was asked."""
        if not (self.asked > 0).any():
            return ""
        left = len(self.find_left(correct, METHODS.index(method)))
        certified = int((correct & (self.margin > 0)).sum())
        still = int(correct.sum()) - certified - left
        return f"{certified} samples certified, {still} left open by {method}, {left} not yet settled"

    def conclude(self, method: str, correct: Flags, partial: str) -> Certificate:
        """Return the certificate of the correct samples."""
        margin = np.where(correct, self.margin, np.float32(-np.inf)).astype(np.float32)
        methods = METHODS[: METHODS.index(method) + 1]
        # A certified sample is asked no more, so that the last method that was asked has certified it.
        by = {each: int(((margin > 0) & (self.asked == k)).sum()) for k, each in enumerate(methods, 1)}
        dearer = int((margin > 0).sum()) - sum(by.values())  # an earlier run asked further than this one does
        return Certificate(method, margin > 0, margin, by | {method: by[method] + dearer}, self.seconds, partial)


@dataclass(slots=True)
class Journal:
    """The journal of one certification; without a folder nothing is kept. All `ranks` know the same."""

    folder: Path | None = None
    ranks: Ranks = ALONE
    file: str = FILE
    _written: float = field(default_factory=time.monotonic)

    def describe(self, correct: Flags, method: str) -> str:
        """Return what is kept of the correct samples, (n,), in words; "" for nothing. It asks no other rank."""
        known = self._read()
        return known.describe(correct, method) if known is not None and len(known.margin) == len(correct) else ""

    def read(self, n: int) -> Known:
        """Return what is known of n samples. The first rank reads, since other machines need not have its disk."""
        known = self.ranks.once(self._read)
        return known if known is not None and len(known.margin) == n else Known.of_none(n)

    def write(self, known: Any, *, now: bool = False) -> None:
        """Write what is known, if the last time was a while ago or `now`; ValueError if that fails.

        It is a dataclass of arrays and numbers.
        """
        if self.folder is None or not self.ranks.first or not (now or time.monotonic() - self._written > EVERY):
            return
        try:
            write_arrays(self.folder / self.file, {key: np.asarray(getattr(known, key)) for key in known.__slots__})
        except FileNotFoundError:  # the same run has ended in another process, which removed the folder
            return
        except OSError as error:
            raise ValueError(f"what was certified could not be written: {error}") from error
        self._written = time.monotonic()

    def read_arrays(self, names: Iterable[str]) -> list[NDArray[Any]] | None:
        """Read the arrays that an earlier run wrote; None if there was none, or its file is damaged."""
        if self.folder is None:
            return None
        try:
            return read_arrays(self.folder / self.file, names)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def _read(self) -> Known | None:
        if (arrays := self.read_arrays(Known.__slots__)) is None:
            return None
        margin, asked, seconds = arrays
        return Known(np.array(margin, np.float32), np.array(asked, np.int8), float(seconds))


def open_journal(home: Path, threat: Threat, key: str, ranks: Ranks = ALONE) -> Journal:
    """Return the journal of a certification below `home`, which is made; ValueError if it cannot be written.

    `key` is a hash of everything that the bounds depend on.
    """
    name = f"{threat_slug(str(threat))}-{key[:16]}"
    try:
        folder = private(home) / "certificates" / name
        refuse_links(home, folder)
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise ValueError(f"what is certified could not be written: {error}") from error
    return Journal(folder, ranks)

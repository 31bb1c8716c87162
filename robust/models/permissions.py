"""What files may do: nothing by default, and what the user names. No torch in this file."""

import hashlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

SHA256 = "sha256:"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the user allows, on the command line."""

    code: tuple[str, ...] = ()  # files that may run code: absolute paths, or "sha256:" and a digest
    safe_globals: tuple[str, ...] = ()  # names that pickles may use: "pkg.mod.Class"
    folder: Path = Path()  # where the modules of those names are looked for first
    asked: bool = False  # whether there was a command line to say so on, and a refusal may tell of its options

    def runs(self, path: Path) -> bool:
        """Whether the file may run code."""
        digests = {word.removeprefix(SHA256) for word in self.code if word.startswith(SHA256)}
        paths = {os.path.realpath(word) for word in self.code if not word.startswith(SHA256)}
        return os.path.realpath(path) in paths or (bool(digests) and _digest(path) in digests)

    def ways(self, path: Path, names: tuple[str, ...] = ()) -> list[str]:
        """How to let the file at `path` do what it was refused: use the names, or run code; as typed from here."""
        narrow = f"if these are harmless: --robust-safe-globals={','.join(names)}"
        whole = f"if you trust the file: --robust-run-code={shlex.quote(os.path.relpath(path))}"
        return [*[narrow] * bool(names), whole] if self.asked else []


NOTHING = Permissions()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

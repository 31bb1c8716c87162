"""Permissions of model files: none by default, else those that the user gives. Torch is not imported."""

import hashlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from robust.attacks.files import open_regular

SHA256 = "sha256:"


@dataclass(frozen=True, slots=True)
class Permissions:
    """The permissions that the user gives on the command line."""

    code: tuple[str, ...] = ()  # files that may run code: absolute paths, or "sha256:" and a digest
    safe_globals: tuple[str, ...] = ()  # names that pickles may use: "pkg.mod.Class"
    folder: Path = Path()  # searched first for the modules of those names
    has_options: bool = False  # whether there is a command line, so that a refusal may suggest its options

    def allows_code(self, path: Path) -> bool:
        """Whether the file may run code."""
        digests = {entry.removeprefix(SHA256) for entry in self.code if entry.startswith(SHA256)}
        paths = {os.path.realpath(entry) for entry in self.code if not entry.startswith(SHA256)}
        return os.path.realpath(path) in paths or (bool(digests) and _digest(path) in digests)

    def suggest_options(self, path: Path, names: tuple[str, ...] = ()) -> list[str]:
        """Return the options that let the file at `path` use the names or run code, as typed in this folder."""
        narrow = f"if these are harmless: --robust-safe-globals={','.join(names)}"
        whole = f"if you trust the file: --robust-run-code={shlex.quote(os.path.relpath(path))}"
        return [*[narrow] * bool(names), whole] if self.has_options else []


NOTHING = Permissions()


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""What files may do: nothing by default, and what the user names. No torch in this file."""

import hashlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

SHA256 = "sha256:"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the user allows, on the command line."""

    code: tuple[str, ...] = ()  # files that may run code: absolute paths, or "sha256:" and a digest
    safe_globals: tuple[str, ...] = ()  # names that pickles may use: "pkg.mod.Class"
    folder: Path = Path()  # where the modules of those names are looked for first

    def runs(self, path: Path) -> bool:
        """Whether the file may run code."""
        digests = {word.removeprefix(SHA256) for word in self.code if word.startswith(SHA256)}
        paths = {os.path.realpath(word) for word in self.code if not word.startswith(SHA256)}
        return os.path.realpath(path) in paths or (bool(digests) and _digest(path) in digests)


NOTHING = Allowed()


def option_for(path: Path) -> str:
    """The option that lets this file run code, as it is typed in the working folder."""
    return f"--robust-run-code={shlex.quote(os.path.relpath(path))}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Parse what model files may do when they are loaded. No torch here."""

import re
from pathlib import Path

from robust.models.compressed import list_made_here
from robust.models.permissions import SHA256, Permissions
from robust.settings.parsing import blame, read_list
from robust.settings.sources import OptionValue


def read_permissions(code: OptionValue, names: OptionValue, home: Path | None = None) -> Permissions:
    """Return what model files may do; OptionError for no such file, and for what is no digest or no name.

    `home` is the .robust of a project: the folders that its `robust compress` wrote may run the code that they name.
    """
    allowed = [*list_made_here(home)] if home else []
    for text in code.texts:
        with blame(code.name, text):
            allowed.append(_read_code(text, code.folder))
    return Permissions(tuple(allowed), read_list(names, _read_global), names.folder, has_options=True)


def _read_code(text: str, folder: Path) -> str:
    """Return a file as its absolute path, a digest unchanged."""
    if text.startswith(SHA256):
        if not re.fullmatch(r"[0-9a-f]{64}", text.removeprefix(SHA256)):
            raise ValueError("expected sha256: and 64 digits from 0 to f, as sha256sum prints them")
        return text
    if not (path := folder / text).is_file():
        raise ValueError(f"no such file (looked for {path}); name the file, or its digest as sha256:...")
    return str(path)


def _read_global(text: str) -> str:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", text):
        raise ValueError("expected a function or class with its module, as argparse.Namespace")
    return text

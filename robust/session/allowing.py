"""What the user lets model files do."""

import re
from pathlib import Path

import pytest

from robust.models.permissions import SHA256, Allowed
from robust.options import value
from robust.session.reading import base, blaming, each


def read_allowed(config: pytest.Config) -> Allowed:
    """Both options; pytest.UsageError for no such file, and for what is no digest or no name."""
    folder = base(config, "safe-globals")
    code = tuple(_code(text, base(config, "run-code")) for text in value(config, "run-code"))
    return Allowed(code, each(config, "safe-globals", _global, None), folder, asked=True)


def _code(text: str, folder: Path) -> str:
    """A file as its absolute path, or a digest as it is."""
    with blaming(f"run-code={text}"):
        if text.startswith(SHA256):
            if not re.fullmatch(r"[0-9a-f]{64}", text.removeprefix(SHA256)):
                raise ValueError("expected sha256: and 64 digits from 0 to f, as sha256sum prints them")
            return text
        if not (path := folder / text).is_file():
            raise ValueError(f"no such file (looked for {path}); name the file, or its digest as sha256:...")
        return str(path)


def _global(text: str) -> str:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", text):
        raise ValueError("expected a function or class with its module, as argparse.Namespace")
    return text

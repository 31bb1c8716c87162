"""The words for models, parsed: "net.py:make", "weights.safetensors". No torch here: collecting tests reads them."""

import re
from dataclasses import dataclass
from pathlib import Path

from robust.attacks.spec import slug


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A file, and the factory in it where the file is Python code."""

    text: str  # as the user wrote it
    path: Path  # absolute
    factory: str | None  # None: a file of weights

    @classmethod
    def parse(cls, text: str, folder: Path) -> "ModelSpec":
        """Read a model's word; relative paths are below `folder`. ValueError for no such file, or no factory."""
        match = re.fullmatch(r"(.+\.py)(?::([^:]*))?", text)
        name, factory = match.groups() if match else (text, None)
        path = (folder / name).resolve()
        if not path.is_file():
            where = "is a folder" if path.is_dir() else "no such file"
            raise ValueError(f"{where} (looked for {path}); write FILE.py:FACTORY, or a file of weights")
        if match and not (factory or "").isidentifier():
            raise ValueError(f"name the function or class that makes the model, as {name}:make")
        return cls(text, path, factory)

    @property
    def name(self) -> str:
        """What the model is called in tables and files: "net", or "net-wide" for a factory that is not `make`."""
        stem = self.path.stem
        return slug(stem if self.factory in (None, "make") else f"{stem}-{self.factory}")

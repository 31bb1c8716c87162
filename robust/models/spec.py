"""The words for models, parsed: "net.py:make(width=2)", "pkg.mod:make", "weights.safetensors", "zoo:cnn".

No torch here, and nothing of the user's is imported: collecting tests reads these words.
"""

import ast
import importlib.util
import os
import re
import sys
from dataclasses import dataclass, field, replace
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from robust.attacks.spec import slug
from robust.models.catalogue import ARCHITECTURES

LIBRARIES = ("zoo", "torchvision")
WORD = r"(.+?\.py|(?:zoo|torchvision)(?=:)|[^\W\d][\w.]*(?=:[^\W\d]))(?::([^(]*)(\(.*\))?)?"
FORM = "write FILE.py:FACTORY, PACKAGE.MODULE:FACTORY, zoo:NAME, torchvision:NAME, or a file of weights"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A file, and where it is Python code the factory in it and what that is called with; or a library's architecture.

    Such an architecture has no file of the user's: `path` is its own word, as if a file in the root folder.
    """

    text: str  # as the user wrote it
    path: Path  # absolute; of a library "zoo:cnn-width8"
    factory: str | None = None  # None: a file of weights
    args: tuple[object, ...] = field(default=(), hash=False)  # may be lists; the text tells them apart
    options: tuple[tuple[str, object], ...] = field(default=(), hash=False)
    module: str | None = None  # "pkg.mod" where the user named a module and not a file
    library: str | None = None  # one of LIBRARIES, whose architecture `factory` is

    @classmethod
    def parse(cls, text: str, folder: Path) -> "ModelSpec":
        """Read a model's word; relative paths and modules are looked for below `folder` first.

        ValueError for no such file or module, no factory, or arguments that are not Python literals; LookupError for
        an architecture that the zoo does not have.
        """
        match = re.fullmatch(WORD, text)
        name, factory, call = match.groups() if match else (text, None, None)
        if match and name in LIBRARIES:
            return cls._of_library(text, name, factory or "", call)
        module = None if not match or name.endswith(".py") else name
        # Not resolved: a link goes by its own name, as pytest's arguments do.
        path = _module_file(name, folder) if module else Path(os.path.abspath(folder / name))
        if not path.is_file():
            where = "is a folder" if path.is_dir() else "no such file"
            raise ValueError(f"{where} (looked for {path}); {FORM}")
        if match and not (factory or "").isidentifier():
            raise ValueError(f"name the function or class that makes the model, as {name}:make")
        args, options = _arguments(call) if call else ((), ())
        return cls(text, path, factory, args, options, module)

    @classmethod
    def _of_library(cls, text: str, library: str, factory: str, call: str | None) -> "ModelSpec":
        """Numbers after a name of the zoo are its first arguments: "zoo:wideresnet-28-10" is wideresnet(28, 10)."""
        args, options = _arguments(call) if call else ((), ())
        if library == "zoo" and factory not in ARCHITECTURES:
            if numbered := re.fullmatch(r"(.*?)((?:-\d+)+)", factory):
                factory, args = numbered[1], (*map(int, numbered[2][1:].split("-")), *args)
            if factory not in ARCHITECTURES:
                ARCHITECTURES.refuse(factory)
        spec = cls(text, Path(), factory, args, options, library=library)
        return replace(spec, path=Path(f"{library}:{spec.name}"))

    @property
    def plain(self) -> bool:
        """Whether the path alone tells which model it is: weights, `make` without arguments, or a library's."""
        return self.library is not None or (self.factory in (None, "make") and not (self.args or self.options))

    @property
    def label(self) -> str:
        """What tells it from other models of its file, as one word: "make", "wide-width2"."""
        return slug("-".join((self.factory or "weights", *self._words)))

    @property
    def name(self) -> str:
        """What the model is called in tables and files: "net", "net-wide-width2" of "net.py:wide(width=2)", "cnn"."""
        if self.library:
            return self.label
        factory = () if self.factory in (None, "make") else (self.factory,)
        package = self.path.parent.name if self.path.stem == "__init__" else self.path.stem
        return slug("-".join((package, *factory, *self._words)))

    @property
    def _words(self) -> list[str]:
        return [*map(str, self.args), *(f"{key}{value}" for key, value in self.options)]


def _arguments(call: str) -> tuple[tuple[object, ...], tuple[tuple[str, object], ...]]:
    """Read "(2, bias=True)"."""
    try:
        tree = ast.parse(f"f{call}", mode="eval").body
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
            raise ValueError
        args = tuple(ast.literal_eval(arg) for arg in tree.args)
        options = tuple((str(word.arg), ast.literal_eval(word.value)) for word in tree.keywords if word.arg)
        if len(options) < len(tree.keywords):
            raise ValueError
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"cannot read the arguments {call}; write Python literals, as make(width=2)") from None
    return args, options


def _module_file(name: str, folder: Path) -> Path:
    """The file of the module `name`; no package is imported to find it."""
    top, *rest = name.split(".")
    try:
        spec = PathFinder.find_spec(top, [str(folder), *sys.path]) or importlib.util.find_spec(top)
        for part in rest:
            spec = _below(spec, part)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ValueError(f"there is no module {name} (looked in {folder} and on Python's path); {FORM}")
    return Path(os.path.abspath(spec.origin))


def _below(spec: ModuleSpec | None, part: str) -> ModuleSpec | None:
    if spec is None or spec.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(f"{spec.name}.{part}", [*spec.submodule_search_locations])

"""Specs of models: "net.py:make(width=2)", "pkg.mod:make", "weights.safetensors", "zoo:cnn".

Specs are combined, as in "ensemble:a.pt,b.pt" and "blackbox:forest.py:make"; an endpoint's spec is its address,
"http://127.0.0.1:8000/predict".

Neither torch nor the user's code is imported here: collecting tests reads these specs.
"""

import ast
import importlib.util
import os
import re
import sys
from dataclasses import dataclass, field, replace
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from robust.attacks.text import slug
from robust.models.compressed import CARD
from robust.models.endpoint import Endpoint
from robust.models.registry import ARCHITECTURES
from robust.models.spec_hints import COMMA, suggest_spec

LIBRARIES = ("zoo", "torchvision", "timm")
SPEC = rf"(.+?\.py|(?:{'|'.join(LIBRARIES)})(?=:)|[^\W\d][\w.]*(?=:[^\W\d]))(?::([^(]*)(\(.*\))?)?"
SRC = "src"  # where many projects keep their packages, and Python does not look
FOLDERS = ("config.json", CARD)  # a file in every folder of transformers, and in each of robust compress


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A parsed spec: a file, and if it is Python code its factory and the factory's arguments.

    A library's architecture, an ensemble and an endpoint have no file; their `path` is made from the spec.
    """

    text: str  # as the user wrote it
    path: Path  # absolute; of a library "zoo:cnn-width8"
    factory: str | None = None  # None: a file of weights
    args: tuple[object, ...] = field(default=(), hash=False)  # may hold lists, which have no hash; the text is hashed
    options: tuple[tuple[str, object], ...] = field(default=(), hash=False)
    module: str | None = None  # "pkg.mod" where the user named a module and not a file
    library: str | None = None  # if there is no file: one of LIBRARIES, "ensemble" or "http"
    members: tuple["ModelSpec", ...] = ()  # of an ensemble
    answers: bool = False  # whether the model only answers, so that it has no gradient

    @classmethod
    def parse(cls, text: str, folder: Path, *, absent: bool = False) -> "ModelSpec":
        """Read a model's spec; relative paths and modules are searched for below `folder` first.

        With `absent`, files of weights may be missing here: `refuse_absent` refuses them later.
        ValueError if there is no such file or module, no factory, or if the arguments are not Python literals;
        LookupError for an architecture that the zoo does not have.
        """
        kind, _, rest = text.partition(":")
        if kind in ("http", "https"):
            return cls._of_endpoint(text)
        if kind == "ensemble":
            return cls._of_members(text, rest, folder, absent)
        if kind == "blackbox":
            return cls._of_answers(text, rest, folder)
        match = re.fullmatch(SPEC, text)
        name, factory, call = match.groups() if match else (text, None, None)
        if match and name in LIBRARIES:
            return cls._of_library(text, name, factory or "", call)
        module = None if not match or name.endswith(".py") else name
        # Not resolved: a link keeps its name, as in pytest's arguments.
        path = _module_file(text, name, folder) if module else Path(os.path.abspath(folder / name))
        if match or not absent:
            _refuse_absent(path, bool(match), suggest_spec(text, folder))
        if match and not (factory or "").isidentifier():
            if len(re.split(COMMA, text)) > 1:
                raise ValueError(suggest_spec(text, folder))
            meant = (factory or "").strip(": .")
            example = f"{name}:{meant}{call or ''}" if meant.isidentifier() else f"{name}:make"
            raise ValueError(f"name the function or class that makes the model, as {example}")
        args, options = _arguments(call) if call else ((), ())
        return cls(text, path, factory, args, options, module)

    @classmethod
    def _of_library(cls, text: str, library: str, factory: str, call: str | None) -> "ModelSpec":
        """Read the spec of a library's model; "zoo:wideresnet-28-10" is wideresnet(28, 10)."""
        args, options = _arguments(call) if call else ((), ())
        if library == "zoo" and factory not in ARCHITECTURES:
            if numbered := re.fullmatch(r"(.*?)((?:-\d+)+)", factory):
                factory, args = numbered[1], (*map(int, numbered[2][1:].split("-")), *args)
            if factory not in ARCHITECTURES:
                ARCHITECTURES.refuse(factory)
        spec = cls(text, Path(), factory, args, options, library=library)
        return replace(spec, path=Path(f"{library}:{spec.name}"))

    @classmethod
    def _of_endpoint(cls, text: str) -> "ModelSpec":
        name = Endpoint.parse(text).name
        return cls(text, Path(f"http:{name}"), name, library="http", answers=True)

    @classmethod
    def _of_members(cls, text: str, specs: str, folder: Path, absent: bool) -> "ModelSpec":
        members = tuple(cls.parse(spec.strip(), folder, absent=absent) for spec in re.split(COMMA, specs))
        if len(members) < 2 or any(member.members for member in members):
            raise ValueError("an ensemble is of two models or more, as ensemble:a.safetensors,b.safetensors")
        name = "+".join(member.name for member in members)
        answers = any(member.answers for member in members)
        return cls(text, Path(f"ensemble:{name}"), name, library="ensemble", members=members, answers=answers)

    @classmethod
    def _of_answers(cls, text: str, inner: str, folder: Path) -> "ModelSpec":
        spec = cls.parse(inner, folder)
        if spec.library or spec.factory is None:
            raise ValueError("name the function that makes what answers, as blackbox:forest.py:make")
        return replace(spec, text=text, answers=True)

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files of weights of the model, or of an ensemble's members."""
        weights = (self.path,) if self.factory is None else ()
        return weights + tuple(path for member in self.members for path in member.files)

    def refuse_absent(self) -> None:
        """Raise a ValueError if a file of weights is missing."""
        for path in self.files:
            _refuse_absent(path, False, suggest_spec(self.text, path.parent))

    def refuse_untrainable(self, arch: str | None) -> None:
        """Raise a ValueError if nothing makes a fresh module of this model; `arch` is the text of --robust-arch."""
        if self.answers or self.members:
            raise ValueError("has no architecture that could be trained")
        if self.factory is None and (self.path / CARD).is_file():
            raise ValueError("is of robust compress; train its float network, and compress that again")
        if self.factory is None and arch is None:
            raise ValueError("holds weights only; name the architecture with --robust-arch")

    @property
    def takes_arch(self) -> bool:
        """Whether it, or a member of it, is a file that may hold weights alone, which --robust-arch is for.

        A folder of robust compress names its own architecture.
        """
        return any(not (path / CARD).is_file() for path in self.files)

    @property
    def plain(self) -> bool:
        """Whether the path alone identifies the model: weights, `make` without arguments, or a library's model."""
        return self.library is not None or (self.factory in (None, "make") and not (self.args or self.options))

    @property
    def label(self) -> str:
        """Return a name that distinguishes the model from others of the same file: "make", "wide-width2"."""
        return slug("-".join((self.factory or "weights", *self._arguments)))

    @property
    def name(self) -> str:
        """Return the name in tables and files: "cnn", "net", or "net-wide-width2" for "net.py:wide(width=2)"."""
        if self.library:
            return self.label
        factory = () if self.factory in (None, "make") else (self.factory,)
        package = self.path.parent.name if self.path.stem == "__init__" else self.path.stem
        return slug("-".join((package, *factory, *self._arguments)))

    @property
    def _arguments(self) -> list[str]:
        return [*map(str, self.args), *(f"{key}{value}" for key, value in self.options)]


def _refuse_absent(path: Path, code: bool, hint: str) -> None:
    if not (path.is_file() or (not code and any((path / name).is_file() for name in FOLDERS))):
        where = "is a folder" if path.is_dir() else "no such file"
        raise ValueError(f"{where} (looked for {path}); {hint}")


def _arguments(call: str) -> tuple[tuple[object, ...], tuple[tuple[str, object], ...]]:
    """Read "(2, bias=True)" as ((2,), (("bias", True),)); ValueError for anything but Python literals."""
    try:
        tree = ast.parse(f"f{call}", mode="eval").body
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
            raise ValueError
        args = tuple(ast.literal_eval(arg) for arg in tree.args)
        options = tuple((str(option.arg), ast.literal_eval(option.value)) for option in tree.keywords if option.arg)
        if len(options) < len(tree.keywords):
            raise ValueError
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"cannot read the arguments {call}; write Python literals, as make(width=2)") from None
    return args, options


def _module_file(text: str, name: str, folder: Path) -> Path:
    """Return the file of the module `name`, without importing its package; ValueError if there is none."""
    if path := _find_module(name, [str(folder), *sys.path]):
        return path
    hint = suggest_spec(text, folder)
    if _find_module(name, [str(folder / SRC)]):
        hint = f'it is in {SRC}/, so say pythonpath = ["{SRC}"] in [tool.pytest.ini_options], or set PYTHONPATH={SRC}'
    raise ValueError(f"there is no module {name} (looked in {folder} and on Python's path); {hint}")


def _find_module(name: str, folders: list[str]) -> Path | None:
    """Return the file of a module below one of the folders, or of an editable installation; None if there is none."""
    top, *rest = name.split(".")
    try:
        spec = PathFinder.find_spec(top, folders) or importlib.util.find_spec(top)
        for part in rest:
            spec = _below(spec, part)
    except (ImportError, ValueError):
        spec = None
    found = spec is not None and spec.origin is not None and Path(spec.origin).is_file()
    return Path(os.path.abspath(str(spec.origin))) if found and spec is not None else None


def _below(spec: ModuleSpec | None, part: str) -> ModuleSpec | None:
    if spec is None or spec.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(f"{spec.name}.{part}", [*spec.submodule_search_locations])

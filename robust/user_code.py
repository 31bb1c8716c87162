"""Running the code that a user named: files, modules, programs. Nothing else of the project executes a user's file."""

import hashlib
import importlib
import importlib.util
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from robust.attacks.registry import suggest

T = TypeVar("T")

# Where code is not the user's: what Python makes up, libraries, and this package with its attacks.
OURS = Path(__file__).parent
LIBRARIES = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
OTHERS = ("<", *(f"{folder}{os.sep}" for folder in (*LIBRARIES, OURS, (OURS / "attacks").resolve())))


def import_file(path: Path) -> ModuleType:
    """Run a user's file as a module, once a process; its folder is importable from, as for `python FILE`."""
    name = f"robust_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    from robust.torchvision_compat import with_torchvision  # it imports torch

    execute = spec.loader.exec_module
    try:
        with_torchvision(lambda: execute(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        packaged = isinstance(error, ImportError) and "relative import" in str(error)
        hint = f"; it is part of a package, so name its module: PACKAGE.{path.stem}:FACTORY" if packaged else ""
        raise ValueError(f"running {path.name} failed: {describe_user_error(error)}{hint}") from error
    return module


def import_module(name: str, path: Path) -> ModuleType:
    """Import the module `name`, whose file is `path`, as a Python would that was started in the folder above it."""
    from robust.torchvision_compat import with_torchvision  # it imports torch

    above = path.parents[name.count(".") + (path.stem == "__init__")]
    if str(above) not in sys.path:
        sys.path.insert(0, str(above))
    try:
        module = with_torchvision(lambda: importlib.import_module(name))
    except (Exception, SystemExit) as error:
        raise ValueError(f"importing {name} failed: {describe_user_error(error)}") from error
    found = getattr(module, "__file__", None)
    if found is None or Path(found).resolve() != path.resolve():
        raise ValueError(f"another module is already imported as {name}: {found}, expected {path}")
    return module


def run_user_code(run: Callable[[], T], *folders: Path) -> T:
    """What `run` returns, where modules in `folders` can be imported; ValueError, in one line, where it fails."""
    from robust.torchvision_compat import with_torchvision  # it imports torch

    sys.path[:0] = [str(folder) for folder in folders if str(folder) not in sys.path]
    try:
        return with_torchvision(run)
    except (Exception, SystemExit) as error:
        raise ValueError(f"failed to load: {describe_user_error(error)}") from error


def is_installed(name: str) -> bool:
    """Whether there is a module of that name; it is not imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # some other has taken its place
        return False


def look_up(module: ModuleType, name: str, where: str) -> Any:
    """What `module` calls `name`; LookupError, with the nearest that it defines itself, where there is none."""
    if not hasattr(module, name):
        own = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", None) == module.__name__]
        raise LookupError(f"{where} has no {suggest(name, own)}")
    return getattr(module, name)


def hash_sources(files: Iterable[Path]) -> str:
    """SHA-256 of the files' names and contents, in whatever order they are given."""
    sha = hashlib.sha256()
    for file in sorted({file.resolve() for file in files}, key=lambda path: path.as_posix()):
        sha.update(file.name.encode() + file.read_bytes())
    return sha.hexdigest()


def source_files(things: Iterable[type]) -> set[Path]:
    """The files that these classes are written in; of one typed at a prompt there is none."""
    files = {getattr(sys.modules.get(thing.__module__), "__file__", None) for thing in things}
    return {Path(file) for file in files if file}


def describe_user_error(error: BaseException) -> str:
    """One line: the kind of error, its first line, and where: in the user's own code, if it passed through some."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if not frame.filename.startswith(OTHERS)), frames[-1])
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]} ({Path(last.filename).name}, line {last.lineno})"

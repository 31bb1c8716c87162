"""Running code that the user names: files, modules, programs. No other module of the project runs a user's file."""

import hashlib
import importlib
import importlib.util
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO, TypeVar

from robust.attacks.registry import suggest
from robust.attacks.text import brief, printable

T = TypeVar("T")

# Where code is not the user's: generated code, libraries, and this package with its attacks.
PACKAGE = Path(__file__).parent
LIBRARIES = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
NOT_USER_CODE = ("<", *(f"{folder}{os.sep}" for folder in (*LIBRARIES, PACKAGE, (PACKAGE / "attacks").resolve())))

PARSERS = ("argparse", "click")  # packages that write how a program is used
ADVICE = 'put what only a program does, as parsing arguments, under if __name__ == "__main__":'


class WithoutUsage:
    """A stream that holds back what parsers of arguments write; all else goes through at once."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.held = ""

    def write(self, text: str) -> int:
        if sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] not in PARSERS:
            return self.stream.write(text)
        self.held += text
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def as_program(name: str) -> Iterator[None]:
    """Run the user's code inside as `python NAME` does: the arguments in sys.argv are pytest's, and none of its.

    A code that wants some would end this process, with a usage that reads as if it were ours: SystemExit, with its last
    line and what to do, has no other output.
    """
    arguments, out, err = sys.argv, WithoutUsage(sys.stdout), WithoutUsage(sys.stderr)
    sys.argv = [name]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    except SystemExit as error:
        out.held = ""
        said = (err.held.strip().splitlines() or [str(error.code)])[-1]
        err.held = ""
        raise SystemExit(f"{said}; {ADVICE}").with_traceback(error.__traceback__) from error
    finally:
        sys.argv = arguments
        for stream in (out, err):
            stream.stream.write(stream.held)


def import_file(path: Path) -> ModuleType:
    """Run a user's file as a module, once a process; it can import from its folder, as with `python FILE`.

    ValueError, in one line, if it fails.
    """
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
        with as_program(str(path)):
            with_torchvision(lambda: execute(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        packaged = isinstance(error, ImportError) and "relative import" in str(error)
        hint = f"; it is part of a package, so name its module: PACKAGE.{path.stem}:FACTORY" if packaged else ""
        raise ValueError(f"running {path.name} failed: {describe_user_error(error)}{hint}") from error
    return module


def import_module(name: str, path: Path) -> ModuleType:
    """Import the module `name`, whose file is `path`, as Python would if started in the folder above it.

    ValueError, in one line, if it fails, or if another module has that name.
    """
    from robust.torchvision_compat import with_torchvision  # it imports torch

    above = path.parents[name.count(".") + (path.stem == "__init__")]
    if str(above) not in sys.path:
        sys.path.insert(0, str(above))
    try:
        with as_program(str(path)):
            module = with_torchvision(lambda: importlib.import_module(name))
    except (Exception, SystemExit) as error:
        raise ValueError(f"importing {name} failed: {describe_user_error(error)}") from error
    file = getattr(module, "__file__", None)
    if file is None or Path(file).resolve() != path.resolve():
        raise ValueError(f"another module is already imported as {name}: {file}, expected {path}")
    return module


def run_user_code(run: Callable[[], T], *folders: Path) -> T:
    """Return the result of `run`, which can import modules in `folders`; ValueError, in one line, if it fails."""
    from robust.torchvision_compat import with_torchvision  # it imports torch

    sys.path[:0] = [str(folder) for folder in folders if str(folder) not in sys.path]
    try:
        with as_program(sys.argv[0]):
            return with_torchvision(run)
    except (Exception, SystemExit) as error:
        raise ValueError(f"failed to load: {describe_user_error(error)}") from error


def is_installed(name: str) -> bool:
    """Whether there is a module of that name, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # a module without a spec has that name
        return False


def look_up(module: ModuleType, name: str, where: str) -> Any:
    """Return the attribute `name` of the module; LookupError, with the nearest name that it defines, if it has none."""
    if not hasattr(module, name):
        callables = {n: v for n, v in vars(module).items() if callable(v)}
        defined = [n for n, v in callables.items() if getattr(v, "__module__", None) == module.__name__]
        raise LookupError(f"{where} has no {suggest(name, defined)}")
    return getattr(module, name)


def hash_sources(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the files' names and contents, whatever their order."""
    sha = hashlib.sha256()
    for file in sorted({file.resolve() for file in files}, key=lambda path: path.as_posix()):
        sha.update(file.name.encode() + file.read_bytes())
    return sha.hexdigest()


def source_files(classes: Iterable[type]) -> set[Path]:
    """Return the files that define these classes; a class typed at a prompt has none."""
    files = {getattr(sys.modules.get(cls.__module__), "__file__", None) for cls in classes}
    return {Path(file) for file in files if file}


def explain_warning(error: BaseException) -> str:
    """Return what to do if a warning was raised, since a filter makes it an error; "" for another error."""
    if not isinstance(error, Warning):
        return ""
    name = type(error).__name__
    return f'it is a {name}, which the filterwarnings of pytest make an error: add "ignore::{name}" to them'


def describe_user_error(error: BaseException) -> str:
    """Return one line: the kind of error, its first line, and its place, in the user's code if that is on the stack."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if not frame.filename.startswith(NOT_USER_CODE)), frames[-1])
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {brief(lines[0])} ({printable(Path(last.filename).name)}, line {last.lineno})"

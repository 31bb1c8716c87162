"""The names that a pickle would import, read from its opcodes. No code in it is run, and no name in it is imported."""

import io
import pickle
import pickletools
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import torch

from robust.attacks.text import first_line
from robust.models.format import Source

MAGIC = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)  # precedes the pickles in torch.save's older files
PICKLES = 5  # the number of pickles in such a file
MAX_READ = 2**26  # bytes of pickles: a hundred times those of a large checkpoint

# torch regards these as safe, but a few bytes of pickle make them fill the memory; weights do not need them.
HEAVY = {"_codecs.encode", "builtins.bytearray"}

# Modules that act on the machine; no weights need them. The list is not complete: other modules may do the same harm.
GRAVE = {"code", "ctypes", "importlib", "nt", "os", "pdb", "posix", "pty", "runpy", "shutil", "socket", "subprocess"}
GRAVE |= {"sys", "webbrowser"}
GRAVE_NAMES = {f"builtins.{name}" for name in ("__import__", "compile", "eval", "exec", "getattr", "open")} | {
    "io.open"
}


@dataclass(frozen=True, slots=True)
class PickleNeeds:
    """The names that a pickle needs and that are not known to be safe."""

    names: tuple[str, ...]  # as "pkg.mod.Class", sorted
    stacked: bool  # whether one is built on the stack, as in newer protocols, which torch refuses
    fault: str  # why the opcodes could not be read to the end; empty if they could

    @property
    def offered(self) -> bool:
        """Whether the option that permits the names may be shown; a hostile name must not get into a shell command."""
        return not self.stacked and all(name.replace(".", "_").isidentifier() for name in self.names)

    @property
    def grave(self) -> bool:
        """Whether one of the names acts on the machine, as "posix.system" or "builtins.eval"."""
        return any(name in GRAVE_NAMES or name.partition(".")[0] in GRAVE for name in self.names)


def scan_pickle(source: Source, safe: tuple[str, ...]) -> PickleNeeds:
    """Return the needs of a file of torch.save or a bare pickle, without the names `safe`, which torch accepts."""
    stacked_by_name: dict[str, bool] = {}
    fault = ""
    try:
        for name, stacked in _iter_imports(_read_pickles(source), PICKLES if source.head.startswith(MAGIC) else 1):
            stacked_by_name[name] = stacked_by_name.get(name, False) or stacked
    except Exception as error:  # a damaged file raises anything
        fault = first_line(error)
    unsafe = {*_list_unsafe(stacked_by_name), *(HEAVY & stacked_by_name.keys())} - {*safe}
    stacked = any(stacked_by_name[name] for name in stacked_by_name if name in unsafe)
    return PickleNeeds(tuple(sorted(unsafe)), stacked, fault)


def _read_pickles(source: Source) -> BinaryIO:
    """Return the file's pickles, one after the other."""
    if not source.members:
        with source.path.open("rb") as file:
            return io.BytesIO(file.read(MAX_READ))
    inner = next(name for name in source.members if name.endswith("/data.pkl"))
    with zipfile.ZipFile(source.path) as archive, archive.open(inner) as member:
        return io.BytesIO(member.read(MAX_READ))


def _iter_imports(pickles: BinaryIO, count: int) -> Iterator[tuple[str, bool]]:
    """Yield each global as "pkg.mod.Class", and whether its name is built on the stack."""
    for _ in range(count):
        memo: dict[int, object] = {}
        last: deque[object] = deque([None, None], maxlen=2)  # the top two of the stack; None if no string
        for opcode, arg, _at in pickletools.genops(pickles):
            if opcode.name in ("GLOBAL", "INST"):
                yield _modernise(*str(arg).split(" ", 1)), False
            elif opcode.name == "STACK_GLOBAL":
                yield ".".join(str(part) for part in last), True
            elif opcode.name == "MEMOIZE":
                memo[len(memo)] = last[-1]
            elif "PUT" in opcode.name:
                memo[int(arg or 0)] = last[-1]
            elif "GET" in opcode.name:
                last.append(memo.get(int(arg or 0)))
            elif opcode.stack_after:
                last.append(arg if isinstance(arg, str) else None)


def _modernise(module: str, name: str) -> str:
    """Return Python 3's name of a global that Python 2 named differently; unpicklers accept both."""
    return ".".join(NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name)))


def _list_unsafe(names: dict[str, bool]) -> list[str]:
    """Return those of the names that torch does not regard as safe; torch is asked with a checkpoint that uses them."""
    sound = [name for name in names if name.isprintable() and name.isascii() and " " not in name and "." in name]
    lines = "".join("c{}\n{}\n".format(*name.rpartition(".")[::2]) for name in sound)
    checkpoint = io.BytesIO()
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("names/data.pkl", f"{lines}.")
        archive.writestr("names/version", "3")
    checkpoint.seek(0)
    unsafe: list[str] = torch.serialization.get_unsafe_globals_in_checkpoint(checkpoint)
    return [*unsafe, *(name for name in names if name not in sound)]

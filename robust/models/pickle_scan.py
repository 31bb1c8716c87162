"""What a pickle would import, read from its opcodes. Nothing in it is run, and no name in it is looked up."""

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

MAGIC = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)  # before the pickles in torch.save's older files
PICKLES = 5  # one after the other in these
MOST_READ = 2**26  # bytes of pickles: a hundred times those of a large checkpoint

# torch knows these to be safe, but a few bytes of pickle make them fill the memory; weights do not need them.
HEAVY = {"_codecs.encode", "builtins.bytearray"}

# Modules that act on the machine: no weights need them. A tripwire and no more: others may do the same harm.
GRAVE = {"code", "ctypes", "importlib", "nt", "os", "pdb", "posix", "pty", "runpy", "shutil", "socket", "subprocess"}
GRAVE |= {"sys", "webbrowser"}
GRAVE_NAMES = {f"builtins.{name}" for name in ("__import__", "compile", "eval", "exec", "getattr", "open")} | {
    "io.open"
}


@dataclass(frozen=True, slots=True)
class PickleNeeds:
    """What a pickle needs beside what is known to be safe."""

    names: tuple[str, ...]  # as "pkg.mod.Class", sorted
    stacked: bool  # whether one of them is put together as newer protocols do, which torch does not read restricted
    fault: str  # why the opcodes could not be read to the end; empty if they could

    @property
    def offered(self) -> bool:
        """Whether the user may be told how to allow them by name; a hostile one is not put before a shell."""
        return not self.stacked and all(name.replace(".", "_").isidentifier() for name in self.names)

    @property
    def grave(self) -> bool:
        """Whether one of them acts on the machine: "posix.system", "builtins.eval"."""
        return any(name in GRAVE_NAMES or name.partition(".")[0] in GRAVE for name in self.names)


def scan_pickle(source: Source, safe: tuple[str, ...]) -> PickleNeeds:
    """Of a file of torch.save, or a bare pickle; the names `safe`, which torch has been told of, are left out."""
    found: dict[str, bool] = {}
    fault = ""
    try:
        for name, stacked in _imports(_pickled(source), PICKLES if source.head.startswith(MAGIC) else 1):
            found[name] = found.get(name, False) or stacked
    except Exception as error:  # a damaged file raises anything
        fault = first_line(error)
    unknown = {*_unknown(found), *(HEAVY & found.keys())} - {*safe}
    return PickleNeeds(tuple(sorted(unknown)), any(found[name] for name in found if name in unknown), fault)


def _pickled(source: Source) -> BinaryIO:
    """Its pickles, one after the other."""
    if not source.members:
        with source.path.open("rb") as file:
            return io.BytesIO(file.read(MOST_READ))
    inner = next(name for name in source.members if name.endswith("/data.pkl"))
    with zipfile.ZipFile(source.path) as archive, archive.open(inner) as member:
        return io.BytesIO(member.read(MOST_READ))


def _imports(pickled: BinaryIO, count: int) -> Iterator[tuple[str, bool]]:
    """Each global as "pkg.mod.Class", and whether its name is put together on the stack."""
    for _ in range(count):
        memo: dict[int, object] = {}
        last: deque[object] = deque([None, None], maxlen=2)  # the last two things on the stack, where they are strings
        for opcode, arg, _at in pickletools.genops(pickled):
            if opcode.name in ("GLOBAL", "INST"):
                yield _renamed(*str(arg).split(" ", 1)), False
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


def _renamed(module: str, name: str) -> str:
    """As Python 3 calls what Python 2 called otherwise; unpicklers take both."""
    return ".".join(NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name)))


def _unknown(names: dict[str, bool]) -> list[str]:
    """Those of the names that torch does not know to be safe, asked of torch by a checkpoint that has them all."""
    sound = [name for name in names if name.isprintable() and name.isascii() and " " not in name and "." in name]
    lines = "".join("c{}\n{}\n".format(*name.rpartition(".")[::2]) for name in sound)
    checkpoint = io.BytesIO()
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("names/data.pkl", f"{lines}.")
        archive.writestr("names/version", "3")
    checkpoint.seek(0)
    unknown: list[str] = torch.serialization.get_unsafe_globals_in_checkpoint(checkpoint)
    return [*unknown, *(name for name in names if name not in sound)]

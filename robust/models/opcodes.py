"""What a pickle would import, read from its opcodes. Nothing in it is run, and no name in it is looked up."""

import io
import pickletools
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import torch

from robust.models.format import Source

MOST_READ = 2**26  # bytes of pickles: a hundred times those of a large checkpoint
MOST_PICKLES = 5  # one after the other in the older files of torch.save
MOST_READ_NAMES = 10_000

# Modules that act on the machine: no weights need them. A tripwire and no more: others may do the same harm.
GRAVE = {"code", "ctypes", "importlib", "nt", "os", "pdb", "posix", "pty", "runpy", "shutil", "socket", "subprocess"}
GRAVE |= {"sys", "webbrowser"}
GRAVE_NAMES = {f"builtins.{name}" for name in ("__import__", "compile", "eval", "exec", "getattr", "open")} | {
    "io.open"
}


@dataclass(frozen=True, slots=True)
class Needs:
    """The names that a pickle would use and that torch does not know to be safe, sorted."""

    names: tuple[str, ...]
    readable: bool  # whether torch's restricted unpickler could read it if they were allowed

    @property
    def offered(self) -> bool:
        """Whether the user may be offered to allow them by name; a hostile name is not put before a shell."""
        return self.readable and bool(self.names) and all(name.replace(".", "_").isidentifier() for name in self.names)

    @property
    def grave(self) -> bool:
        """Whether one of them acts on the machine: "posix.system", "builtins.eval"."""
        return any(name in GRAVE_NAMES or name.partition(".")[0] in GRAVE for name in self.names)


def needs(source: Source) -> Needs:
    """Of a file of torch.save, or a bare pickle; as far as the opcodes can be read."""
    found: dict[str, bool] = {}
    for name, stacked in islice(_imports(source), MOST_READ_NAMES):
        found[name] = found.get(name, False) or stacked
    return Needs(tuple(sorted(_unknown(found))), not any(found.values()))


def _pickled(source: Source) -> BinaryIO:
    """Its pickles, one after the other."""
    if not source.members:
        with source.path.open("rb") as file:
            return io.BytesIO(file.read(MOST_READ))
    inner = next(name for name in source.members if name.endswith("/data.pkl"))
    with zipfile.ZipFile(source.path) as archive, archive.open(inner) as member:
        return io.BytesIO(member.read(MOST_READ))


def _imports(source: Source) -> Iterator[tuple[str, bool]]:
    """Each global as "pkg.mod.Class", and whether its name is put together on the stack, as newer protocols do."""
    memo: dict[int, object] = {}
    last: deque[object] = deque([None, None], maxlen=2)  # the last two things on the stack, where they are strings
    try:
        pickled = _pickled(source)
        for _ in range(MOST_PICKLES):
            for opcode, arg, _at in pickletools.genops(pickled):
                name = opcode.name
                if name in ("GLOBAL", "INST"):
                    yield ".".join(str(arg).split(" ", 1)), False
                elif name == "STACK_GLOBAL":
                    yield ".".join(str(part) for part in last), True
                elif name == "MEMOIZE":
                    memo[len(memo)] = last[-1]
                elif "PUT" in name:
                    memo[int(arg or 0)] = last[-1]
                elif "GET" in name:
                    last.append(memo.get(int(arg or 0)))
                elif opcode.stack_after:
                    last.append(arg if isinstance(arg, str) else None)
    except Exception:  # a damaged file raises anything; what was read so far is told
        return


def _unknown(names: dict[str, bool]) -> list[str]:
    """Those of the names that torch does not know to be safe, asked of torch by a checkpoint that has them all."""
    sound = [name for name in names if name.isprintable() and name.isascii() and "." in name]
    lines = "".join("c{}\n{}\n".format(*name.rpartition(".")[::2]) for name in sound)
    checkpoint = io.BytesIO()
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("names/data.pkl", f"{lines}.")
        archive.writestr("names/version", "3")
    checkpoint.seek(0)
    unknown: list[str] = torch.serialization.get_unsafe_globals_in_checkpoint(checkpoint)
    return [*unknown, *(name for name in names if name not in sound)]

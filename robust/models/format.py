"""Formats that models come in, told by their content: the first bytes of a file, or the names in an archive or folder.

A format is one file in robust/models/formats. No torch in this file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robust.attacks.registry import Registry
from robust.attacks.text import brief
from robust.models.archive import SIGNATURE, read_member_names
from robust.models.permissions import NOTHING, Permissions

if TYPE_CHECKING:
    from torch import Tensor, nn

HEAD = 64  # bytes that tell a format


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder, looked at from outside."""

    path: Path
    head: bytes = b""  # its first bytes; of a folder none
    members: tuple[str, ...] = ()  # the names in an archive or a folder, sorted; else none

    @classmethod
    def of(cls, path: Path) -> "Source":
        """ValueError for an archive that is damaged or hostile."""
        if path.is_dir():
            return cls(path, members=tuple(sorted(inner.name for inner in path.iterdir())))
        with path.open("rb") as file:
            head = file.read(HEAD)
        names = read_member_names(path) if head.startswith(SIGNATURE) else ()
        return cls(path, head, tuple(sorted(names)))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model is loaded for, and what it may do meanwhile."""

    shape: tuple[int, ...] = ()  # of one input
    classes: int = 0
    allowed: Permissions = NOTHING
    normalize: str | None = None  # a canonical word of --robust-normalize; None: what the file itself says


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file held: a module that takes (n, *shape) and returns logits, or weights for one."""

    content: "nn.Module | dict[str, Tensor]"
    notes: tuple[str, ...] = ()  # what was done to it on the way, for the user to read


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is told, and read. `read` raises ValueError, in one line that goes on from the file's name."""

    title: str  # as users call it: "a TorchScript program"
    told: Callable[[Source], bool]
    read: Callable[[Source, Terms], Loaded]
    runs_code: bool = False


FORMATS: Registry[Format] = Registry("format", ("robust.models.formats",), "robust.formats")


def model_format(
    name: str, title: str, told: Callable[[Source], bool], *, runs_code: bool = False
) -> Callable[[Callable[[Source, Terms], Loaded]], Callable[[Source, Terms], Loaded]]:
    """A decorator: the function under it reads the files that `told` tells.

    With `runs_code` it is called for files that the user allows to run code, and for no others.
    """

    def add(read: Callable[[Source, Terms], Loaded]) -> Callable[[Source, Terms], Loaded]:
        FORMATS.register(name)(Format(title, told, read, runs_code))
        return read

    return add


def read_model(path: Path, terms: Terms) -> Loaded:
    """What a file or folder holds; ValueError, in one line that goes on from its name, where it cannot be had."""
    try:
        source = Source.of(path)
    except OSError as error:
        raise ValueError(f"cannot be read: {brief(str(error))}") from None
    formats = [FORMATS.get(name) for name in FORMATS.names()]
    found = [one for one in formats if one.told(source)]
    if len(found) != 1:
        kinds = " and ".join(one.title for one in found) or "none of " + ", ".join(one.title for one in formats)
        raise ValueError(f"is {kinds} by its content")
    if found[0].runs_code and not terms.allowed.runs(path):
        what = f"is {found[0].title}, which runs code, so it was not loaded"
        raise ValueError("; ".join([what, "save only model.state_dict()", *terms.allowed.ways(path)]))
    return found[0].read(source, terms)

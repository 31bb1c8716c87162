"""The formats of models, recognised by content: the first bytes of a file, or the names in an archive or folder.

Each format is one file in robust/models/formats. Torch is not imported here.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robust.attacks.files import open_regular
from robust.attacks.registry import Registry
from robust.attacks.text import brief, first_line
from robust.models.archive import SIGNATURE, read_member_names
from robust.models.limits import limit_memory, measure_size
from robust.models.permissions import NOTHING, Permissions
from robust.models.safetensors_header import has_header

if TYPE_CHECKING:
    from torch import Tensor, nn

    from robust.attacks.criteria.criterion import LabelKind
    from robust.attacks.layout import Layout

HEAD = 64  # bytes that suffice to recognise a format


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder, with what is needed to recognise its format."""

    path: Path
    head: bytes = b""  # its first bytes; empty for a folder
    members: tuple[str, ...] = ()  # the names in an archive or a folder, sorted; else empty
    has_header: bool = False  # whether it is of safetensors, whose first bytes may be those of any other format

    @classmethod
    def of(cls, path: Path) -> "Source":
        """Read the beginning or the names of a file or folder; ValueError for an archive that is damaged or hostile."""
        if path.is_dir():
            return cls(path, members=tuple(sorted(inner.name for inner in path.iterdir())))
        with open_regular(path) as file:
            head = file.read(HEAD)
        names = read_member_names(path) if head.startswith(SIGNATURE) else ()
        return cls(path, head, tuple(sorted(names)), has_header(path, head))


@dataclass(frozen=True, slots=True)
class Terms:
    """The data that a model is loaded for, and what the user permits it to do while it is loaded."""

    shape: tuple[int, ...] = ()  # of one input
    classes: int = 0  # or how many numbers answer a sample, if the labels are values or bits
    permissions: Permissions = NOTHING
    normalize: str | None = None  # canonical text of --robust-normalize; None: as the file itself says
    output: str = ""  # canonical text of --robust-output, or how an earlier load found the answers to be read
    inputs: "Tensor | None" = None  # some of the data, on which it is tried how the answers are read; None: not tried
    labels: "LabelKind" = "class"  # what it answers with
    home: Path | None = None  # the folder of the run's own files, for the answers of black boxes; None: keep none
    map_size: tuple[int, ...] = ()  # (height, width) of labels that are maps
    layout: "Layout | None" = None  # of several inputs, which stand in one row of `inputs`
    road: str = ""  # by which a compressed model is attacked: "own", "twin" or "queries"; "": the first that it has
    declared: bool = True  # whether the number of classes is sure; else the model may have more


@dataclass(frozen=True, slots=True)
class Loaded:
    """The content of a file: a module that takes (n, *shape) and returns logits, or weights for one."""

    content: "nn.Module | dict[str, Tensor]"
    notes: tuple[str, ...] = ()  # on what was done to it while loading, for the user to read


@dataclass(frozen=True, slots=True)
class Format:
    """A format: `matches` recognises it and `read` reads it.

    `read` raises ValueError, in one line that continues the file's name.
    """

    title: str  # the name that users know: "a TorchScript program"
    matches: Callable[[Source], bool]
    read: Callable[[Source, Terms], Loaded]
    runs_code: bool = False
    alone: bool = False  # whether `read` needs nothing of the data

    def read_file(self, source: Source, terms: "Terms") -> "Loaded":
        """Read a file; ValueError, too, for one that asks for more depth, memory or numbers than there are."""
        try:
            return self.read(source, terms)
        except (RecursionError, MemoryError, OverflowError) as error:
            fault = brief(first_line(error))
            raise ValueError(f"is nested too deeply, or claims too much, to be {self.title}: {fault}") from None


FORMATS: Registry[Format] = Registry("format", ("robust.models.formats",), "robust.formats")


def model_format(
    name: str, title: str, matches: Callable[[Source], bool], *, runs_code: bool = False, alone: bool = False
) -> Callable[[Callable[[Source, Terms], Loaded]], Callable[[Source, Terms], Loaded]]:
    """Return a decorator for the function that reads the files that `matches` recognises.

    With `runs_code` the function is called only for files that the user permits to run code; `alone` says that it
    needs nothing of the data, so that a file at fault can be refused before they are read.
    """

    def add(read: Callable[[Source, Terms], Loaded]) -> Callable[[Source, Terms], Loaded]:
        FORMATS.register(name)(Format(title, matches, read, runs_code, alone))
        return read

    return add


def read_model(path: Path, terms: Terms) -> Loaded:
    """Return the content of a file or folder.

    ValueError, in one line that continues its name, if it cannot be read or may not be loaded.
    """
    form, source = recognise(path, terms.permissions)
    with warnings.catch_warnings(record=True) as caught, limit_memory(measure_size(path)):
        loaded = form.read_file(source, terms)
    for warning in caught:  # a library's, which may quote a name in the file
        warnings.warn_explicit(brief(str(warning.message)), warning.category, warning.filename, warning.lineno)
    return loaded


def recognise(path: Path, permissions: Permissions) -> tuple[Format, Source]:
    """Return the format of a file or folder; ValueError as in `read_model`."""
    try:
        source = Source.of(path)
    except OSError as error:
        raise ValueError(f"cannot be read: {brief(str(error))}") from None
    formats = [FORMATS.get(name) for name in FORMATS.names()]
    matching = [form for form in formats if form.matches(source)]
    if len(matching) != 1:
        kinds = " and ".join(form.title for form in matching) or "none of " + ", ".join(form.title for form in formats)
        raise ValueError(f"is {kinds} by its content")
    if matching[0].runs_code and not permissions.allows_code(path):
        fault = f"is {matching[0].title}, which runs code, so it was not loaded"
        raise ValueError("; ".join([fault, "save only model.state_dict()", *permissions.suggest_options(path)]))
    return matching[0], source

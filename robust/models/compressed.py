"""The folder that `robust compress` writes: its files, and the card that says what they are. Torch is not imported.

A folder may come from a stranger. Its weights are data. The architecture is what the card names, so Python code is run
only if this project made the folder, or the user permits it.
"""

import hashlib
import re
from pathlib import Path

import msgspec

from robust.attacks.files import open_regular, read_content
from robust.attacks.text import brief
from robust.models.permissions import SHA256

CARD = "compressed.json"
TWIN = "float.safetensors"  # the float network: with the weights that were packed, or of a pruned one those before
WEIGHTS = {"": "weights.pt", "pruned": "weights.safetensors", "onnx": "model.onnx", "export": "model.pt2"}
MAX_CARD = 2**20  # bytes
MADE_HERE = "compressed"  # the folder in .robust with a file for each card that was written here, named by its digest
ROADS = ("own", "twin", "queries")


class Float(msgspec.Struct, frozen=True, kw_only=True):
    """The float model that was compressed."""

    model: str  # as the user wrote it
    arch: str | None
    below: str  # where relative paths in both start, relative to the folder
    normalize: str  # canonical; "none" if inputs are not normalised
    weights: str  # SHA-256 of its parameters and buffers
    params: int
    bytes: int  # of a file of its weights


class Calibration(msgspec.Struct, frozen=True):
    """The samples that a packing was calibrated on."""

    data: str
    split: str
    n: int
    digest: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a folder."""

    schema: int
    source: Float
    packing: str  # "int8-static"; "" if no weights are packed
    form: str  # "onnx" or "export" for a program; "" for weights
    prune: float  # the share of the weights that became 0; 0 if none were pruned
    zeros: float  # the share that is 0
    seed: int  # from which a factory that draws weights made them
    recipe: str  # by which it was trained on after the pruning; "" if it was not
    packed_layers: int
    layers: int  # that have weights
    calibration: Calibration | None
    bytes: int  # of the file of weights, or of the program
    file: str  # its SHA-256
    twin: str  # that of the float network
    versions: dict[str, str]

    @property
    def weights(self) -> str:
        """Return the name of the file of weights."""
        return name_weights(self.form, self.packing)

    @property
    def how(self) -> str:
        """Return what was done, in a few words: "prune=0.5, int8-static"."""
        parts = [f"prune={self.prune:g}"] * bool(self.prune) + [self.recipe] * bool(self.recipe)
        return ", ".join([*parts, *filter(None, [self.packing, self.form])])


def name_weights(form: str, packing: str) -> str:
    """Return the name of the file of weights, or of the program, in a folder."""
    return WEIGHTS[form or ("" if packing else "pruned")]


def read_card(folder: Path) -> Card:
    """Return the card of a folder; ValueError, in one line that continues its name, if it is none or a file differs."""
    try:
        card = msgspec.json.decode(read_content(folder / CARD, MAX_CARD), type=Card)
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise ValueError(f"holds no sound {CARD}: {brief(str(error))}") from None
    if card.schema != 1:
        raise ValueError(f"is of schema {card.schema} of robust compress, and this version reads 1; write it again")
    for name, digest in ((card.weights, card.file), (TWIN, card.twin)):
        try:
            found = hash_file(folder / name)
        except OSError as error:
            raise ValueError(f"lacks {name}, which its card names: {brief(str(error))}") from None
        if found != digest:
            raise ValueError(f"has another {name} than its card says; write the folder again with robust compress")
    return card


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a regular file."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_made_here(home: Path) -> tuple[str, ...]:
    """List the cards that this project has written, as permissions to run the code that they name."""
    folder = home / MADE_HERE
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    return tuple(f"{SHA256}{name}" for name in names if re.fullmatch(r"[0-9a-f]{64}", name))

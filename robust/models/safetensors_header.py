"""The header of safetensors files: eight bytes that say its length, then JSON. Torch is not imported.

The length may be any number, so a file may begin with the bytes of another format, too: one of 1,408 begins as a
pickle does. What counts is therefore which format the file is as a whole.
"""

import pickletools
from collections import deque
from pathlib import Path

MAX_HEADER = 2**24  # bytes: a hundred times the header of a large model


def has_header(path: Path, head: bytes) -> bool:
    """Whether a file with these first bytes is of safetensors, sound or damaged.

    It is, if the whole header can be read; else if it begins as one, and is not a pickle as a whole either.
    """
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or (length > MAX_HEADER and length >= path.stat().st_size):
        return False
    return is_sound(path) or not (head[:1] == b"\x80" and _is_pickle(path))


def is_sound(path: Path) -> bool:
    """Whether the header is a table of tensors that lie in the file, one after the other, and fill it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            return True
    except (SafetensorError, OSError, ValueError):
        return False


def _is_pickle(path: Path) -> bool:
    """Whether the file's opcodes lead to the end of a pickle; none is run."""
    try:
        with path.open("rb") as file:
            deque(pickletools.genops(file), maxlen=0)
    except Exception:  # what is no pickle raises anything
        return False
    return True

"""Flags: one bool for each of n samples."""

import base64
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


def union(flags: Iterable[Flags]) -> Flags:
    """Return (n,): whether a sample is set in any of the flags."""
    joined: Flags = np.logical_or.reduce([*flags])
    return joined


def pack(flags: Flags) -> str:
    """Return flags as text: eight to a byte, base64. 1,000 samples are 168 characters."""
    return base64.b64encode(np.packbits(flags).tobytes()).decode()


def unpack(text: str, n: int) -> Flags:
    """Return the flags of n samples from their text; ValueError if it is of another length."""
    bits = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    if len(bits) != -(-n // 8):
        raise ValueError(f"{len(bits)} bytes of outcomes do not fit {n} samples")
    return np.unpackbits(bits, count=n).astype(bool)

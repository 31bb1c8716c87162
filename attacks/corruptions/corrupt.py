"""Corrupt a picture: the one entry to all kinds.

What is drawn depends on the picture itself, the kind and a seed, and on nothing else: not on the batch, the order, the
severity, or the process. So whoever has the clean picture can make the corrupted one again, bit for bit.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.random import MT19937, RandomState, SeedSequence

from robust.attacks.corruptions.blur import BLURS
from robust.attacks.corruptions.digital import DIGITAL, store_jpeg
from robust.attacks.corruptions.kinds import IMAGENET, KINDS, SEVERITIES, SMALLEST, scheme_of
from robust.attacks.corruptions.noise import NOISES
from robust.attacks.corruptions.parameters import PARAMETERS
from robust.attacks.corruptions.picture import Bytes, Picture
from robust.attacks.corruptions.spatter import spatter
from robust.attacks.corruptions.weather import WEATHERS
from robust.attacks.registry import suggest

FUNCTIONS: dict[str, Any] = NOISES | BLURS | WEATHERS | DIGITAL | {"spatter": spatter}
STORED = {"quality": 85, "optimize": True}  # ImageNet-C's files are JPEG


def corrupt(levels: Bytes, kind: str, severity: int, seed: int = 0) -> Bytes:
    """Return a picture of levels from 0 to 255, (height, width, channels), corrupted, in the same form.

    As in the published data, the result is cut to whole levels, and from 128 pixels on stored as JPEG. Raise
    LookupError for an unknown kind, and ValueError for a severity that is not 1 to 5, or what is no picture.
    """
    if kind not in KINDS:
        raise LookupError(f"unknown corruption {suggest(kind, KINDS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity must be 1 to 5, got {severity}")
    if (
        levels.dtype != np.uint8
        or levels.ndim != 3
        or levels.shape[2] not in (1, 3)
        or min(levels.shape[:2]) < SMALLEST
    ):
        raise ValueError(
            f"expected a picture of uint8, (height, width, 1 or 3), of {SMALLEST} pixels a side or more, "
            f"got {levels.dtype} of shape {levels.shape}"
        )
    scheme = scheme_of(*levels.shape[:2])
    rng = RandomState(MT19937(SeedSequence(_draw_key(levels, kind, seed))))
    parameters = PARAMETERS[scheme][kind][severity - 1]
    x = FUNCTIONS[kind](Picture(levels, scheme), parameters, rng)
    # a level is a whole number of 255ths: what 64 bits lose of it must not cost a level
    result: Bytes = np.floor(np.clip(x, 0, 1) * 255 + 1e-9).astype(np.uint8)
    return store_jpeg(result, **STORED) if scheme == IMAGENET else result


def _draw_key(levels: Bytes, kind: str, seed: int) -> list[int]:
    """Return the numbers that seed a corruption of a picture."""
    content = f"{kind}/{seed}/{levels.shape}/".encode() + np.ascontiguousarray(levels).tobytes()
    digest = hashlib.sha256(content).digest()
    return [int.from_bytes(digest[k : k + 4], "little") for k in range(0, len(digest), 4)]

"""One patch that serves all inputs: "patch:5x5:universal=true"."""

import re
from pathlib import Path

from robust.attacks.grammar.family import Family
from robust.attacks.grammar.patch import PATCH, parse_patch

UNIVERSAL = "universal-patch"
OPTION = re.compile(r"\s*(patch:[^:]*):\s*universal\s*=\s*(true|false)\s*", re.IGNORECASE)
FORM = "write patch:HxW:universal=true, as patch:5x5:universal=true"


def is_universal(text: str) -> bool:
    """Whether a threat model that is no union is one patch for all inputs."""
    match = OPTION.fullmatch(text)
    return match is not None and match[2].lower() == "true"


def strip_option(text: str) -> str:
    """Return "patch:5x5" of "patch:5x5:universal=true", and of what says false; all else as it is."""
    match = OPTION.fullmatch(text)
    return match[1] if match else text


def _canonical(text: str, folder: Path) -> str:
    """Return a universal patch in its canonical spelling; no file is read."""
    if not is_universal(text):
        raise ValueError(f"{text!r}: {FORM}")
    return f"{PATCH}:{parse_patch(strip_option(text))}:universal=true"


def _explain(word: str) -> str:
    """Return what a universal patch may do, in plain words."""
    size = parse_patch(strip_option(word))
    return (
        f"One patch for all: within one window of {size.describe()}, at one place, every pixel becomes the same in all "
        "samples; all else stays as it is. The patch was learnt on other samples than those that it is measured on, as "
        "a sticker that is printed once and put on whatever comes."
    )


STICKER = Family(
    UNIVERSAL,
    "patch:HxW:universal=true",
    "one patch, at one place, that serves all samples, learnt on other samples: patch:5x5:universal=true",
    (),
    _canonical,
    has_steps=False,
    explain=_explain,
)

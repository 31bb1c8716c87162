"""Hints at the probable meaning of a model's spec that names nothing here. Torch is not imported."""

import re
from pathlib import Path

from robust.attacks.synonyms import look_up_synonym, plain
from robust.models.registry import ARCHITECTURES

COMMA = r",(?![^(]*\))"  # outside the brackets of a call
FORM = "write FILE.py:FACTORY, PACKAGE.MODULE:FACTORY, zoo:NAME, torchvision:NAME, timm:NAME, or a file"
LIBRARY = r"(zoo|torchvision|timm)(?:\.models)?[:./]+([\w-]+)(\(.*\))?"
FACTORY = r"(.+?\.py)(?!:\w)\W+(\w+)(\(.*\))?"  # with another sign than one colon


def suggest_spec(text: str, folder: Path) -> str:
    """Return what to type in place of `text`, a model that is not found below `folder`: "write net.py:make"."""
    if len(several := re.split(COMMA, text)) > 1 and all(several):
        return f"give each of {len(several)} models for itself, or all as one, ensemble:{text}"
    if found := re.fullmatch(FACTORY, text):
        return f"write {found[1]}:{found[2]}{found[3] or ''}"
    if found := re.fullmatch(LIBRARY, text, re.IGNORECASE):
        return f"write {found[1].lower()}:{found[2]}{found[3] or ''}"
    if re.match(r"[\w.-]+:\d+(/|$)", text):
        return f"write http://{text}"
    first, _, rest = text.rpartition(".")
    if rest.isidentifier() and (folder / f"{first.replace('.', '/')}.py").is_file():
        return f"write {first}:{rest}"
    if (folder / f"{text}.py").is_file():
        return f"name the function or class that makes the model, as {text}.py:make"
    if re.fullmatch(r"[A-Za-z][\w-]*", text):
        return f"an architecture is written {_suggest_architecture(text)}; {FORM}"
    return FORM


def _suggest_architecture(name: str) -> str:
    """Return the spec of an architecture of the zoo, or of the libraries, that `name` alone may mean."""
    ours = next((known for known in ARCHITECTURES.names() if plain(known) == plain(name)), "")
    ours = ours or look_up_synonym("architecture", name).partition(" ")[0]
    return " or ".join([f"zoo:{ours}"] * bool(ours) + [f"torchvision:{name}", f"timm:{name}"] * (ours != name))


def suggest_library(module: str | None, factory: str | None) -> str:
    """Return an addition to a message on a module's model that does not fit the data, if torchvision makes one."""
    if module not in ("torchvision.models", "timm.models"):
        return ""
    spec = f"{module.partition('.')[0]}:{factory}"
    return f"; {spec} is made for the shape and the classes of the data"

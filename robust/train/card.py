"""The card beside a file of weights: how they were trained, as JSON."""

import hashlib
import math
from pathlib import Path
from typing import Any

from robust.attacks.files import read_content
from robust.attacks.spec import Spec
from robust.attacks.text import shorten_texts
from robust.records.files import read_object

SELECTION_NAME = "PGD-10"  # the attack that selects epochs: a weak one, since every epoch is attacked

# The fields that a record keeps.
RECORD_FIELDS = (
    "recipe", "options", "data", "threat", "seed", "learnt_from", "best", "last", "notes", "minutes", "key",
)  # fmt: skip

# The types of what the rest of the program reads of a card. Of a field with a dict, those of its own fields.
NUMBER, SHARE = (int, float), (int, float, type(None))
EPOCH = {"clean": NUMBER, "robust": SHARE, "certified": NUMBER, "number": int}
TYPES: dict[str, Any] = {
    **{"recipe": str, "options": dict, "threat": str, "seed": int, "notes": list, "minutes": NUMBER, "key": str},
    **{"curve": list, "normalize": (str, type(None)), "data": {"name": str}, "learnt_from": {"n": int}},
    **{"selected_by": {"n": int, "digest": str, "index": list}, "best": EPOCH, "last": EPOCH},
    "suite": {"name": str, "n": int, "robust": NUMBER},
    "report": str,
}
# Of a recipe not for robustness; of cards before there was the option; of a recipe not for certificates; if asked for.
OPTIONAL = ("suite", "normalize", "certified", "report")


def read_card(weights: Path) -> dict[str, Any] | None:
    """Return the card beside a file of weights, with the suffix .json.

    None if there is none, if it is of another file, or if it holds something else than a card does.

    Its content is not verified: it is a claim of its author, as a model's name is.
    """
    try:
        content = read_object(weights.with_suffix(".json"))
        if content["file"] != hash_content(read_content(weights)) or not _is_sound(content):
            return None
        card: dict[str, Any] = shorten_texts(content)
        Spec.parse(card["recipe"])
        describe_card(card)
        summarise_card(card)
    except Exception:  # a stranger's card may hold anything
        return None
    return card


def _is_sound(card: dict[str, Any], types: dict[str, Any] = TYPES) -> bool:
    """Whether the fields of a card, or of a part of it, are there and of these types."""
    given = {name: card[name] for name in types if name in card}
    if any(name not in given for name in types if name not in OPTIONAL):
        return False
    return all(_fits(value, types[name]) for name, value in given.items()) and all(
        isinstance(note, str) for note in given.get("notes", ())
    )


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, dict):
        return isinstance(value, dict) and _is_sound(value, kind)
    finite = not isinstance(value, float) or math.isfinite(value)
    return isinstance(value, kind) and finite and not isinstance(value, bool)


def hash_content(content: bytes) -> str:
    """Return the SHA-256 of a file of weights, by which its card identifies it."""
    return hashlib.sha256(content).hexdigest()


def summarise_card(card: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a card that a record keeps."""
    selected = {key: card["selected_by"][key] for key in ("n", "digest")}
    others: dict[str, Any] = {key: card[key] for key in ("suite", "report") if key in card}
    return {**{key: card[key] for key in RECORD_FIELDS}, "selected_by": selected, **others}


def describe_card(card: dict[str, Any]) -> str:
    """Return one line about a training, from its card."""
    best, seconds = card["best"], 60 * card["minutes"]
    figures = describe_figures(best["clean"], best["robust"], best.get("certified"))
    suite, n = card.get("suite"), card["selected_by"]["n"]
    stronger = f", {suite['name']} {suite['robust']:.1%} (on {suite['n']} of {n})" if suite else ""
    return f"{card['recipe']} in {seconds:.0f} s; on validation: {figures}{stronger}"


def describe_figures(clean: float, robust: float | None, certified: float | None = None) -> str:
    """Return the accuracies of an epoch on validation, each named for what measured it."""
    shares = {"clean": clean, SELECTION_NAME: robust, "certified": certified}
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.items() if share is not None)

"""The card beside a file of weights: how they were trained, as JSON."""

import hashlib
from pathlib import Path
from typing import Any

from robust.attacks.spec import Spec
from robust.records.files import read_object

# The fields that a record keeps.
RECORD_FIELDS = (
    "recipe", "options", "data", "threat", "seed", "learnt_from", "best", "last", "notes", "minutes", "key",
)  # fmt: skip


def read_card(weights: Path) -> dict[str, Any] | None:
    """Return the card beside a file of weights, with the suffix .json; None if there is none, or it is of another file.

    Its content is not verified: it is a claim of its author, as a model's name is.
    """
    try:
        card = read_object(weights.with_suffix(".json"))
        if card["file"] != hash_content(weights.read_bytes()):
            return None
        Spec.parse(card["recipe"])
        describe_card(card)
        summarise_card(card)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return card


def hash_content(content: bytes) -> str:
    """Return the SHA-256 of a file of weights, by which its card identifies it."""
    return hashlib.sha256(content).hexdigest()


def summarise_card(card: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a card that a record keeps."""
    selected = {key: card["selected_by"][key] for key in ("n", "digest")}
    return {**{key: card[key] for key in RECORD_FIELDS}, "selected_by": selected}


def describe_card(card: dict[str, Any]) -> str:
    """Return one line about a training, from its card."""
    best = card["best"]
    robust = "" if best["robust"] is None else f", robust {best['robust']:.1%}"
    return f"{card['recipe']} in {60 * card['minutes']:.0f} s, validation clean {best['clean']:.1%}{robust}"

"""The card beside a file of weights: how they were trained, as JSON."""

import hashlib
from pathlib import Path
from typing import Any

from robust.attacks.spec import Spec
from robust.attacks.text import shorten_texts
from robust.records.files import read_object

SELECTION_NAME = "PGD-10"  # the attack that selects epochs: a weak one, since every epoch is attacked

# The fields that a record keeps.
RECORD_FIELDS = (
    "recipe", "options", "data", "threat", "seed", "learnt_from", "best", "last", "notes", "minutes", "key",
)  # fmt: skip


def read_card(weights: Path) -> dict[str, Any] | None:
    """Return the card beside a file of weights, with the suffix .json; None if there is none, or it is of another file.

    Its content is not verified: it is a claim of its author, as a model's name is.
    """
    try:
        content = read_object(weights.with_suffix(".json"))
        if content["file"] != hash_content(weights.read_bytes()):
            return None
        card: dict[str, Any] = shorten_texts(content)
        Spec.parse(card["recipe"])
        describe_card(card)
        summarise_card(card)
    except Exception:  # a stranger's card may hold anything
        return None
    return card


def hash_content(content: bytes) -> str:
    """Return the SHA-256 of a file of weights, by which its card identifies it."""
    return hashlib.sha256(content).hexdigest()


def summarise_card(card: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a card that a record keeps."""
    selected = {key: card["selected_by"][key] for key in ("n", "digest")}
    suite = {"suite": card["suite"]} if "suite" in card else {}
    return {**{key: card[key] for key in RECORD_FIELDS}, "selected_by": selected, **suite}


def describe_card(card: dict[str, Any]) -> str:
    """Return one line about a training, from its card."""
    seconds, figures = 60 * card["minutes"], describe_figures(card["best"]["clean"], card["best"]["robust"])
    suite, n = card.get("suite"), card["selected_by"]["n"]
    stronger = f", {suite['name']} {suite['robust']:.1%} (on {suite['n']} of {n})" if suite else ""
    return f"{card['recipe']} in {seconds:.0f} s; on validation: {figures}{stronger}"


def describe_figures(clean: float, robust: float | None) -> str:
    """Return the accuracies of an epoch on validation, each named for what measured it."""
    return f"clean {clean:.1%}" + ("" if robust is None else f", {SELECTION_NAME} {robust:.1%}")

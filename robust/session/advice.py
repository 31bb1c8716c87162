"""Advice once a floor has failed: the command that shows what fooled the model, and one that trains it."""

import os
import shlex

from robust.attacks.spec import Spec
from robust.certification.words import METHODS
from robust.flags import Flags
from robust.gates import Floor
from robust.records.certificate import Certificate
from robust.records.used import ModelUsed
from robust.settings.settings import Settings

CLEAN_ADVICE = "these are wrong without an attack: check --robust-normalize and --robust-data, or train it for longer"
TRAIN = "the recipes ibp and crown-ibp train for certificates"
UNDEFENDED = ("as-is", "standard")  # trainings that hold nothing against an attack


def advise(settings: Settings, model: ModelUsed, row: str) -> str:
    """Return the advice below a failed floor of a robust accuracy, in one line; `row` is a part of the row's name."""
    parts = []
    if settings.leaderboard is not None:
        parts.append(f"{_show(settings, row)} writes the adversarial inputs")
    if not any(spec.answers for spec in settings.models if spec.name == model.name):  # else there is nothing to train
        undefended = Spec.parse(model.training).name in UNDEFENDED
        parts.append(
            "--robust-train=pgd-at trains the architecture anew, with :pretrained=FILE from weights"
            if undefended
            else "robust list names more recipes"
        )
    return "; ".join(parts)


def advise_certified(certificate: Certificate, robust: Flags, floor: Floor | None) -> str:
    """Return the advice below a failed floor of what is certified, where something may help.

    `robust` marks the samples, (n,), that are answered right and that no attack has broken: a bound can prove no other.
    """
    most = 100 * float(robust.mean())
    if floor is not None and most < floor.percent:
        return f"no bound can reach it: {most:.1f} % are answered right and not broken; {TRAIN}"
    if certificate.partial:
        return "give it more time, with --robust-time"
    dearer = METHODS[METHODS.index(certificate.method) + 1 :]
    return f"--robust-certify={dearer[0]} may certify more, in more time" if dearer else TRAIN


def _show(settings: Settings, row: str) -> str:
    """Return the command that writes a row's adversarial inputs, from the working directory."""
    assert settings.leaderboard is not None
    board, data = os.path.relpath(settings.leaderboard), settings.data
    arguments = [f"--leaderboard={board}"] * (board != "leaderboard")
    arguments += [f"--data={data}"] * (data != settings.dataset.name)
    return shlex.join(["robust", "show", row, *arguments, "--out=DIR"])

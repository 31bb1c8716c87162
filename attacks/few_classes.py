"""Fit attacks to models and criteria: no more targets than there are, and no loss that needs more classes, or any.

No torch in this file.
"""

from collections.abc import Iterable

from robust.attacks.criteria.registry import DEFAULT, read_criterion
from robust.attacks.spec import MAP_LOSSES, Spec, Value

DLR = 3  # classes that the loss dlr needs
TARGETED_DLR = 4
NATURAL, MARGIN = "ce", "margin"  # losses that every criterion has
INSTEAD = {"sice": NATURAL, "dlr": MARGIN, **dict.fromkeys(MAP_LOSSES, NATURAL)}


def fit_classes(attack: str, classes: int, criterion: str = DEFAULT) -> str:
    """Return the attack's spec with what a criterion, and a model that answers with so many numbers, allow."""
    spec = Spec.parse(attack)
    changes = {key: new for key, _, new in _changes(spec, classes, criterion)}
    return str(Spec(spec.name, spec.args, tuple((key, changes.get(key, value)) for key, value in spec.options)))


def describe_fit(attacks: Iterable[str], classes: int, criterion: str = DEFAULT) -> str:
    """Return a note on what `fit_classes` changes: "for 3 classes: targets=2 in place of 9"; "" if nothing."""
    changes = [change for attack in attacks for change in _changes(Spec.parse(attack), classes, criterion)]
    texts = dict.fromkeys(f"{key}={new} in place of {old}" for key, old, new in changes)
    return f"for {f'{classes} classes' if criterion == DEFAULT else criterion}: {', '.join(texts)}" if texts else ""


def _changes(spec: Spec, classes: int, criterion: str) -> list[tuple[str, Value, Value]]:
    """List (option, value, the value that fits) of the options that do not fit."""
    options = dict(spec.options)
    targets, loss = options.get("targets"), options.get("loss")
    most, fits = classes - 1, loss not in MAP_LOSSES
    if criterion != DEFAULT:  # whose file imports torch
        judged = read_criterion(criterion)
        most, fits = judged.count_targets(classes), loss in judged.losses
    changes: list[tuple[str, Value, Value]] = []
    if isinstance(targets, int) and targets > most:
        changes.append(("targets", targets, most))
        if isinstance(starts := options.get("starts"), int):  # as many at each of the targets that are left
            changes.append(("starts", starts, max(1, starts * most // targets)))
    if isinstance(loss, str) and not fits:
        changes.append(("loss", loss, INSTEAD.get(loss, MARGIN)))
    elif loss == "dlr" and classes < (DLR if targets is None else TARGETED_DLR):
        changes.append(("loss", loss, MARGIN))
    return changes

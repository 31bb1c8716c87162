"""Fit attacks to models of few classes: fewer targets than classes, and no loss that needs more of them.

No torch in this file.
"""

from collections.abc import Iterable

from robust.attacks.spec import Spec, Value

DLR = 3  # classes that the loss dlr needs
TARGETED_DLR = 4


def fit_classes(attack: str, classes: int) -> str:
    """Return the attack's spec with what a model of so many classes allows."""
    spec = Spec.parse(attack)
    changes = {key: new for key, _, new in _changes(spec, classes)}
    return str(Spec(spec.name, spec.args, tuple((key, changes.get(key, value)) for key, value in spec.options)))


def describe_fit(attacks: Iterable[str], classes: int) -> str:
    """Return a note on what `fit_classes` changes: "for 3 classes: targets=2 in place of 9"; "" if nothing."""
    changes = [change for attack in attacks for change in _changes(Spec.parse(attack), classes)]
    texts = dict.fromkeys(f"{key}={new} in place of {old}" for key, old, new in changes)
    return f"for {classes} classes: {', '.join(texts)}" if texts else ""


def _changes(spec: Spec, classes: int) -> list[tuple[str, Value, Value]]:
    """List (option, value, the value that fits) of the options that do not fit."""
    options = dict(spec.options)
    targets, loss = options.get("targets"), options.get("loss")
    changes: list[tuple[str, Value, Value]] = []
    if isinstance(targets, int) and targets >= classes:
        changes.append(("targets", targets, classes - 1))
        if isinstance(starts := options.get("starts"), int):  # as many at each of the targets that are left
            changes.append(("starts", starts, max(1, starts * (classes - 1) // targets)))
    if loss == "dlr" and classes < (DLR if targets is None else TARGETED_DLR):
        changes.append(("loss", loss, "margin"))
    return changes

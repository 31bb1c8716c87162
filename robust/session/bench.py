"""Measure for one test item: judge what was measured, and hand it to the session."""

from dataclasses import dataclass
from typing import Any, NoReturn

import pytest
from torch import nn

from robust.attacks.engine import Attack
from robust.attacks.factory import describe
from robust.data.dataset import Samples
from robust.evaluate import measure_attack
from robust.session.found import FOUND, WARNINGS, clean_found, row_found
from robust.session.gates import Floor, Measured, inconclusive, shortfall
from robust.session.result import Result
from robust.session.settings import Variant
from robust.session.workshop import Workshop

MOST_UNCONFIRMED = 0.005  # of the samples: more than float32 rounding in another batch explains


@dataclass(frozen=True, slots=True)
class Case:
    """What one test is about."""

    item: pytest.Item
    variant: Variant
    module: nn.Module
    samples: Samples

    def warn(self, text: str) -> None:
        """Tell the user at the end of the run. Not a Python warning: no filter may hide it, nor make a gate of it."""
        told = f"{self.variant.spec.name} ({self.variant.training}): {text}"
        self.item.stash.setdefault(WARNINGS, []).append(told)
        self.item.user_properties.append(("robust.warning", told))


class Bench:
    """The measurements of one process."""

    def __init__(self, workshop: Workshop, repeat: str) -> None:
        self.workshop = workshop
        self.repeat = repeat  # the command of this run, without node ids

    def clean(self, case: Case) -> None:
        """The test of the accuracy without an attack."""
        clean, n = self.workshop.clean(case.module, case.samples), len(case.samples)
        measured = Measured.of(int(clean.correct.sum()), n)
        _properties(case.item, clean_percent=measured.percent)
        case.item.stash[FOUND] = [clean_found(self.workshop, case.variant, case.module, case.samples)]
        if clean.faulty:
            _fail(f"the model answered {clean.faulty} of {n} clean samples with NaN or infinity")
        self._warn_of_guessing(case, measured)
        self.judge(case, f"clean accuracy {measured}", measured, self.workshop.settings.gates.clean())

    def attack(self, case: Case, attack: str, threat: str) -> None:
        """The test of the accuracy under one attack."""
        result = self.measure(case, attack, threat)
        planned = sum(_row(other) == _row(case.item) for other in case.item.session.items)
        case.item.stash[FOUND] = [self.found(case, result, "", planned)]
        low, high = result.interval
        interval = {"low_percent": 100 * low, "high_percent": 100 * high}
        _properties(case.item, robust_percent=100 * result.accuracy, **interval, n=result.n)
        self.judge(case, str(result), result.measured, self.workshop.settings.gates.attack(attack, threat))

    def measure(self, case: Case, attack: str | Attack[Any], threat: str) -> Result:
        """What the attack does. Figures of a model that is at fault are no figures: then the test fails."""
        name = attack if isinstance(attack, str) else describe(attack)
        what, n = f"{name} under {threat}", len(case.samples)
        try:
            allowed = self.workshop.threat(threat)
            clean = self.workshop.clean(case.module, case.samples)
            found = measure_attack(
                case.module,
                case.samples,
                clean.correct,
                attack,
                allowed,
                seed=self.workshop.settings.seed,
                feed=self.workshop.feed(case.module),
            )
        except (ValueError, LookupError) as error:
            _fail(f"{what} could not be run: {error.args[0]}")
        if faulty := clean.faulty or found.faulty:
            _fail(f"the model answered {faulty} of {n} samples with NaN or infinity ({what})")
        if found.unconfirmed > MOST_UNCONFIRMED * n:
            _fail(
                f"{what}: {found.unconfirmed} of {n} samples fell, and did not when the same inputs were "
                "shown again: the model's answers are random, or depend on the batch, and no figure can be trusted"
            )
        if found.unconfirmed:
            told = f"{found.unconfirmed} samples fell and did not on a second look; they count as robust"
            case.warn(f"{what}: {told}")
        self._warn_of_guessing(case, Measured.of(int(clean.correct.sum()), n))
        return Result(str(allowed), clean.correct, found)

    def found(self, case: Case, result: Result, origin: str, planned: int) -> dict[str, Any]:
        """What the session needs to make a row of `planned` such results, of those of the same origin."""
        base = clean_found(self.workshop, case.variant, case.module, case.samples)
        return base | row_found(self.workshop, case.item, case.samples, result, origin, planned)

    def judge(self, case: Case, figure: str, measured: Measured, floor: Floor | None) -> None:
        """Fail the test where the figure does not keep the floor; warn where it is not sure to."""
        if floor is None:
            return
        wrong = shortfall(measured, floor, self.workshop.settings.gates.fail_on)
        if wrong is not None:
            _fail(f"{figure} {wrong}\nrepeat: {self.repeat} '{case.item.nodeid}'")
        if inconclusive(measured, floor):
            told = f"the floor of {floor.percent:g} % is inside the interval; use more samples"
            case.warn(f"inconclusive: {figure}: {told}")

    def _warn_of_guessing(self, case: Case, clean: Measured) -> None:
        """A clean accuracy that cannot be told from guessing: then no other figure means anything."""
        classes = self.workshop.dataset.classes
        if classes is not None and clean.low <= 1 / classes:
            case.warn(
                f"clean accuracy {clean} cannot be told from guessing among {classes} classes: is the model trained, "
                "are its inputs scaled as in training, and its classes in the data's order?"
            )


def _row(item: pytest.Item) -> object:
    """What the attacks of one row have in common; None for an item that is no attack."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return (item.path, params.get("_robust_variant"), params["threat"]) if "attack" in params else None


def _properties(item: pytest.Item, **figures: float) -> None:
    item.user_properties.extend((f"robust.{name}", round(figure, 4)) for name, figure in figures.items())


def _fail(message: str) -> NoReturn:
    pytest.fail(message, pytrace=False)

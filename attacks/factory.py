"""Make attacks from specs and back: "pgd:steps=40:restarts=5" is Restarts(PGD(steps=40), 5)."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import Field, fields, is_dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.combine.eot import EOT
from robust.attacks.combine.odi import Diversified
from robust.attacks.combine.restarts import Restarts
from robust.attacks.combine.starts import Starts
from robust.attacks.combine.targets import Targets
from robust.attacks.combine.transfer import Transfer
from robust.attacks.combine.until import Until
from robust.attacks.engine import AnyAttack, assail
from robust.attacks.families import BOUND, CLASSES, ON_MAPS, find_unfit, list_inner, read_claim
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import Spec, Value, configure, describe_alone
from robust.attacks.task import Model, NoGradientError
from robust.attacks.threats.threat import Part, Threat

# Wrappers that go with every attack, by option; the last is the outermost.
WRAPPERS: dict[str, type[Any]] = {
    "odi": Diversified,
    "eot": EOT,
    "surrogate": Transfer,
    "starts": Starts,
    "targets": Targets,
    "restarts": Restarts,
}


def no_models(text: str) -> Model:
    """Refuse to load a surrogate: always raise ValueError. The default of `load` in `make`."""
    del text
    raise ValueError("a surrogate is named, and nothing here loads models; use Transfer(attack, model)")


def make(text: str | Spec, load: Callable[[str], Model] = no_models) -> AnyAttack:
    """Make the attack of a spec, such as "pgd:steps=40:restarts=5".

    `odi=K`, `eot=K`, `starts=K`, `targets=K` and `restarts=R` go with every attack, and so does `surrogate=MODEL`:
    `load` makes the model from that spec. Raise LookupError for an unknown name, ValueError for a wrong option.
    """
    spec = Spec.parse(text) if isinstance(text, str) else text
    cls, own = ATTACKS.get(spec.name), spec
    for option in WRAPPERS:
        own = own.without(option)
    read = getattr(cls, "from_spec", None)  # an attack of another library reads its own options
    attack: AnyAttack = read(own) if read else configure(cls, own)
    for wrapper, given in _wrappers(spec):
        if getattr(cls, "alone", False):
            raise ValueError(describe_alone(spec, given[0][0]))
        if wrapper is Transfer:
            attack = wrapper(attack, load(str(given[0][1])))
        else:
            attack = configure(wrapper, Spec(spec.name, options=given), attack=attack)
    return attack


def _wrappers(spec: Spec) -> Iterator[tuple[type[Any], tuple[tuple[str, Value], ...]]]:
    """Yield the wrappers of a spec, the innermost first, each with its options; starts take the targets, too."""
    given = dict(spec.options)
    for option, wrapper in WRAPPERS.items():
        names = {"starts", "targets"} if wrapper is Starts else {option}
        if option in given and not (wrapper is Targets and "starts" in given):
            yield wrapper, tuple(pair for pair in spec.options if pair[0] in names)


def describe(attack: AnyAttack) -> str:
    """Return the spec of an attack object without its defaults: that of PGD(steps=40) is "pgd:steps=40"."""
    inner, spec = getattr(attack, "attack", None), Spec(type(attack).__name__.lower())
    if inner is not None:  # a wrapper appears as its option
        spec = Spec.parse(describe(inner))
    values = dict(spec.options)
    options: tuple[Field[Any], ...] = fields(attack) if is_dataclass(attack) else ()
    for option in options:
        value = getattr(attack, option.name)
        given = value != option.default or (option.name in WRAPPERS and value)
        if isinstance(value, bool | int | float | str) and given:
            values[option.name] = value
        elif callable(value) and value is not option.default:  # the user's own loss or model
            values[option.name] = getattr(value, "__name__", type(value).__name__)
    return str(Spec(spec.name, spec.args, tuple(sorted(values.items()))))


def needs_gradient(attack: AnyAttack, x: Tensor, threat: Threat, classes: int) -> bool:
    """Whether the attack needs the gradient of the model.

    Its first step is tried on `x`, one sample (1, *features), and a model of `classes` classes that has no gradient.
    The gradient of a surrogate does not count. Other faults of the attack are reported when it runs.
    """
    y, classes = torch.zeros(1, dtype=torch.int64, device=x.device), max(2, classes)

    def always_right(x: Tensor) -> Tensor:
        return F.one_hot(y.expand(len(x)), classes).to(x)

    calls = count()  # of `stop`: before, at and after the first step
    try:
        assail(always_right, Until(attack, lambda: next(calls) > 1), x, y, threat)
    except NoGradientError:
        return True
    except ValueError as error:  # torchattacks calls autograd itself
        return "does not require grad" in str(error)
    return False


MAX_TRIED = 5  # calls of the model that tell whether an attack is for a norm: it refuses one before it asks


def find_refusal(text: str, x: Tensor, ball: Part, classes: int, labels: str = CLASSES) -> str:
    """Return the message with which the attack of a spec refuses the norm of a ball; "" if it takes it.

    Or with which it refuses labels of this kind in that norm.

    Its first step is tried on `x`, one sample (1, *features), and a model of `classes` classes that is always right. A
    refusal is a ValueError that names the norm. Other faults of the attack are reported when it runs.
    """
    y, classes = torch.zeros(1, dtype=torch.int64, device=x.device), max(2, classes)
    calls, stops = count(), count()

    def always_right(x: Tensor) -> Tensor:
        if next(calls) >= MAX_TRIED:
            raise TimeoutError
        return F.one_hot(y.expand(len(x)), classes).to(x) + 0 * x.flatten(1).sum(1, keepdim=True)

    try:
        with redirect_stdout(io.StringIO()):  # torchattacks prints that the model has no device
            attack = make(text, lambda _: always_right)
            if reason := find_unfit(attack, ball.norm, labels):
                return reason
            assail(always_right, Until(attack, lambda: next(stops) > 1), x, y, ball)
    except ValueError as error:
        return str(error) if re.search(rf"\b{ball.norm}\b", str(error)) else ""
    except Exception:  # reported when it runs
        return ""
    return ""


def find_bound(text: str, threat: Threat) -> str:
    """Return that what the attack of a spec finds of maps is a bound even where the truth is simple; "" if it is not.

    The truth is simple where each pixel falls by itself, and the attack is exact there with the options of its claim.
    """
    attack = make(text, lambda _: torch.zeros_like)
    for part in threat.parts:
        for inner in list_inner(attack):
            claim = BOUND if isinstance(attack, Transfer) else read_claim(inner, part)
            if claim == BOUND:
                return f"{text}: of maps of classes under {part} a bound only; {ON_MAPS} finds more"
            if not _meets(inner, claim):
                simple = "where each pixel falls by itself"
                return f"{text}: of maps of classes under {part} a bound only; with {claim} it is exact {simple}"
    return ""


def _meets(attack: Any, claim: str) -> bool:
    """Whether an attack has the options of a claim; more steps will do."""
    for option, value in Spec.parse(f"attack:{claim}").options if claim else ():
        own = getattr(attack, option)
        if own != value and not (option == "steps" and own > value):
            return False
    return True

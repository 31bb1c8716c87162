"""From a user's words to an attack: "pgd:steps=40:restarts=5" is Restarts(PGD(steps=40), 5)."""

from collections.abc import Callable
from dataclasses import Field, fields, is_dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.combine.eot import EOT
from robust.attacks.combine.odi import Diversified
from robust.attacks.combine.restarts import Restarts
from robust.attacks.combine.targets import Targets
from robust.attacks.combine.transfer import Transfer
from robust.attacks.engine import AnyAttack, assail
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import Spec, configure
from robust.attacks.task import Model, NoGradientError
from robust.attacks.threats.threat import Threat

# What goes with every attack and wraps it, by its option; the last is the outermost.
WRAPPERS: dict[str, type[Any]] = {
    "odi": Diversified,
    "eot": EOT,
    "surrogate": Transfer,
    "targets": Targets,
    "restarts": Restarts,
}


def no_models(text: str) -> Model:
    """What loads a surrogate where nothing does: ValueError."""
    del text
    raise ValueError("a surrogate is named, and nothing here loads models; use Transfer(attack, model)")


def make(text: str | Spec, load: Callable[[str], Model] = no_models) -> AnyAttack:
    """The attack that `text` describes; LookupError for an unknown name, ValueError for a wrong option.

    `odi=K`, `eot=K`, `targets=K` and `restarts=R` go with every attack, and so does `surrogate=MODEL`: `load` makes a
    model of that word.
    """
    spec = Spec.parse(text) if isinstance(text, str) else text
    cls, own = ATTACKS.get(spec.name), spec
    for option in WRAPPERS:
        own = own.without(option)
    read = getattr(cls, "from_spec", None)  # an attack of another library reads its own options
    attack: AnyAttack = read(own) if read else configure(cls, own)
    for option, wrapper in WRAPPERS.items():
        given = tuple(pair for pair in spec.options if pair[0] == option)
        if given and wrapper is Transfer:
            attack = wrapper(attack, load(str(given[0][1])))
        elif given:
            attack = configure(wrapper, Spec(spec.name, options=given), attack=attack)
    return attack


def describe(attack: AnyAttack) -> str:
    """The word for an attack object: that of PGD(steps=40) is "pgd:steps=40". Defaults are left out."""
    inner, spec = getattr(attack, "attack", None), Spec(type(attack).__name__.lower())
    if inner is not None:  # what wraps it is told by its option
        spec = Spec.parse(describe(inner))
    found = dict(spec.options)
    options: tuple[Field[Any], ...] = fields(attack) if is_dataclass(attack) else ()
    for option in options:
        value = getattr(attack, option.name)
        if isinstance(value, bool | int | float | str) and (inner is not None or value != option.default):
            found[option.name] = value
        elif callable(value) and value is not option.default:  # a loss or a model of one's own
            found[option.name] = getattr(value, "__name__", type(value).__name__)
    return str(Spec(spec.name, spec.args, tuple(sorted(found.items()))))


def needs_gradient(attack: AnyAttack, x: Tensor, threat: Threat, classes: int) -> bool:
    """Whether the attack asks for a gradient; its first step is tried on `x`, one sample, and a stand-in without one.

    A surrogate's gradient does not count. What else is wrong with the attack is told once it runs.
    """
    y = torch.zeros(1, dtype=torch.int64, device=x.device)

    def always_right(x: Tensor) -> Tensor:
        return F.one_hot(y.expand(len(x)), classes).to(x)

    asked = count()
    try:
        assail(
            always_right, attack, x, y, threat, stop=lambda: next(asked) > 1
        )  # asked before, at and after the first step
    except NoGradientError:
        return True
    except ValueError as error:  # torchattacks asks autograd itself
        return "does not require grad" in str(error)
    return False

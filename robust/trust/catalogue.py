"""The checks by name: a new one is one file, in preflight/ or in signs/. No torch here: the options ask for names."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from robust.attacks.registry import Registry
from robust.records.trust import Doubt

if TYPE_CHECKING:
    from robust.trust.look import Look
    from robust.trust.trial import Trial

# What is wrong with a model, before anything attacks it.
PREFLIGHT: "Registry[Callable[[Look], Doubt | None]]" = Registry(
    "preflight check", ("robust.trust.preflight",), "robust.preflight"
)
# Signs that the attacks fooled themselves.
SIGNS: "Registry[Callable[[Trial], Doubt | None]]" = Registry("sign", ("robust.trust.signs",), "robust.signs")

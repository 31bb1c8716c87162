"""The attacks by name. No torch in this file: collecting tests asks it for names."""

from typing import Any

from robust.attacks.registry import Registry

# The things are classes: frozen dataclasses that keep the Attack protocol of engine.py.
ATTACKS: Registry[type[Any]] = Registry("attack", ("robust.attacks.zoo", "robust.attacks.external"), "robust.attacks")

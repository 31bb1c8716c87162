"""`robust list`: the names that can be asked for; of one what it is, and its options."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from robust.attacks.registry import ATTACKS, Registry, suggest
from robust.attacks.suite import read_suite, suite_names
from robust.data.dataset import DATA, Dataset
from robust.models.registry import ARCHITECTURES
from robust.train.recipe import RECIPES, WRAPPERS

KINDS: tuple[Registry[Any], ...] = (ATTACKS, DATA, ARCHITECTURES, RECIPES, WRAPPERS)


def known(name: str | None = None) -> str:
    """All names, a line for each kind; or what has this name. LookupError, with the nearest, where nothing has it."""
    return "".join(f"{line}\n" for line in (_all() if name is None else _one(name)))


def _all() -> Iterator[str]:
    yield f"suites: {', '.join(suite_names())}"
    for registry in KINDS:
        yield f"{registry.kind}s: {', '.join(registry.names())}"


def _one(name: str) -> Iterator[str]:
    if name in suite_names():
        return iter([f"suite {name}, on what stands:", *(f"  {s.attack}" for s in read_suite(name, Path()).stages)])
    plain = name.removeprefix("+")
    found = next((registry for registry in KINDS if plain in registry), None)
    if found is None:
        every = [*suite_names(), *(word for registry in KINDS for word in registry.names())]
        raise LookupError(f"unknown name {suggest(name, every)}")
    return _thing(found, plain)


def _thing(registry: Registry[Any], name: str) -> Iterator[str]:
    from robust.attacks.factory import WRAPPERS as AROUND  # torch comes with these, and is not wanted for all names
    from robust.train.plan import Plan

    thing = registry.get(name)
    yield f"{registry.kind} {name}: {registry.about(name)}"
    if isinstance(thing, Dataset):
        yield f"  threat model by default: {thing.threat}"
    yield from _options(thing)
    if registry is ATTACKS:
        yield f"with every attack: {', '.join(f'{option}=' for option in AROUND)}"
    if registry in (RECIPES, WRAPPERS):
        yield "with every recipe:"
        yield from _options(Plan)


def _options(thing: Any) -> Iterator[str]:
    """Of a class that is configured by its fields."""
    if is_dataclass(thing) and isinstance(thing, type):
        for field in fields(thing):
            value = str(field.default).lower() if isinstance(field.default, bool) else field.default
            yield f"  {field.name}={value}"

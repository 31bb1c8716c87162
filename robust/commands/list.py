"""`robust list`: all names that an option can take, or the description and options of one."""

import argparse
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


def run(args: argparse.Namespace) -> str:
    """Return all names, a line for each kind, or the description of one; LookupError, with the nearest, if unknown."""
    return "".join(f"{line}\n" for line in (_list_all() if args.name is None else _describe(args.name)))


def _list_all() -> Iterator[str]:
    yield f"suites: {', '.join(suite_names())}"
    for registry in KINDS:
        yield f"{registry.kind}s: {', '.join(registry.names())}"


def _describe(name: str) -> Iterator[str]:
    if name in suite_names():
        stages = read_suite(name, Path()).stages
        lines = (f"  {stage.attack}" for stage in stages)
        return iter([f"suite {name}, on the samples that are still robust:", *lines])
    plain = name.removeprefix("+")
    registry = next((registry for registry in KINDS if plain in registry), None)
    if registry is None:
        names = [*suite_names(), *(other for registry in KINDS for other in registry.names())]
        raise LookupError(f"unknown name {suggest(name, names)}")
    return _describe_thing(registry, plain)


def _describe_thing(registry: Registry[Any], name: str) -> Iterator[str]:
    from robust.attacks.factory import WRAPPERS as AROUND  # it imports torch, which a list of all names does not need
    from robust.train.plan import Plan

    thing = registry.get(name)
    yield f"{registry.kind} {name}: {registry.about(name)}"
    if isinstance(thing, Dataset):
        yield f"  threat model by default: {thing.threat}"
    yield from _list_options(thing)
    if registry is ATTACKS:
        yield f"with every attack: {', '.join(f'{option}=' for option in AROUND)}"
    if registry in (RECIPES, WRAPPERS):
        yield "with every recipe:"
        yield from _list_options(Plan)


def _list_options(thing: Any) -> Iterator[str]:
    """Yield a line for each option, if the thing is a class whose fields are its options."""
    if is_dataclass(thing) and isinstance(thing, type):
        for field in fields(thing):
            value = str(field.default).lower() if isinstance(field.default, bool) else field.default
            yield f"  {field.name}={value}"

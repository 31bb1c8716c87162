"""`robust list`: all names that an option can take, or the description and options of one."""

import argparse
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from robust.attacks.criteria.registry import CRITERIA
from robust.attacks.draws import RULES
from robust.attacks.families import BOUND
from robust.attacks.grammar.norms import NORMS
from robust.attacks.grammar.patch import PATCH
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.registry import ATTACKS, Registry, suggest
from robust.attacks.suite import read_suite, suite_names
from robust.attacks.words import WORDS
from robust.certification.words import METHODS
from robust.data.dataset import DATA, Dataset
from robust.models.registry import ARCHITECTURES, PACKINGS
from robust.records.added import CURVE
from robust.train.recipe import RECIPES, WRAPPERS
from robust.tuning.words import OBJECTIVES, SAMPLERS

KINDS: tuple[Registry[Any], ...] = (ATTACKS, DATA, CRITERIA, ARCHITECTURES, PACKINGS, RECIPES, WRAPPERS)
PLURALS = {"criterion": "criteria"}
CERTIFICATES = {
    "ibp": "interval bound propagation (1810.12715), the cheapest; tight for networks that were trained for it",
    "crown": "an affine function below the margin (1811.00866), after ibp for what that leaves open",
    "alpha-crown": "crown with optimised slopes (2011.13824), the dearest, after ibp and crown",
}
TUNING = {name: f"sampler {name}: {words}; robust tune --sampler={name}" for name, words in SAMPLERS.items()}
TUNING |= {name: f"objective {name}: {words}; robust tune --objectives={name}" for name, words in OBJECTIVES.items()}
FORMED = {
    rule.partition(":")[0]: f"draws {rule}: an answer of a random model is {words}; --robust-draws={rule}"
    for rule, words in RULES.items()
}
CLAIMED = (*NORMS, PIXELS, PATCH, PRODUCT)  # the families under which maps of classes are attacked by a search
TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
WIDTH = 24  # of an option with its default


def run(args: argparse.Namespace) -> str:
    """Return all names, a line for each kind, or the description of one; LookupError, with the nearest, if unknown."""
    return "".join(f"{line}\n" for line in (_list_all() if args.name is None else _describe(args.name)))


def _list_all() -> Iterator[str]:
    yield f"suites: {', '.join(suite_names())}"
    for registry in KINDS:
        yield f"{PLURALS.get(registry.kind, f'{registry.kind}s')}: {', '.join(registry.names())}"
    yield f"threats: {', '.join(family.form for family in WORDS.values())}"
    yield f"certificates: {', '.join(METHODS)}"
    yield f"curves: {', '.join(NORMS)}"
    yield f"draws: {', '.join(RULES)}"
    yield f"samplers: {', '.join(SAMPLERS)}"
    yield f"objectives: {', '.join(OBJECTIVES)}"


def _describe(name: str) -> Iterator[str]:
    plain = name.removeprefix("+").partition(":")[0]
    if name in suite_names():
        return _describe_suite(name)
    if plain in WORDS:
        return _describe_threat(plain)
    if name == CURVE:
        return _describe_curve()
    if name in TUNING:
        return iter([TUNING[name]])
    if plain in FORMED:
        return iter([FORMED[plain]])
    if name == "draws":
        return iter(FORMED.values())
    if kind := [line for line in _list_all() if line.startswith(f"{name}:")]:
        return iter(kind)
    registry = next((registry for registry in KINDS if plain in registry), None)
    proof = [f"certificate {plain}: {CERTIFICATES[plain]}; --robust-certify={plain}"] if plain in METHODS else []
    if registry is None and not proof:
        registered = (other for registry in KINDS for other in registry.names())
        names = [*suite_names(), *WORDS, *METHODS, CURVE, *TUNING, *FORMED, *registered]
        raise LookupError(f"unknown name {suggest(name, names, 'attack')}")
    return chain(proof, _describe_thing(registry, plain) if registry else ())


def _describe_threat(name: str) -> Iterator[str]:
    family = WORDS[name]
    yield f"threat {name}: {family.form}, {family.about}"
    yield from (_option(option, words) for option, words in family.options)


def _describe_suite(name: str) -> Iterator[str]:
    """Yield the stages of a suite, and those of criteria that have their own."""
    yield f"suite {name}, on the samples that are still robust:"
    yield from (f"  {stage.attack}" for stage in read_suite(name, Path()).stages)
    for criterion in CRITERIA.names():
        if own := [stage for stage in read_suite(name, Path(), criterion).stages if stage.criteria]:
            yield f"by the criterion {criterion}:"
            yield from (f"  {stage.attack}" for stage in own)
    yield "it takes no options; --robust-time=30m stops it"


def _describe_curve() -> Iterator[str]:
    """Yield what the ladder of a curve is for each norm, with the attacks of the suite that a run without one takes."""
    from robust.attacks.factory import no_models  # it imports torch, which a list of all names does not need
    from robust.evaluation.curve_tensors import SUITE
    from robust.evaluation.ladder import FEW, WIDER, ladder

    yield "curve: each sample's smallest adversarial distance that is found and verified; --robust-curve[=MAX]"
    for norm in NORMS:
        yield f"{norm}, with {SUITE}:"
        build = partial(ladder, norm, [read_suite(SUITE, Path())], 10, no_models)
        rungs, own = ([rung.name for rung in build(features=size)] for size in (None, FEW))
        yield from (f"  {name}" for name in rungs)
        yield f"  for inputs of at most {FEW} values: {', '.join(name for name in own if name not in rungs)}"
        yield f"  {SUITE} at each of --robust-eps, on the samples whose distance is up to {WIDER - 1:.0%} off"


def _describe_thing(registry: Registry[Any], name: str) -> Iterator[str]:
    from robust.attacks.factory import WRAPPERS as AROUND  # it imports torch, which a list of all names does not need
    from robust.train.plan import Plan

    thing = registry.get(name)
    yield f"{registry.kind} {name}: {registry.about(name)}"
    if isinstance(thing, Dataset):
        yield f"  threat model by default: {thing.threat}"
    if registry is DATA:
        yield from _list_data_options(name)
    elif registry is ARCHITECTURES:
        yield from _list_arguments(thing)
    if not hasattr(thing, "from_spec"):  # an attack of another library has options of its own
        yield from _list_options(thing)
    if registry is ATTACKS:
        yield from _list_claims(thing)
        yield "with every attack:"
        for option, wrapper in AROUND.items():
            yield from _list_wrapper(option, wrapper)
    if registry in (RECIPES, WRAPPERS):
        yield "with every recipe:"
        yield from _list_options(Plan, getattr(thing, "plan", {}))


def _list_claims(attack: Any) -> Iterator[str]:
    """Yield what an attack finds of maps of classes; nothing if it is for other inputs alone."""
    claims = getattr(attack, "maps", dict.fromkeys(getattr(attack, "families", NORMS), BOUND))
    shown = [family for family in CLAIMED if family in claims]
    if shown:
        yield "of maps of classes, where each pixel falls by itself:"
        for family in shown:
            exact = f"exact, with {claims[family]}" if claims[family] else "exact"
            yield _option(family, claims[family] if claims[family] == BOUND else exact)
    elif not claims:
        yield "not for maps of classes"


def _list_data_options(name: str) -> Iterator[str]:
    from robust.data.image_tables import Columns
    from robust.data.images import ImageTransform
    from robust.data.subset import Only
    from robust.data.user_arrays import UserArrays

    kinds = {"npz": UserArrays, "npy": UserArrays, "imagefolder": ImageTransform, "hf": Columns, "parquet": Columns}
    yield from _list_options(kinds.get(name))
    yield from _list_options(Only)


def _list_wrapper(option: str, wrapper: type[Any]) -> Iterator[str]:
    """Yield the line of an option that puts a wrapper around an attack."""
    takes = _describe_type(typing.get_type_hints(wrapper)[option]) or "a model, as --robust-model takes it"
    yield _option(f"{option}=", takes, _read_comments(wrapper).get(option, ""))


def _list_options(thing: Any, own: Mapping[str, Any] = MappingProxyType({})) -> Iterator[str]:
    """Yield a line for each option, if the thing is a class whose fields are its options; `own` are other defaults."""
    if is_dataclass(thing) and isinstance(thing, type):
        comments, hints = _read_comments(thing), typing.get_type_hints(thing)
        for field in fields(thing):
            default = own.get(field.name, field.default)
            value = str(default).lower() if isinstance(default, bool) else default
            shown = "" if default is MISSING else value
            yield _option(f"{field.name}={shown}", _describe_type(hints[field.name]), comments.get(field.name, ""))


def _list_arguments(function: Any) -> Iterator[str]:
    """Yield a line for each argument of an architecture beside the shape of the data and the classes."""
    hints = typing.get_type_hints(function.__init__ if inspect.isclass(function) else function)
    for name, argument in [*inspect.signature(function).parameters.items()][2:]:
        yield _option(f"{name}={argument.default}", _describe_type(hints.get(name)))


def _option(option: str, *takes: str) -> str:
    return f"  {option:{WIDTH}} {'; '.join(filter(None, takes))}".rstrip()


def _describe_type(hint: Any) -> str:
    """Return what a value of this type is, in words: "a whole number or none"."""
    accepted = [hint, *typing.get_args(hint)]
    words = [text for kind, text in TYPES.items() if kind in accepted]
    return " or ".join(words[:2])


def _read_comments(cls: type[Any]) -> dict[str, str]:
    """Return the comment at the end of the line of each field, which says what it is."""
    try:
        source = inspect.getsource(cls)
    except OSError:
        return {}
    return {match[1]: match[2] for match in re.finditer(r"^ {4}(\w+): [^#\n]*#\s*(.+)$", source, re.MULTILINE)}

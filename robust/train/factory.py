"""From a user's words to a method: "trades+awp+ema:beta=3:epochs=10", or options in a TOML file."""

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from robust.attacks.registry import suggest
from robust.attacks.spec import Spec, configure
from robust.train.plan import Plan
from robust.train.recipe import RECIPES, WRAPPERS, Averaging, Recipe, parse_recipe

CONFIG = "config"  # the option that names a TOML file of others


@dataclass(frozen=True, slots=True)
class Method:
    """How to train: a recipe, what wraps it, and the plan."""

    recipe: Recipe
    wrappers: tuple[Any, ...]
    plan: Plan

    @property
    def options(self) -> dict[str, object]:
        """All options by name, the defaults included."""
        return {key: value for part in (self.recipe, *self.wrappers, self.plan) for key, value in asdict(part).items()}


def read_recipe(text: str) -> Method:
    """The method of a word. LookupError for an unknown name, ValueError for a wrong option."""
    name, wrappers, spec = parse_recipe(text)
    spec = _with_config(spec)
    parts = [RECIPES.get(name), *map(WRAPPERS.get, wrappers), Plan]
    known = {f.name for part in parts for f in fields(part)}
    for key, _ in spec.options:
        if key not in known:
            raise ValueError(f"{text}: {spec.name} has no option {suggest(key, {*known, CONFIG})}")
    recipe, *wrapping, plan = (_part(part, spec) for part in parts)
    averages = [wrapper for wrapper, made in zip(wrappers, wrapping, strict=True) if isinstance(made, Averaging)]
    if len(averages) > 1:
        raise ValueError(f"{text}: {' and '.join(averages)} both say which weights are kept; take one")
    return Method(recipe, tuple(wrapping), plan)


def _part(cls: type[Any], spec: Spec) -> Any:
    own = {f.name for f in fields(cls)}
    return configure(cls, Spec(spec.name, spec.args, tuple(pair for pair in spec.options if pair[0] in own)))


def _with_config(spec: Spec) -> Spec:
    """The options of the TOML file that `config` names, and over these the word's own."""
    own = dict(spec.options)
    if CONFIG not in own:
        return spec
    path = Path(str(own.pop(CONFIG)))
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except OSError:
        raise ValueError(f"{spec}: no such file (looked for {path.absolute()})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{spec}: {path.name} is not TOML: {error}") from None
    for key, value in given.items():
        if not isinstance(value, bool | int | float | str):
            raise ValueError(f"{spec}: {path.name}: {key} must be a number, a word, true or false")
    return Spec(spec.name, spec.args, tuple(sorted({**given, **own}.items())))

"""Reading a recipe's spec, "trades+awp+ema:beta=3:epochs=10", or options in a TOML file, as a method of training."""

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from robust.attacks.files import read_text
from robust.attacks.registry import suggest
from robust.attacks.spec import Spec, configure
from robust.attacks.text import first_line
from robust.train.plan import Plan
from robust.train.recipe import RECIPES, WRAPPERS, Averaging, Recipe, parse_recipe

CONFIG = "config"  # the option that names a TOML file of others


@dataclass(frozen=True, slots=True)
class Method:
    """A method of training: a recipe, the wrappers around it, and the plan."""

    recipe: Recipe
    wrappers: tuple[Any, ...]
    plan: Plan

    @property
    def options(self) -> dict[str, object]:
        """Return the options of all parts by name, the defaults included."""
        return {key: value for part in (self.recipe, *self.wrappers, self.plan) for key, value in asdict(part).items()}


def read_recipe(text: str) -> Method:
    """Return the method of a spec. LookupError for an unknown name, ValueError for a wrong option."""
    name, wrappers, spec = parse_recipe(text)
    spec = with_config(spec)
    parts = [RECIPES.get(name), *map(WRAPPERS.get, wrappers), Plan]
    options = {f.name for part in parts for f in fields(part)}
    for key, _ in spec.options:
        if key not in options:
            raise ValueError(f"{text}: {spec.name} has no option {suggest(key, {*options, CONFIG}, 'option')}")
    recipe, *wrapping = (_configure_part(part, spec) for part in parts[:-1])
    plan = _configure_part(Plan, _with_plan(parts[0], spec))
    averages = [name for name, wrapper in zip(wrappers, wrapping, strict=True) if isinstance(wrapper, Averaging)]
    if len(averages) > 1:
        raise ValueError(f"{text}: {' and '.join(averages)} both say which weights are kept; take one")
    return Method(recipe, tuple(wrapping), plan)


def _configure_part(cls: type[Any], spec: Spec) -> Any:
    """Return an instance of `cls` with those options of the spec that it has."""
    names = {f.name for f in fields(cls)}
    return configure(cls, Spec(spec.name, spec.args, tuple(pair for pair in spec.options if pair[0] in names)))


def _with_plan(recipe: type[Any], spec: Spec) -> Spec:
    """Return the spec with the options of the loop that the recipe sets where the spec does not."""
    return Spec(spec.name, spec.args, tuple(sorted({**getattr(recipe, "plan", {}), **dict(spec.options)}.items())))


def with_config(spec: Spec) -> Spec:
    """Return the spec with the options of the TOML file that `config` names; the spec's options take precedence."""
    options = dict(spec.options)
    if CONFIG not in options:
        return spec
    path = Path(str(options.pop(CONFIG)))
    try:
        from_file = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise ValueError(f"{spec}: no such file (looked for {path.absolute()})") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{spec}: {path.name} is not TOML: {first_line(error)}") from None
    for key, value in from_file.items():
        if not isinstance(value, bool | int | float | str):
            raise ValueError(f"{spec}: {path.name}: {key} must be a number, a word, true or false")
    return Spec(spec.name, spec.args, tuple(sorted({**from_file, **options}.items())))

"""The problem of a study: a model, a recipe and data, and what varies; values of the space make a training."""

import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from robust.attacks.spec import Spec
from robust.attacks.threats.threat import Part
from robust.data.dataset import Dataset, Samples
from robust.models.load import Build
from robust.models.spec import SPEC, ModelSpec
from robust.train.factory import Method, read_recipe, with_config
from robust.train.plan import Plan
from robust.train.prepare import rehearse
from robust.train.recipe import RECIPES, WRAPPERS, parse_recipe
from robust.train.setup import TrainingSpec
from robust.tuning.space import ARCH, Space

CORNERS = 64  # combinations of the other options in which a value is tried before it is refused
Values = Mapping[str, Any]  # of a trial, by the names of the space


@dataclass(frozen=True, slots=True)
class Problem:
    """All that the trials of a study have in common."""

    model: ModelSpec  # without the arguments that vary
    make: Callable[[ModelSpec], Build]
    recipe: Spec  # with the options that do not vary
    space: Space
    dataset: Dataset
    threat: Part
    seed: int
    objectives: tuple[str, ...]

    def write_recipe(self, values: Values) -> str:
        """Return the recipe of a trial, with the values of its options."""
        return str(Spec(self.recipe.name, self.recipe.args, tuple(sorted(self.list_options(values).items()))))

    def list_options(self, values: Values) -> dict[str, Any]:
        """Return the options of a trial's recipe by name, those that do not vary included."""
        return {**dict(self.recipe.options), **{k: v for k, v in values.items() if not k.startswith(f"{ARCH}.")}}

    def read_method(self, values: Values) -> Method:
        """Return the method of a trial; ValueError for values that the recipe refuses."""
        return read_recipe(self.write_recipe(values))

    def find_model(self, values: Values) -> ModelSpec:
        """Return the model of a trial."""
        return with_arguments(self.model, values)

    def training(self, values: Values) -> TrainingSpec:
        """Return the training of a trial. All have one seed, so they learn from and are judged on the same samples."""
        spec = self.find_model(values)
        return TrainingSpec(
            self.make(spec),
            self.write_recipe(values),
            self.dataset,
            self.threat,
            self.seed,
            spec.name,
            None if spec.library else spec.path,
        )

    def rehearse(self, values: Values, few: Samples) -> None:
        """Run everything before the first step of a trial; ValueError or LookupError for what would fail there."""
        rehearse(self.make(self.find_model(values))(), self.read_method(values), few, self.threat)

    def first(self, last: bool = False) -> dict[str, Any]:
        """Return the first value of each range and list, or the last."""
        return {name: part.ends[-1 if last else 0] for name, part in self.space.items()}


def with_arguments(model: ModelSpec, values: Values) -> ModelSpec:
    """Return the model with the values that are named arch.NAME as arguments of its function."""
    given = {name.partition(".")[2]: value for name, value in values.items() if name.startswith(f"{ARCH}.")}
    if not given:
        return model
    match = re.fullmatch(SPEC, model.text)
    assert match is not None
    name, factory, call = match.groups()
    inside = [call[1:-1].strip().rstrip(",")] if call else []
    arguments = ", ".join([*filter(None, inside), *(f"{key}={value!r}" for key, value in given.items())])
    return ModelSpec.parse(f"{name}:{factory}({arguments})", Path.cwd())


def read_fixed(text: str, epochs: int | None) -> Spec:
    """Return a recipe with its options, those of a `config` file included; `epochs` are those of the command."""
    spec = with_config(parse_recipe(text)[2])
    if epochs is None:
        return spec
    if "epochs" in dict(spec.options):
        raise ValueError(f"{spec} says its epochs, and --epochs={epochs} says them, too; leave one out")
    return Spec(spec.name, spec.args, tuple(sorted((*spec.options, ("epochs", epochs)))))


def list_types(recipe: str) -> dict[str, tuple[type, ...]]:
    """Return the types that each option of a recipe takes: its own, its wrappers' and those of the loop."""
    name, wrappers, _ = parse_recipe(recipe)
    types: dict[str, tuple[type, ...]] = {}
    for part in (RECIPES.get(name), *map(WRAPPERS.get, wrappers), Plan):
        hints = typing.get_type_hints(part)
        types |= {field.name: typing.get_args(hints[field.name]) or (hints[field.name],) for field in fields(part)}
    return types


def refuse_twice(space: Space, recipe: Spec, model: ModelSpec) -> None:
    """Raise ValueError for an option that the space lets vary and the command has fixed."""
    fixed = {key: f"{recipe.name}:{key}={value}" for key, value in recipe.options}
    fixed |= {f"{ARCH}.{key}": f"{model.text}" for key, _ in model.options}
    for name in space:
        if name in fixed:
            raise ValueError(f"{name}: {fixed[name]} fixes it, and the space lets it vary; leave one out")

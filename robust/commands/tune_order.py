"""The arguments of `robust tune`, checked before anything is trained."""

import argparse
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.distributed import is_torchelastic_launched

from robust.attacks.spec import Spec
from robust.attacks.text import slug
from robust.commands.train import TRIAL_SAMPLES, Order, describe_option_error
from robust.commands.train import read as read_training
from robust.data.dataset import Samples
from robust.data.training_alone import keep_to_training
from robust.models.arguments import list_arguments
from robust.models.spec import ModelSpec
from robust.settings.parsing import OptionError, blame
from robust.settings.values import canonicalize_recipe
from robust.train.factory import read_recipe
from robust.tuning.check import check_values
from robust.tuning.problem import Problem, list_types, read_fixed, refuse_twice, with_arguments
from robust.tuning.space import Space, flatten, read_file, read_space
from robust.tuning.words import read_objectives, read_sampler


@dataclass(frozen=True, slots=True)
class Tuning:
    """An order to tune, in which everything was checked."""

    order: Order  # of a training with the first values of the space
    problem: Problem
    sampler: str
    trials: int
    seconds: float | None  # that the command may take
    jobs: int
    name: str
    samples: Samples  # of the training split

    @property
    def folder(self) -> Path:
        """Return the folder of the study."""
        return Path.cwd() / ".robust" / "tune" / self.name

    @property
    def settings(self) -> dict[str, Any]:
        """Return all that the trials have in common, as JSON can hold it: trials of others cannot be compared."""
        problem, order = self.problem, self.order
        source = None if problem.model.library else problem.model.path
        return {
            "model": problem.model.text,
            "source": hashlib.sha256(source.read_bytes()).hexdigest() if source else "",
            "recipe": str(problem.recipe),
            "data": f"{order.dataset.name}, {len(self.samples)} training samples, {self.samples.digest[:16]}",
            "criterion": order.dataset.criterion,
            "threat": str(order.threat),
            "normalize": order.normalize or "",
            "output": order.output or "",
            "seed": problem.seed,
            "sampler": self.sampler,
            "objectives": [*problem.objectives],
            "space": {name: part.describe() for name, part in problem.space.items()},
        }


def read(args: argparse.Namespace) -> Tuning:
    """Return the order; ValueError or LookupError, in one line on the argument, for what is wrong."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and is_torchelastic_launched():
        raise ValueError("torchrun trains one model on several processes; to train several at once take --jobs=N")
    try:
        return _read(args)
    except OptionError as error:
        raise ValueError(describe_option_error(error)) from error


def _read(args: argparse.Namespace) -> Tuning:
    with blame("train", args.recipe):
        recipe = read_fixed(canonicalize_recipe(args.recipe), args.epochs)
        method = read_recipe(str(recipe))
    with blame("sampler", args.sampler):
        sampler = read_sampler(args.sampler)
    with blame("objectives", args.objectives):
        objectives = read_objectives(args.objectives, recipe.name, method.recipe.selects)
    model = _read_model(args)
    space = _read_space(args.space, recipe, model)
    order = _read_order(args, recipe, space, model)
    problem = Problem(model, order.make, recipe, space, order.dataset, order.threat, args.seed, objectives)
    samples = order.dataset.load("train")
    with blame("space", _name(args.space)):
        check_values(problem, samples.take(np.arange(TRIAL_SAMPLES)))
    name = slug(args.name or f"{model.name}-{recipe.name}")
    return Tuning(order, problem, sampler, args.trials, args.time, args.jobs, name, samples)


def _read_model(args: argparse.Namespace) -> ModelSpec:
    with blame("model", args.model):
        spec = ModelSpec.parse(args.model, Path.cwd())
        if spec.factory is None or spec.members or spec.answers:
            read_training(
                argparse.Namespace(**{**vars(args), "train": [args.recipe], "out": None, "report": None})
            )  # which refuses it
        return spec


def _read_space(given: str | Mapping[str, Any], recipe: Spec, model: ModelSpec) -> Space:
    with blame("model", model.text):
        arguments = list_arguments(model)
    with blame("space", _name(given)):
        content = read_file(Path(given)) if isinstance(given, str) else flatten(given)
        space = read_space(content, list_types(recipe.name), arguments)
        refuse_twice(space, recipe, model)
    return space


def _read_order(args: argparse.Namespace, recipe: Spec, space: Space, model: ModelSpec) -> Order:
    """Return the order of a training by the recipe with the first arguments of the model."""
    first = {name: part.ends[0] for name, part in space.items()}
    words = {"model": with_arguments(model, first).text, "train": [str(recipe)], "out": None, "report": None}
    return read_training(argparse.Namespace(**{**vars(args), **words}), limit=keep_to_training)


def _name(space: str | Mapping[str, Any]) -> str:
    return space if isinstance(space, str) else "{...}"

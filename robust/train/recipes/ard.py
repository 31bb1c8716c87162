"""ard, adversarially robust distillation from a robust teacher: Goldblum et al. 2020 (1905.09747)."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from robust.attacks.engine import run_steps
from robust.attacks.task import Task
from robust.attacks.zoo.pgd import PGD
from robust.models.checkpoint import fit_weights, read_weights
from robust.models.format import Terms
from robust.models.load import get_builder
from robust.models.spec import ModelSpec
from robust.train.recipe import RECIPES, LossFunction, RecipeRun, Selection
from robust.train.recipes._shared import divergence_from


@RECIPES.register("ard")
@dataclass(frozen=True, slots=True)
class ARD:
    """The divergence of the answers on PGD's inputs from the teacher's clean answers, both softened by a temperature.

    `teacher` is a file of weights of the same architecture, or FILE.py whose `make` returns the teacher.
    """

    teacher: str = ""
    temperature: float = 30.0
    share: float = 1.0  # the share of the teacher in the loss; the rest is cross-entropy on clean inputs
    steps: int = 10
    stride: float = 0.25  # length of a step, as a share of eps: 2/255 for 8/255
    selects: ClassVar[Selection] = "robust"

    def __post_init__(self) -> None:
        if not self.teacher:
            raise ValueError("needs a teacher, as ard:teacher=weights.safetensors or ard:teacher=net.py")
        if not Path(self.teacher).is_file():
            raise ValueError(f"teacher: no such file (looked for {Path(self.teacher).absolute()})")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature:g}")
        if not 0 < self.share <= 1:
            raise ValueError(f"share, of the teacher in the loss, must be above 0 and at most 1, got {self.share:g}")
        self.attack()  # raises an error if the options are wrong

    def attack(self) -> PGD:
        return PGD(self.steps, self.stride)

    def begin(self, module: nn.Module) -> RecipeRun:
        return _Distillation(self, load_teacher(self.teacher, module))


@dataclass(frozen=True, slots=True)
class _Distillation:
    """A run of the recipe with its teacher."""

    recipe: ARD
    teacher: nn.Module

    def inputs(self, task: Task) -> Tensor:
        return run_steps(self.recipe.attack(), task)

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        t, share = self.recipe.temperature, self.recipe.share
        with torch.no_grad():
            target = self.teacher(task.x) / t
        distilled = t**2 * divergence_from(target)(task.model(x) / t, task.y).mean()
        return distilled if share == 1 else (1 - share) * criterion(task.model(task.x), task.y) + share * distilled


def load_teacher(text: str, student: nn.Module) -> nn.Module:
    """Return the module of FILE.py's `make`, or the student's architecture with weights from a file.

    It is frozen and in evaluation mode. ValueError, in one line, if it cannot be loaded.
    """
    path = Path(text)
    try:
        if path.suffix == ".py":
            teacher = get_builder(ModelSpec.parse(f"{text}:make", Path.cwd()), None, Path.cwd(), Terms())()
        else:
            teacher = copy.deepcopy(student)
            fit_weights(teacher, read_weights(path))
    except (ValueError, LookupError) as error:
        raise ValueError(f"teacher={text}: {error.args[0]}") from error
    return teacher.to(next(student.parameters()).device).eval().requires_grad_(False)

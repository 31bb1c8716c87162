"""The cost of the trials of a study, told before the first: passes, and the time that they take on this machine."""

import time
from dataclasses import fields, replace

import numpy as np
import torch
from torch import nn

from robust.attacks.text import format_seconds
from robust.data.dataset import Samples
from robust.device import device_of
from robust.records.tuning import Study
from robust.train.factory import Method, read_recipe
from robust.train.split import split_off_validation
from robust.train.strength import STEP_PASSES, count_passes
from robust.tuning.problem import Problem

REPEATS = 3  # of a batch whose time is measured


def describe_cost(problem: Problem, samples: Samples, study: Study, jobs: int) -> str:
    """Return one line on what the trials that are left will cost at most; "" if none is left."""
    left = study.planned - len(study.trials)
    if left <= 0:
        return ""
    method, epochs = _find_dearest(problem)
    learn, validation = split_off_validation(samples, problem.seed)
    passes = left * count_passes(method, len(learn), len(validation), epochs)
    took = [trial.seconds for trial in study.trials if trial.state != "failed"]
    processes = f" in {jobs} processes" if jobs > 1 else ""
    trials = f"{left} trial{'s' if left > 1 else ''}"
    if took:
        seconds = left * sum(took) / len(took) / jobs
        return f"{trials} of {study.planned} left: about {format_seconds(seconds)}{processes}, as the others took"
    less = "; those that are pruned take less" if len(problem.objectives) == 1 else ""
    line = f"{trials} of at most {epochs} epoch{'s' if epochs > 1 else ''}: at most {passes:.2g} passes"
    try:
        module = problem.make(problem.find_model(problem.first(last=True)))()
        pace = _time_pass(module, learn.take(np.arange(min(method.plan.batch, len(learn)))))
    except (ValueError, RuntimeError):  # a trial will tell what is wrong
        return f"{line}{less}"
    return f"{line}, about {format_seconds(passes * pace / jobs)} here{processes}{less}"


def _find_dearest(problem: Problem) -> tuple[Method, int]:
    """Return the method with the most steps that the space has, and the most epochs."""
    method = read_recipe(str(problem.recipe))
    most = {name: max(part.ends) for name, part in problem.space.items() if name in ("epochs", "steps", "replays")}
    own = {field.name for field in fields(method.recipe)}  # type: ignore[arg-type]
    recipe = replace(method.recipe, **{name: value for name, value in most.items() if name in own})  # type: ignore[type-var]
    return replace(method, recipe=recipe), most.get("epochs", method.plan.epochs)


def _time_pass(module: nn.Module, batch: Samples) -> float:
    """Return the seconds of a pass of one sample, from an answer to a batch and its gradient, after a first one."""
    x = torch.from_numpy(batch.x[:]).to(device_of(module)).requires_grad_()
    seconds = []
    for _ in range(1 + REPEATS):
        since = time.perf_counter()
        (gradient,) = torch.autograd.grad(module(x).square().sum(), x)
        gradient.sum().item()  # waits for a GPU
        seconds.append(time.perf_counter() - since)
    return min(seconds[1:]) / (STEP_PASSES * len(batch))

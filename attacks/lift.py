"""Lifted tasks: under a threat model that transforms, an attack searches theta, and the model sees T(x, theta)."""

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from robust.attacks.task import Task
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.transform import WIDTH, Lifted, Transform


def lift(task: Task) -> Task:
    """Return the task whose iterates are rows of a point and x, if its threat model transforms; else the task."""
    threat: object = task.threat
    if not isinstance(threat, Transform):
        return task
    lifted = Lifted.over(threat, task.x)
    origin = None if task.origin is None else lifted.lift(task.origin)
    return replace(task, x=lifted.lift(task.x), threat=cast(LpThreat, lifted), origin=origin)


def lower(threat: object, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return iterates, (n, ...), as inputs of the model, (n, *features), and their theta, (n, WIDTH); NaN without."""
    if isinstance(threat, Lifted):
        return threat.show(x), threat.theta(x)
    return x, no_theta(x)


def no_theta(x: Tensor) -> Tensor:
    """Return the theta of inputs, (n, *features), that none made: NaN, (n, WIDTH)."""
    return torch.full((len(x), WIDTH), torch.nan, device=x.device)

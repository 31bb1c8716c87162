"""Give back what an adversarial row of a table, or of several inputs, changed needlessly: what is left says why."""

from typing import cast

import torch
from torch import Tensor

from robust.attacks.success import judge
from robust.attacks.task import Task
from robust.attacks.threats.features import FeaturesThreat
from robust.attacks.threats.product import Product

STREAM = 0x6B  # number of its stream of random numbers


def give_back(task: Task, rows: Tensor) -> Tensor:
    """Return the adversarial rows, (n, d), with as many features, groups or inputs as they were as one pass allows.

    Each is set back in an order that is drawn for the sample, together with what its relations demand, where the row is
    still adversarial and fewer values differ. It costs one query for each of them.
    """
    threat = cast(FeaturesThreat | Product, task.threat)
    units = threat.units.to(rows.device)
    if isinstance(threat, Product) and len(units) == 1:  # all that may move: without it the input is the clean one
        return rows
    order = task.rng.fold(STREAM).uniform(rows.new_zeros(len(rows), len(units))).argsort(1)
    for k in range(len(units)):
        if task.stop():
            break
        unit = units[order[:, k]]
        trial = threat.settle(torch.where(unit, task.x, rows), task.x, unit | _is_clean(rows, task.x))
        fewer = (~_is_clean(trial, task.x)).sum(1) < (~_is_clean(rows, task.x)).sum(1)
        if bool(fewer.any()):
            part = task.only(fewer)
            kept = fewer.clone()
            kept[fewer] = judge(part, trial[fewer], None).adversarial
            rows = torch.where(kept[:, None], trial, rows)
    return rows


def _is_clean(rows: Tensor, x: Tensor) -> Tensor:
    return (rows == x) | (rows.isnan() & x.isnan())

"""Give back what an adversarial row of a table changed needlessly: few changes say why it fools the model."""

import torch
from torch import Tensor

from robust.attacks.success import judge
from robust.attacks.task import Task
from robust.attacks.threats.features import FeaturesThreat, of_table

STREAM = 0x6B  # number of its stream of random numbers


def give_back(task: Task, rows: Tensor) -> Tensor:
    """Return the adversarial rows, (n, d), with as many features, or groups, as they were as one pass over them allows.

    Each is set back in an order that is drawn for the sample, together with what its relations demand, where the row is
    still adversarial and fewer values differ. It costs one query for each feature.
    """
    threat = of_table(task.threat)
    units = _list_units(threat).to(rows.device)
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


def _list_units(threat: FeaturesThreat) -> Tensor:
    """Return what is set back together, (units, d) bool: each feature that may move, and each group."""
    columns = threat.columns
    alone = (columns.eps > 0) & ~columns.category
    single = torch.eye(len(alone), dtype=torch.bool)[alone]
    groups = [torch.isin(torch.arange(len(alone)), members)[None] for members in columns.groups]
    return torch.cat([single, *groups])


def _is_clean(rows: Tensor, x: Tensor) -> Tensor:
    return (rows == x) | (rows.isnan() & x.isnan())

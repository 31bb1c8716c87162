"""The teacher of a distillation."""

import copy
from pathlib import Path

from torch import nn

from robust.models.checkpoint import fit_weights, read_weights
from robust.models.load import architecture
from robust.models.spec import ModelSpec


def load_teacher(text: str, student: nn.Module) -> nn.Module:
    """The module of FILE.py's `make`, or the student's architecture with weights from a file; frozen, for evaluation.

    ValueError or LookupError, in one line, where it cannot be had.
    """
    path = Path(text)
    try:
        if path.suffix == ".py":
            teacher = architecture(ModelSpec.parse(f"{text}:make", Path.cwd()), None, (), 0, Path.cwd())()
        else:
            teacher = copy.deepcopy(student)
            fit_weights(teacher, read_weights(path))
    except (ValueError, LookupError) as error:
        raise ValueError(f"teacher={text}: {error.args[0]}") from error
    return teacher.to(next(student.parameters()).device).eval().requires_grad_(False)

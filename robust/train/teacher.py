"""Teachers of a distillation: networks that a student learns from."""

import copy
import re
from pathlib import Path

from torch import nn

from robust.models.checkpoint import fit_weights, read_weights
from robust.models.format import Terms
from robust.models.load import get_builder
from robust.models.normalize import add_normalization, find_normalization
from robust.models.spec import ModelSpec

CODE = r"(.+\.py)(:.+)?"  # FILE.py, whose function is `make`, or FILE.py:FACTORY


def check_teacher(recipe: str, teacher: str, arch: str) -> None:
    """Raise ValueError, in one line, if the options of a recipe name no teacher."""
    if not teacher:
        raise ValueError(f"needs a teacher, as {recipe}:teacher=weights.safetensors or {recipe}:teacher=net.py:large")
    for name, text in (("teacher", teacher), ("teacher_arch", arch)):
        if text and not (path := find_file(text)).is_file():
            raise ValueError(f"{name}: no such file (looked for {path.absolute()})")
    if arch and (re.fullmatch(CODE, teacher) or not re.fullmatch(CODE, arch)):
        raise ValueError("teacher_arch is the FILE.py:FACTORY of a teacher that is a file of weights")


def check_softening(temperature: float, share: float) -> None:
    """Raise ValueError for a temperature, or a share of the teacher in the loss, that means nothing."""
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, got {temperature:g}")
    if not 0 < share <= 1:
        raise ValueError(f"share, of the teacher in the loss, must be above 0 and at most 1, got {share:g}")


def find_file(text: str) -> Path:
    """Return the file that the text of a teacher, or of its architecture, names."""
    match = re.fullmatch(CODE, text)
    return Path(match[1] if match else text)


def load_teacher(text: str, arch: str, student: nn.Module) -> nn.Module:
    """Return the module of FILE.py:FACTORY, or weights from a file: in `arch`, or else in the student's architecture.

    It is frozen and in evaluation mode, and takes the inputs that the student takes. ValueError, in one line, if it
    cannot be loaded.
    """
    try:
        if re.fullmatch(CODE, text):
            teacher = _build(text)
        elif arch:
            teacher = _build(arch)
            fit_weights(teacher, read_weights(Path(text)))
            teacher = add_normalization(teacher, find_normalization(student))
        else:
            teacher = copy.deepcopy(student)
            _fit_twin(teacher, Path(text))
    except (ValueError, LookupError) as error:
        raise ValueError(f"teacher={text}: {error.args[0]}") from error
    return teacher.to(next(student.parameters()).device).eval().requires_grad_(False)


def _build(text: str) -> nn.Module:
    spec = text if re.fullmatch(CODE, text)[2] else f"{text}:make"  # type: ignore[index]
    return get_builder(ModelSpec.parse(spec, Path.cwd()), None, Path.cwd(), Terms())()


def _fit_twin(teacher: nn.Module, path: Path) -> None:
    """Give a copy of the student the teacher's weights; ValueError, with what to write, if they are of another size."""
    weights = read_weights(path)
    try:
        fit_weights(teacher, weights)
    except ValueError as error:
        hint = "if the teacher is no twin of the student, say what it is: teacher_arch=net.py:large"
        raise ValueError(f"{error.args[0]}; {hint}") from error

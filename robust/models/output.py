"""The door for users' answers: how a module's answers are read as logits is decided on a few inputs."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.engine import eval_mode
from robust.attacks.state import State, list_written, name_few
from robust.attacks.text import printable
from robust.device import device_of
from robust.models.batches import Parted, agree, find_unusual, fit_batches, refuse_unusual
from robust.models.map_reader import MapReader, as_maps, find_channels, rows_of, to_rows
from robust.models.output_form import LOG_PROBABILITY, LOGIT, PROBABILITY, OutputForm
from robust.models.output_reader import HALVES, LastActivation, Reader, exact_logits, sum_to_one, tensors_in

# Of the sum of probabilities whose logarithms are given: half precision, or a small number that keeps them finite. To
# take logits for such logarithms changes them by a constant alone, which no class gains by.
MAX_LOG_ERROR = 0.01
# The names of what is wanted here: transformers' and most others', and that of torchvision's networks for maps.
PREFERRED = ("logits", "out")
FORM = "--robust-output names one of them"


class UnclearError(ValueError):
    """The answers may be read in several ways, or in none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The way in which the answers of a module are read, with notes on it for the user."""

    form: OutputForm  # decided: its kind is not empty
    columns: int  # 1: two classes
    notes: tuple[str, ...]


def adapt_output(
    module: nn.Module,
    x: Tensor,
    classes: int,
    wanted: OutputForm,
    *,
    declared: bool = True,
    labels: LabelKind = "class",
    map_size: tuple[int, ...] = (),
) -> Reading | None:
    """Make the module answer with logits, (n, classes), whatever it answers with; return how it is read.

    x is some inputs, (n, *shape), on which the module is tried. `declared` is whether the number of classes is sure;
    else the model may have more. Of values and bits, `classes` are as many numbers; of maps, whose (height, width) is
    `map_size`, answers are (n, classes, height, width). Returns None, and
    changes nothing, for a module that does not take x, or whose only tensor is no answer to n inputs: `check_model`
    says what is wrong. UnclearError, in one line, if the answer may be read in several ways, or not as `wanted`.
    """
    trial, sizes = _try(module, x), None
    if (trial is None or not trial.takes_alone) and (sizes := fit_batches(module, x)):
        x = sizes.repeat(x)
        trial = _try(module, x)
    if trial is None:
        return None
    answers = dict(tensors_in(trial.output))
    widths = _measure_widths(answers, len(x), classes, declared, map_size if labels == "map" else None)
    if labels in ("values", "bits"):  # else one column is for two classes
        widths = {name: classes for name in widths if answers[name].numel() == len(x) * classes}
    if labels == "map" and "" not in answers:  # if none fits, `check_model` says what is wrong with the likeliest
        widths = widths or {name: answer.shape[1] for name, answer in answers.items() if answer.dim() == 4}
    if (name := _choose(answers, widths, classes, wanted.name)) is None:
        return None
    if labels == "map":
        return _adapt_maps(module, answers[name], trial, OutputForm(name, wanted.kind), str(sizes) if sizes else "")
    answer = answers[name].detach().float().reshape(len(x), -1)
    decide = _decide_kind if labels == "class" else partial(_decide_separate, labels)
    kind, note = decide(answer, trial.last, wanted.kind)
    columns = answer.shape[1]
    notes = [f"of its answers {printable(name)!r} is read"] * bool(name)
    if columns == 1 and kind == LOGIT and labels == "class":
        note = "its one number a sample is taken as the logit of class 1"
    notes += [note] * bool(note)
    if answers[name].dtype in HALVES:
        notes.append(f"its answers, {str(answers[name].dtype).removeprefix('torch.')}, become float32")
    done = [*notes, *[str(sizes)] * bool(sizes), *_describe_written(module)]
    reading = Reading(OutputForm(name, kind), columns, tuple(done))
    if notes or answers[name].shape != (len(x), columns) or not trial.takes_one:
        exclusive = labels == "class"
        width = max(columns, 2) if exclusive else columns
        _install(module, Reader(module.forward, reading.form, width, exclusive=exclusive))
    return reading


def _measure_widths(
    answers: dict[str, Tensor], n: int, classes: int, declared: bool, map_size: tuple[int, ...] | None
) -> dict[str, int]:
    """Return the number of classes of each answer that may be for these, (n, ...), by name; None is no size of maps."""
    measure = _width if map_size is None else partial(find_channels, size=map_size)
    found = {
        name: 0 if find_unusual(answer) else measure(answer, n, classes, declared) for name, answer in answers.items()
    }
    return {name: width for name, width in found.items() if width}


def _adapt_maps(module: nn.Module, answer: Tensor, trial: "_Trial", wanted: OutputForm, sizes: str) -> Reading:
    """Make the module answer with maps of logits, (n, classes, height, width); return how it is read."""
    maps = as_maps(answer.detach().float())
    kind, note = _decide_kind(to_rows(maps), rows_of(trial.last), wanted.kind)
    if maps.shape[1] == 1 and kind == LOGIT:
        note = "its one number a pixel is taken as the logit of class 1"
    notes = [f"of its answers {printable(wanted.name)!r} is read"] * bool(wanted.name) + [note] * bool(note)
    if answer.dtype in HALVES:
        notes.append(f"its answers, {str(answer.dtype).removeprefix('torch.')}, become float32")
    form, done = OutputForm(wanted.name, kind), [*notes, *[sizes] * bool(sizes), *_describe_written(module)]
    if notes or answer.dim() != 4:
        _install(module, MapReader(module.forward, form, max(maps.shape[1], 2)))
    return Reading(form, maps.shape[1], tuple(done))


class _Trial(NamedTuple):
    """The answer of a module to some inputs."""

    output: Any
    last: LastActivation
    takes_one: bool  # whether it answers one input alone with as many axes
    takes_alone: bool  # whether it answers one input alone as it does among others


def _try(module: nn.Module, x: Tensor) -> _Trial | None:
    """Show the module some inputs, and one of them alone; None if it does not take them."""
    x, state = x.to(device_of(module)), State(module, parameters=True)
    try:
        with LastActivation() as last:
            output = _ask(module, x)
    except Exception:  # a user's code may raise anything; `check_model` says what
        return None
    finally:
        state.restore()
    answers = [answer for _, answer in tensors_in(output)]
    if answers and all(map(find_unusual, answers)):
        refuse_unusual(answers[0])
    try:
        alone = _ask(module, x[:1])
    except Exception:  # the preflight says what
        return _Trial(output, last, takes_one=True, takes_alone=False)
    axes = [[answer.dim() for _, answer in tensors_in(one)] for one in (output, alone)]
    return _Trial(output, last, axes[0] == axes[1], _first_agrees(output, alone))


def _ask(module: nn.Module, x: Tensor) -> Any:
    with eval_mode(module), torch.no_grad():
        return module(x.clone())


def _first_agrees(output: Any, alone: Any) -> bool:
    """Whether the first input gets the same answer among others as alone."""
    pairs = zip(tensors_in(output), tensors_in(alone), strict=False)
    plain = [(many, one) for (_, many), (_, one) in pairs if not find_unusual(many)]
    return all(not many.numel() or not many.dim() or agree(one, many) for many, one in plain)


def _describe_written(module: nn.Module) -> list[str]:
    written = list_written(module)
    return [f"its forward writes {name_few(written)}, put back before each batch"] * bool(written)


def _width(answer: Tensor, n: int, classes: int, declared: bool) -> int:
    """Return how many classes the answer to n inputs is for, 1 for one column; 0 if it is not for these classes."""
    if find_unusual(answer) or not answer.is_floating_point() or not answer.dim() or len(answer) != n:
        return 0
    columns = [size for size in answer.shape[1:] if size != 1]
    if not columns:
        return 1 if classes <= 2 else 0
    if len(columns) > 1 or (columns[0] != classes and (declared or columns[0] < classes)):
        return 0
    return columns[0]


def _choose(answers: dict[str, Tensor], widths: dict[str, int], classes: int, wanted: str) -> str | None:
    """Return the name of the answer to read: the one wanted, `logits`, or the only one that fits best.

    None if there is but one tensor, and it does not fit.
    """
    listed = ", ".join(f"{printable(name)} {[*answer.shape]}" for name, answer in answers.items())
    if wanted:
        if wanted not in widths:
            fault = "does not fit" if wanted in answers else "is not there"
            if [*answers] == [""]:
                form = "--robust-output=logit, probability or log-probability says what it is"
                raise UnclearError(f"the model answers with one tensor, which has no name, as {wanted!r}; {form}")
            raise UnclearError(f"the model answers with {listed or 'no tensor'}; {wanted!r} {fault}: {FORM}")
        return wanted
    if not widths:
        if "" in answers:
            return None
        if not listed:
            raise UnclearError(f"the model answers with no tensor; return logits, a tensor of shape [n, {classes}]")
        raise UnclearError(f"the model answers with {listed}, none of which is for {classes} classes")
    names = [name for name in widths if name.rpartition(".")[2] in PREFERRED] or [*widths]
    best = [name for name in names if widths[name] == classes] or [name for name in names if widths[name] > 1] or names
    if len({id(answers[name]) for name in best}) > 1:
        either = " or ".join(f"--robust-output={printable(name)}" for name in best)
        raise UnclearError(f"the model answers with {listed}; say which tensor holds the logits: {either}")
    return best[0]


def _decide_kind(answer: Tensor, last: LastActivation, wanted: str) -> tuple[str, str]:
    """Return (logit or probability, a note on it or "") for an answer (n, columns); UnclearError if it is unclear."""
    columns, within = answer.shape[1], bool(((answer >= 0) & (answer <= 1)).all())
    if wanted == PROBABILITY and not within:
        seen = f"the model answers from {answer.min():.4g} to {answer.max():.4g}"
        raise UnclearError(f"{seen}, and probabilities are from 0 to 1; say --robust-output=logit, or leave it out")
    if not wanted and columns > 1 and bool((answer <= MAX_LOG_ERROR).all()) and sum_to_one(answer.exp(), MAX_LOG_ERROR):
        return LOG_PROBABILITY, "its answers are log-probabilities, and are taken as logits"
    if wanted or not within:
        return wanted or LOGIT, ""
    pair = torch.cat([1 - answer, answer], 1) if columns == 1 else answer
    ending = last.name if next(exact_logits(pair, last), None) is not None else ""
    if ending or (columns > 1 and sum_to_one(answer)):
        shown = f"its last step is a {ending}" if ending else "they are from 0 to 1 and sum to 1 in every row"
        return PROBABILITY, f"its answers are probabilities ({shown}), and their log-odds are taken"
    if columns > 1:
        return LOGIT, ""
    seen = "the model answers each sample with one number, and all are from 0 to 1"
    raise UnclearError(f"{seen}; say what it is: --robust-output=probability or --robust-output=logit")


def _decide_separate(labels: LabelKind, answer: Tensor, last: LastActivation, wanted: str) -> tuple[str, str]:
    """Return the same for an answer whose numbers are values, or each for a label of its own."""
    within = bool(((answer >= 0) & (answer <= 1)).all())
    if labels == "values" and wanted not in ("", LOGIT):
        raise UnclearError(f"the labels are values, and {wanted} is for classes; leave --robust-output out")
    if labels == "values" or wanted == LOGIT or (not wanted and not within):
        return LOGIT, ""
    if wanted not in ("", PROBABILITY) or not within:
        raise UnclearError(f"its answers are no {wanted} of separate labels; say --robust-output=logit or probability")
    if wanted or (last.name == "sigmoid" and next(exact_logits(answer, last), None) is not None):
        return PROBABILITY, "its answers are probabilities of separate labels, and their log-odds are taken"
    raise UnclearError("all answers are from 0 to 1; say what they are: --robust-output=probability or logit")


def _install(module: nn.Module, reader: Reader) -> None:
    """Let the module answer through the reader. The form is hashed with the weights: it is a part of the model."""
    outer: Any = module.forward if isinstance(module.forward, Parted) else module  # each part is read by itself
    reader.forward = outer.forward
    if isinstance(reader.forward, Reader):  # a factory may return the same module twice
        reader.forward = reader.forward.forward
    outer.forward = reader
    form = torch.tensor([*str(reader.form).encode()], dtype=torch.uint8)
    module.register_buffer("robust_output", form, persistent=False)

"""From a model's spec to a module: run a factory, the user's or the zoo's, or fill it with weights from a file."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from robust.models.blackbox import Ask, BlackBox, build_ask
from robust.models.checkpoint import fit_weights, refuse_bare_weights
from robust.models.compiled import add_eager_form, check_compiled
from robust.models.endpoint import Endpoint
from robust.models.ensemble import Ensemble
from robust.models.factories import call_factory, find_user_factory, make_module
from robust.models.format import Terms, read_model
from robust.models.http_client import Client
from robust.models.kept_answers import keep_answers
from robust.models.lazy import fill_lazy
from robust.models.libraries import find_library_factory
from robust.models.normalize import NONE, add_normalization, describe_normalize
from robust.models.output import adapt_output
from robust.models.output_form import SEPARATOR, OutputForm
from robust.models.precision import copy_inference_tensors, fit_precision
from robust.models.program import allow_modes
from robust.models.registry import ARCHITECTURES
from robust.models.rescaled import Rescaled
from robust.models.several import unpack_inputs
from robust.models.spec import ModelSpec
from robust.models.traits import find_traits
from robust.models.weights import count_parameters, hash_weights
from robust.user_code import describe_user_error

Build = Callable[[], nn.Module]
Shape = tuple[int, ...]  # of one input


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under test: the module takes inputs within the data's bounds and returns logits."""

    name: str
    training: str  # the recipe that trained it here, or "as-is"
    module: nn.Module
    notes: tuple[str, ...] = ()  # on what was done to it while loading, for the user to read
    output: str = ""  # how its answers are read, so that another process reads them so
    columns: int = 0  # of its answers; one is the logit, or the probability, of the second of two classes

    @property
    def classes(self) -> int:
        """Return the number of classes that it answers with."""
        return max(self.columns, 2)

    @property
    def weights(self) -> str:
        """Return the SHA-256 of all parameters and buffers, with their names."""
        return hash_weights(self.module)

    @property
    def params(self) -> int:
        """Return the number of parameters."""
        return count_parameters(self.module)


def load(spec: ModelSpec, arch: str | None, folder: Path, terms: Terms) -> Subject:
    """Return the user's model as it is. ValueError or LookupError, in one line, if it cannot be loaded.

    Relative paths in `arch`, the text of --robust-arch, are below `folder`.
    """
    make = _load_ensemble if spec.members else _load_one
    subject = make(spec, arch, folder, terms)
    if terms.inputs is not None:
        check_compiled(subject.module, terms.inputs)
    return subject


def _load_ensemble(spec: ModelSpec, arch: str | None, folder: Path, terms: Terms) -> Subject:
    forms = terms.output.split(SEPARATOR)
    forms = forms if len(forms) == len(spec.members) else forms[:1] * len(spec.members)
    subjects = [
        _load_member(member, arch, folder, replace(terms, output=form))
        for member, form in zip(spec.members, forms, strict=True)
    ]
    notes = [f"{subject.name}: {note}" for subject in subjects for note in subject.notes]
    what = "values" if terms.labels == "values" else "probabilities"
    mean = f"the answers are the mean {what} of {len(subjects)} models"
    return Subject(
        spec.name,
        "as-is",
        Ensemble([subject.module for subject in subjects], terms.labels),
        (mean, *notes),
        SEPARATOR.join(subject.output for subject in subjects),
        max(subject.classes for subject in subjects),
    )


def _load_member(spec: ModelSpec, arch: str | None, folder: Path, terms: Terms) -> Subject:
    try:
        return _load_one(spec, arch, folder, terms)
    except (ValueError, LookupError) as error:
        raise ValueError(f"{spec.text}: {error.args[0]}") from error


def _load_one(spec: ModelSpec, arch: str | None, folder: Path, terms: Terms) -> Subject:
    if spec.answers:
        return _load_black_box(spec, terms)
    module, notes = load_raw(spec, arch, folder, terms)
    return make_subject(spec.name, module, terms, notes)


def load_raw(spec: ModelSpec, arch: str | None, folder: Path, terms: Terms) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the user's module before anything is done to it, and notes on its loading; errors are as of `load`."""
    if spec.factory is not None:
        return _find_factory(spec, arch, folder, terms)(), ()
    loaded = read_model(spec.path, terms)
    if isinstance(loaded.content, nn.Module):
        idle = (f"it holds a network of its own, and the architecture {arch} is not used",) * (arch is not None)
        return loaded.content, (*loaded.notes, *idle)
    weights = loaded.content
    if arch is None:
        refuse_bare_weights(weights)
    module = _find_factory(spec, arch, folder, terms)()
    try:
        notes = (*loaded.notes, *fit_weights(module, weights))
    except ValueError as error:
        library = not arch.partition(":")[0].endswith(".py")
        more = f"the labels say {terms.classes} classes; if the model has more, say so, as :classes=N behind the data"
        faults = "; ".join((str(error), *loaded.notes, *[more] * (library and not terms.declared)))
        raise ValueError(f"{faults}; the architecture is --robust-arch={arch}") from None
    return module, notes


def build_raw(spec: ModelSpec, arch: str | None, folder: Path, terms: Terms) -> nn.Module:
    """Return a module of the user's architecture, its weights being of no account; errors are as of `load`."""
    if spec.factory is not None or arch is not None:
        return _find_factory(spec, arch, folder, terms)()
    return load_raw(spec, None, folder, terms)[0]


def make_subject(name: str, module: nn.Module, terms: Terms, notes: tuple[str, ...] = ()) -> Subject:
    """Return a user's module as a subject: it normalises its inputs as the terms say, and answers with logits.

    `notes` are on how it was loaded. UnclearError, in one line, if its answers may be read in several ways.
    """
    allow_modes(module)
    if terms.layout is not None and terms.normalize not in (None, NONE):
        raise ValueError("--robust-normalize is for one input; of several, let the model normalise each itself")
    notes = (*notes, *unpack_inputs(module, terms.layout))
    notes = (*notes, *fill_lazy(module, terms.inputs))
    module, found = add_eager_form(module)
    notes = (*notes, *found, *copy_inference_tensors(module))
    if terms.inputs is not None:
        notes += fit_precision(module, terms.inputs)
    module = add_normalization(module, terms.normalize)
    notes += describe_normalize(terms.normalize)
    if terms.inputs is None:
        return Subject(name, "as-is", module, notes, terms.output, terms.classes)
    wanted = OutputForm.parse(terms.output)
    reading = adapt_output(
        module,
        terms.inputs,
        terms.classes,
        wanted,
        declared=terms.declared,
        labels=terms.labels,
        map_size=terms.map_size,
    )
    if reading is None:
        return Subject(name, "as-is", module, notes, terms.output, terms.classes)
    notes += (*reading.notes, *find_traits(module, terms.inputs))
    return Subject(name, "as-is", module, notes, str(reading.form), reading.columns)


def place(module: nn.Module, device: torch.device) -> nn.Module:
    """Put a module on a device and into evaluation mode; ValueError, in one line, if it cannot be."""
    try:
        return module.to(device).eval()
    except Exception as error:  # a user's code may raise anything
        raise ValueError(f"its evaluation mode on {device} fails: {describe_user_error(error)}") from error


def _load_black_box(spec: ModelSpec, terms: Terms) -> Subject:
    if terms.labels == "map":
        raise ValueError("is asked for one answer a sample, and the labels are maps; give the network itself")
    if terms.layout is not None:
        raise ValueError(f"{spec.text} only answers, and the data have several inputs ({terms.layout}); give a module")
    if spec.library:
        ask: Ask = Client(Endpoint.parse(spec.text))
    else:
        options = dict(spec.options)
        ask = build_ask(
            call_factory(spec.text, find_user_factory(spec), *spec.args, **options),
            terms.classes,
            OutputForm.parse(terms.output).kind,
            terms.labels,
        )
    box = BlackBox(ask, terms.shape, terms.classes, terms.labels)
    kept = () if terms.home is None else keep_answers(box, ask, spec, terms)
    notes = (*box.notes, *kept, *describe_normalize(terms.normalize))
    module = add_normalization(box, terms.normalize)
    return Subject(spec.name, "as-is", module, notes, terms.output, terms.classes)


class Builder:
    """A function that makes a fresh, untrained module of the user's model."""

    def __init__(self, name: str, make: Build, terms: Terms) -> None:
        self._name = name
        self._make = make
        self._terms = terms
        self._notes: tuple[str, ...] | None = None

    def __call__(self) -> nn.Module:
        return self.build_subject().module

    def build_subject(self) -> Subject:
        """Make a module. The answers of all later ones are read as those of the first."""
        subject = make_subject(self._name, self._make(), self._terms)
        self._terms = replace(self._terms, output=subject.output)
        self._notes = subject.notes if self._notes is None else self._notes
        return replace(subject, notes=self._notes)


def get_builder(spec: ModelSpec, arch: str | None, folder: Path, terms: Terms) -> Builder:
    """Return a function that makes a fresh, untrained module of the user's model, by its factory or --robust-arch.

    The shape and the classes of the terms are the data's; the architectures of libraries are made for them. ValueError
    or LookupError, in one line, if there is no such factory.
    """
    return Builder(spec.name, _find_factory(spec, arch, folder, terms), terms)


def _find_factory(spec: ModelSpec, arch: str | None, folder: Path, terms: Terms) -> Build:
    spec.refuse_untrainable(arch)
    if spec.factory is not None:
        return _factory(spec, terms)
    assert arch is not None
    try:
        return _factory(ModelSpec.parse(arch, folder), terms)
    except (ValueError, LookupError) as error:
        raise ValueError(f"--robust-arch={arch}: {error.args[0]}") from error


def _factory(spec: ModelSpec, terms: Terms) -> Build:
    shape, classes = terms.shape, terms.classes
    if spec.factory is None or spec.answers or spec.members:
        raise ValueError(f"{spec.text} makes no module; write FILE.py:FACTORY, zoo:NAME, torchvision:NAME or timm:NAME")
    options = dict(spec.options)
    if spec.library == "zoo":
        make = ARCHITECTURES.get(spec.factory)
        several = bool(getattr(make, "takes_layout", False))
        if terms.layout is not None and not several:
            raise ValueError(
                f"{spec.text} is for one input, and the data have several ({terms.layout}); take zoo:fusion"
            )
        form = terms.layout if several and terms.layout else shape
        build = partial(make_module, spec.text, make, form, classes, *spec.args, **options)
        return (lambda: Rescaled(build(), classes)) if terms.labels == "values" else build
    if spec.library:
        library_factory = find_library_factory(spec.library, spec.factory, shape, classes)
        return lambda: make_module(spec.text, library_factory, *spec.args, **options)
    user_factory = find_user_factory(spec)
    return lambda: make_module(spec.text, user_factory, *spec.args, **options)

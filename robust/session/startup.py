"""The checks before the first test, so that a mistake is one line and not a failure of each test."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from robust.attacks.criteria.registry import label_kind, read_criterion
from robust.attacks.factory import find_refusal, make, needs_gradient
from robust.attacks.rng import seeded
from robust.attacks.text import printable_lines
from robust.attacks.words import FAMILIES
from robust.baseline.tolerance import refuse_corrupted, refuse_mean
from robust.data.dataset import KINDS, TooFewError
from robust.distributed.ranks import LostError
from robust.evaluation.corruptions import has_corruptions
from robust.evaluation.model_check import check_model
from robust.evaluation.score import has_score
from robust.gates import MEAN, MIOU, WORST_CLASS, Floor, pair_slug
from robust.models.blackbox import is_black_box
from robust.models.spec import ModelSpec
from robust.models.spec_hints import suggest_library
from robust.session.data import RunData
from robust.session.float_models import find_card
from robust.session.models import Models
from robust.session.queries import leave_queries
from robust.session.resources import Resources
from robust.session.rows import check_rows
from robust.session.undecided import refuse_undecided, refuse_unfit
from robust.settings.parsing import blaming
from robust.settings.settings import Settings, Variant
from robust.train.factory import read_recipe
from robust.train.prepare import rehearse
from robust.train.recipe import AS_IS
from robust.user_code import describe_user_error

CERTIFIED_SAMPLES = 4  # on which a model is tried before it is certified
EXPECTED = (ValueError, LookupError, pytest.UsageError, LostError, KeyboardInterrupt)  # told in one line already


def check_settings(resources: Resources, full_trace: bool = False) -> None:
    """Check all that can be wrong with the settings; raise pytest.UsageError, in one line, at the first mistake.

    With `full_trace` the traceback follows: since any error becomes one line, a bug of ours would be hard to find.
    """
    try:
        _check_all(resources)
    except pytest.UsageError as error:
        if not full_trace:
            raise
        trace = printable_lines("".join(traceback.format_exception(error)))
        raise pytest.UsageError(*error.args, trace) from error


def _check_all(resources: Resources) -> None:
    settings, data, models = resources.settings, resources.data, resources.models
    _check_early(settings, models)
    _check_data(settings, data)
    _check_norms(settings, data)
    _check_surrogates(settings, models)
    _check_training(settings, data, models)
    for spec in settings.models:
        _check_model(spec, settings, data, models)


@contextmanager
def trying(option: str) -> Iterator[None]:
    """Turn any error inside into a pytest.UsageError on `option`: the user's code may raise whatever there is.

    So may libraries on the user's files, and SystemExit, pytest.exit or pytest.skip would end the run.
    """
    with blaming(option):
        try:
            yield
        except EXPECTED:
            raise
        except BaseException as error:
            raise ValueError(f"failed: {describe_user_error(error)}") from error


def _check_early(settings: Settings, models: Models) -> None:
    """Check what needs no data, which may take long to read."""
    with trying(f"device={settings.device}"):
        _ = models.device
    for spec in settings.models:
        with trying(f"model={spec.text}"):
            models.check_early(spec, settings.trainings)
    with trying(f"road={settings.road}"):
        if settings.road and not any(map(find_card, settings.everything)):
            raise ValueError("it is for folders of robust compress, and no model of this run is one")
    for option, text in _list_attacks(settings):
        with trying(option):
            make(text, models.check_surrogate)
    for text in _list_recipes(settings):
        with trying(f"train={text}"):
            read_recipe(text)


def _check_data(settings: Settings, data: RunData) -> None:
    with trying(f"data={settings.data}"):
        try:
            _ = data.samples
        except TooFewError as error:
            with trying(f"samples={settings.samples}"):
                raise error
    for floor in settings.gates.floors:
        with trying(f"fail-under={floor}"):
            if floor.measure == MEAN and not (has_score(data.criterion) or _is_of_corruptions(floor, settings)):
                raise ValueError(f"the mean score by {data.criterion} is the accuracy; give a percentage, as 60")
            if floor.measure == MIOU and label_kind(data.criterion) != "map":
                raise ValueError(f"mIoU is of maps of classes, and the criterion is {data.criterion}; leave it out")
            if floor.measure == WORST_CLASS and data.samples.y.ndim != 1:
                kinds = f"a sample of {data.dataset.name} is of no one class: it has {KINDS[data.dataset.labels]}"
                raise ValueError(f"{kinds}; leave it out, or name groups, as --robust-groups=people.csv:sex")
    if settings.groups is not None and data.group_reader is not None:
        with trying(f"groups={settings.groups.text}"):
            data.group_reader.check(data.samples)
    for margin in settings.baselines.margins:
        with trying(f"compare-fail={margin}"):
            refuse_mean(margin, data.criterion)
            refuse_corrupted(margin, settings.threats)
    for text in settings.threats:
        with trying(f"threat={text}"):
            data.read_threat(text)
            check_rows(data, text)


def _is_of_corruptions(floor: Floor, settings: Settings) -> bool:
    """Whether a floor on a mean is of the accuracies under corruptions."""
    named = [threat for threat in settings.threats if floor.scope in (MEAN, pair_slug(MEAN, threat))]
    return any(map(has_corruptions, named))


def _check_norms(settings: Settings, data: RunData) -> None:
    """Refuse an attack, or a stage of a suite, for a norm of the threat models that it is not for, or not for maps."""
    x = torch.from_numpy(data.samples.x[:1])
    labels = label_kind(data.criterion)
    balls = [ball for text in settings.threats for ball in data.read_threat(text).parts]
    attacks = [(f"attack={text}", text, FAMILIES) for text in settings.attacks]
    stages = [
        (f"suite={suite.name}", stage.attack, stage.threats) for suite in settings.suites for stage in suite.stages
    ]
    for option, text, norms in attacks + stages:
        for ball in balls:
            with trying(option):
                if ball.norm in norms and (refusal := find_refusal(text, x, ball, data.classes, labels)):
                    raise ValueError(refusal)


def _check_surrogates(settings: Settings, models: Models) -> None:
    for option, text in _list_attacks(settings):
        with trying(option):
            make(text, models.load_surrogate)


def _check_training(settings: Settings, data: RunData, models: Models) -> None:
    for text in _list_recipes(settings):
        with trying(f"train={text}"):
            _ = models.threat_to_train
            data.dataset.read("train")


def _check_model(spec: ModelSpec, settings: Settings, data: RunData, models: Models) -> None:
    """Show the model two samples, and train each recipe for a step. Untrained if only trained ones are tested."""
    with trying(f"model={spec.text}"):
        as_is = AS_IS in settings.trainings
        module = models.load(Variant(spec, AS_IS)).module if as_is else models.build_untrained(spec)
        try:
            check_model(module, data.dataset, data.samples)
        except ValueError as error:
            if data.undecided:
                refuse_unfit(error)
            raise ValueError(f"{error}{suggest_library(spec.module, spec.factory)}") from error
    if data.undecided:
        with trying("criterion"):
            refuse_undecided(module if as_is else None, data.samples)
    for threat in settings.threats if settings.certify else ():
        with trying(f"certify={settings.certify}"):
            _refuse_certificate(spec, module, data, threat)
    if is_black_box(module):
        _refuse_gradients(spec, settings, data, models)
    for text in _list_recipes(settings):
        with trying(f"train={text}"), seeded(settings.seed, [models.device]):
            rehearse(models.get_builder(spec)(), read_recipe(text), data.samples, models.threat_to_train)


def _refuse_certificate(spec: ModelSpec, module: nn.Module, data: RunData, threat: str) -> None:
    """Raise ValueError if no bounds are known for the model and the threat model."""
    from robust.certification.certify import Certifier  # which reads the network by torch.export

    x = torch.tensor(data.samples.x[:CERTIFIED_SAMPLES])
    try:
        Certifier.of(module, x[:1], data.read_threat(threat), read_criterion(data.criterion)).check(x)
    except ValueError as error:
        raise ValueError(f"{spec.text} cannot be certified: {error}; --robust-certify=none leaves it out") from error


def _refuse_gradients(spec: ModelSpec, settings: Settings, data: RunData, models: Models) -> None:
    """Raise UsageError if an attack, or a stage of a suite, needs a gradient, which this model does not have."""
    x = torch.from_numpy(data.samples.x[:1])
    parts = [part for text in settings.threats for part in data.read_threat(text).parts]
    for option, text, families in _list_for_black_box(settings):
        with trying(option):
            attack, threats = make(text, models.load_surrogate), [part for part in parts if part.norm in families]
            if any(needs_gradient(attack, x, threat, data.classes) for threat in threats):
                raise ValueError(
                    f"{text} needs a gradient, and {spec.text} only answers; take square or noise, or a surrogate, "
                    f"as {text}:surrogate=net.py:make"
                )


def _list_attacks(settings: Settings) -> list[tuple[str, str]]:
    """List (the option, the attack) of all attacks and of all stages of suites."""
    attacks = [(f"attack={text}", text) for text in settings.attacks]
    return attacks + [(f"suite={suite.name}", stage.attack) for suite in settings.suites for stage in suite.stages]


def _list_for_black_box(settings: Settings) -> list[tuple[str, str, tuple[str, ...]]]:
    """List (the option, the attack, the families of threat models) of all that a black box would meet.

    Of a suite those stages for tables, patches and pixels are left out that follow a gradient, where others are left.
    """
    listed: list[tuple[str, str, tuple[str, ...]]]
    listed = [(f"attack={text}", text, FAMILIES) for text in settings.attacks]
    for suite in settings.suites:
        stages = leave_queries(suite).stages
        listed += [(f"suite={suite.name}", stage.attack, stage.threats) for stage in stages]
    return listed


def _list_recipes(settings: Settings) -> list[str]:
    return [text for text in settings.trainings if text != AS_IS]

"""What a process needs to measure: the samples, and each model as loaded or trained, made once and kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from robust.attacks.factory import make, needs_gradient
from robust.attacks.fast_copy import FastCopy, make_fast_copy
from robust.attacks.rng import seeded
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Threat, read_threat
from robust.data.dataset import Dataset, Samples, TooFewError
from robust.distributed.ranks import Ranks
from robust.evaluation.batching import Batcher, fit_batch_size
from robust.evaluation.measure import CleanResult, check_model, measure_clean
from robust.models.blackbox import is_black_box
from robust.models.load import Subject, get_builder, load
from robust.models.normalize import add_normalization, describe_normalize
from robust.models.spec import ModelSpec
from robust.progress import TrainingBar
from robust.records.files import private
from robust.session.case import fail
from robust.settings.parsing import asked, blaming
from robust.settings.settings import Settings, Variant
from robust.train.cache import Trained, load_selection, train
from robust.train.card import read_card
from robust.train.factory import read_recipe
from robust.train.prepare import rehearse
from robust.train.recipe import AS_IS
from robust.train.setup import TrainingSpec
from robust.train.split import refuse_shared

FEW = 64  # samples that a model and its cheaper copy must answer alike
SAMPLES = 1000  # as many as most published evaluations use

Progress = Callable[[str], AbstractContextManager[TrainingBar]]


class Resources:
    """Models and samples of one run, in one process."""

    def __init__(self, config: pytest.Config, settings: Settings, progress: Progress, ranks: Ranks) -> None:
        self.settings = settings
        self.ranks = ranks
        self.trained: dict[Variant, Trained] = {}
        self.cards: dict[Variant, tuple[Path, dict[str, Any]]] = {}  # of weights: their file, how they were trained
        self.hooked: set[Variant] = set()  # loaded by an implementation of pytest_robust_load_model
        self.notes: dict[str, str] = {}  # on models, as the user wrote them: what was done as they were loaded
        self._config = config
        self._progress = progress
        self._subjects: dict[Variant, Subject] = {}
        self._clean: dict[tuple[int, int], tuple[nn.Module, Samples, CleanResult]] = {}
        self._feeds: dict[int, tuple[nn.Module, Batcher]] = {}

    @cached_property
    def device(self) -> torch.device:
        """Where models are put."""
        return self.ranks.device(self.settings.device)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set of this run, downloaded where that was needed and allowed."""
        found = self.settings.dataset.complete(download=self.settings.download)
        found.read("test")
        return found

    @cached_property
    def samples(self) -> Samples:
        """The test samples of this run, drawn by its seed."""
        everything, asked = len(self.dataset.read("test")[1]), self.settings.samples
        n = everything if asked == "all" else asked or min(SAMPLES, everything)
        return self.dataset.load("test", n, self.settings.seed)

    @property
    def classes(self) -> int:
        """That the model tells apart."""
        return self.shape_and_classes[1]

    def threat(self, text: str) -> Threat:
        return read_threat(text, self.settings.dataset.lo, self.settings.dataset.hi)

    def subject(self, variant: Variant) -> Subject:
        """A model as it was loaded, or trained by a recipe."""
        if variant not in self._subjects:
            self._subjects[variant] = self._make(variant)
        return self._subjects[variant]

    def surrogate(self, text: str) -> nn.Module:
        """Another model, for attacks that are to transfer from it; its word is as that of --robust-model."""
        module = self.subject(Variant(ModelSpec.parse(text, self.settings.attacks_below), AS_IS)).module
        check_model(module, self.dataset, self.samples)
        return module

    def feed(self, module: nn.Module) -> Batcher:
        """What gives the module its batches."""
        if id(module) not in self._feeds:
            size = self.settings.batch_size or fit_batch_size(module, self.samples.x[:1], self.device, self.ranks.here)
            self._feeds[id(module)] = (module, Batcher(size, self.device))
        return self._feeds[id(module)][1]

    def fast_copy(self, module: nn.Module) -> FastCopy | None:
        """What suites ask in the module's place; None where they ask the module itself."""
        x = torch.tensor(self.samples.x[:FEW], device=self.device)
        return make_fast_copy(module, self.settings.search, x) if self.settings.search else None

    def clean(self, module: nn.Module, samples: Samples) -> CleanResult:
        """The module's answers without an attack, asked for once."""
        key = (id(module), id(samples))
        if key not in self._clean:
            clean = measure_clean(module, samples, self.settings.seed, self.feed(module), self.ranks)
            self._clean[key] = (module, samples, clean)  # they stay, so that no other takes their ids
        return self._clean[key][2]

    def check(self) -> None:
        """Everything that can be wrong with the settings, before the first test: pytest.UsageError in one line."""
        settings = self.settings
        for spec in settings.models:
            with blaming(f"model={spec.text}"):
                spec.refuse_absent()
        with blaming(f"device={settings.device}"):
            _ = self.device
        with blaming(f"data={settings.data}"):
            dataset = self.dataset
            try:
                samples = self.samples
            except TooFewError as error:
                with blaming(f"samples={settings.samples}"):
                    raise error
        for text in settings.threats:
            with blaming(f"threat={text}"):
                self.threat(text)
        for text in settings.attacks:
            with blaming(f"attack={text}"):
                make(text, self.surrogate)
        for suite in settings.suites:
            for stage in suite.stages:
                with blaming(f"suite={suite.name}"):
                    make(stage.attack, self.surrogate)
        for text in settings.trainings:
            if text != AS_IS:
                with blaming(f"train={text}"):
                    read_recipe(text)
                    _ = self._threat_to_train
                    _ = dataset.read("train")
        for spec in settings.models:
            with blaming(f"model={spec.text}"):
                module = self._checkable(spec)
                check_model(module, dataset, samples)
            if is_black_box(module):
                self._check_blind(spec)
            for text in (text for text in settings.trainings if text != AS_IS):
                with blaming(f"train={text}"), seeded(settings.seed, [self.device]):
                    rehearse(self._architecture(spec)(), read_recipe(text), samples)

    def _check_blind(self, spec: ModelSpec) -> None:
        """UsageError where an attack, or a stage of a suite, asks for a gradient that this model does not have."""
        settings = self.settings
        planned = [(f"attack={text}", text) for text in settings.attacks]
        planned += [(f"suite={suite.name}", stage.attack) for suite in settings.suites for stage in suite.stages]
        x = torch.from_numpy(self.samples.x[:1])
        for option, text in planned:
            with blaming(option):
                threats = [self.threat(threat) for threat in settings.threats]
                if any(needs_gradient(make(text, self.surrogate), x, threat, self.classes) for threat in threats):
                    raise ValueError(
                        f"{text} needs a gradient, and {spec.text} only answers; take square or noise, or a surrogate, "
                        f"as {text}:surrogate=net.py:make"
                    )

    def _checkable(self, spec: ModelSpec) -> nn.Module:
        """The model itself where it will be tested, else an untrained one of its architecture."""
        if AS_IS in self.settings.trainings:
            return self.subject(Variant(spec, AS_IS)).module
        with seeded(self.settings.seed, [self.device]):
            return self._architecture(spec)()

    def _architecture(self, spec: ModelSpec) -> Callable[[], nn.Module]:
        settings = self.settings
        build = get_builder(spec, settings.arch, *self.shape_and_classes, settings.folder, normalize=settings.normalize)
        return lambda: build().to(self.device)

    @property
    def _threat_to_train(self) -> LpThreat:
        threat = self.threat(self.settings.threats[0])
        if not isinstance(threat, LpThreat):
            raise ValueError(f"training is under one threat model, the first given, and {threat} is a union")
        return threat

    @property
    def shape_and_classes(self) -> tuple[tuple[int, ...], int]:
        """Of one input, and that the model tells apart."""
        assert self.dataset.shape is not None
        assert self.dataset.classes is not None
        return self.dataset.shape, self.dataset.classes

    def _make(self, variant: Variant) -> Subject:
        subject = self._load(variant) if variant.training == AS_IS else self._train(variant)
        subject.module.to(self.device).eval()
        if subject.notes:
            self.notes[variant.spec.text] = "; ".join(subject.notes)
        return subject

    def _load(self, variant: Variant) -> Subject:
        spec = variant.spec
        with seeded(self.settings.seed, [self.device]):  # for factories that start from random weights
            hooked = spec.library is None  # the hook is for files
            own = asked(self._config, "pytest_robust_load_model", path=spec.path) if hooked else None
            if own is None:
                self._read_cards(variant)
                settings = self.settings
                terms = (*self.shape_and_classes, settings.folder, settings.allowed, settings.normalize)
                return load(spec, settings.arch, *terms)
        if not isinstance(own, nn.Module):
            raise ValueError(f"pytest_robust_load_model returned {type(own).__name__}, expected torch.nn.Module")
        self.hooked.add(variant)
        normalize = self.settings.normalize
        return Subject(spec.name, AS_IS, add_normalization(own, normalize), describe_normalize(normalize))

    def _read_cards(self, variant: Variant) -> None:
        """How the weights in its files were trained; refuses them on samples that selected them."""
        for path in variant.spec.files:
            if (card := read_card(path)) is None:
                continue
            if (selection := load_selection(card, self.dataset)) is not None:
                refuse_shared(selection, self.samples)
            if variant.spec.files == (path,):
                self.cards[variant] = path, card

    def _train(self, variant: Variant) -> Subject:
        settings, spec = self.settings, variant.spec
        with self._progress(f"training {variant.training}") as bar:
            try:
                training = TrainingSpec(
                    self._architecture(spec),
                    variant.training,
                    self.dataset,
                    self._threat_to_train,
                    settings.seed,
                    spec.name,
                    spec.path if spec.factory and not spec.library else None,
                )
                folder = private(settings.home) / "models"
                trained = train(training, folder, on_epoch=bar.epoch, on_batch=bar.batch, ranks=self.ranks)
                refuse_shared(trained.selection, self.samples)
            except (ValueError, LookupError) as error:
                fail(f"{spec.text}, {variant.training}: {error.args[0]}")
        self.trained[variant] = trained
        self.cards[variant] = trained.path, trained.card
        return Subject(spec.name, variant.training, trained.module, describe_normalize(settings.normalize))

"""Models: each model of a run as it is loaded, or trained by a recipe, once and then kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from robust.attacks.draws import ONE
from robust.attacks.rng import seeded
from robust.attacks.state import State
from robust.attacks.threats.threat import Part, read_threat
from robust.attacks.threats.union import Union
from robust.distributed.ranks import Ranks
from robust.evaluation.model_check import check_model
from robust.models.answering import add_draws, compare_answers, describe_draws, draws_of
from robust.models.blackbox import BlackBox
from robust.models.early import check_early
from robust.models.format import Terms
from robust.models.load import Build, Builder, Subject, get_builder, load, make_subject, place
from robust.models.normalize import NONE
from robust.models.spec import ModelSpec
from robust.models.traits import only_answers
from robust.progress import TrainingBar
from robust.records.files import private
from robust.session.case import fail
from robust.session.data import RunData
from robust.session.ending import refuse_end
from robust.session.loading import make_source, make_terms
from robust.session.payload import TrainingCard
from robust.settings.settings import Settings, Variant
from robust.train.cache import Trained, load_selection, train
from robust.train.card import read_card
from robust.train.recipe import AS_IS
from robust.train.setup import TrainingSpec
from robust.train.split import refuse_shared
from robust.verification.fresh_process import Source

Progress = Callable[[str], AbstractContextManager[TrainingBar]]


class LoadHook(Protocol):
    """The hook pytest_robust_load_model: whether anybody implements it, and what is loaded then, or None."""

    @property
    def implemented(self) -> bool: ...

    def __call__(self, path: Path) -> object: ...


class Models:
    """The models of one run, in one process."""

    def __init__(
        self, settings: Settings, data: RunData, load_hook: LoadHook, progress: Progress, ranks: Ranks
    ) -> None:
        self.notes: dict[str, str] = {}  # by the model as the user wrote it: what was done as it was loaded
        self._settings = settings
        self._data = data
        self._load_hook = load_hook
        self._progress = progress
        self._ranks = ranks
        self._subjects: dict[Variant, Subject] = {}
        self._states: dict[Variant, State] = {}  # as they were loaded: what is hashed is what was loaded
        self._trained: dict[Variant, Trained] = {}
        self._cards: dict[Variant, TrainingCard] = {}
        self._builders: dict[ModelSpec, Builder] = {}
        self._hooked: set[Variant] = set()  # loaded by an implementation of pytest_robust_load_model

    @cached_property
    def device(self) -> torch.device:
        """The device that models are put on."""
        return self._ranks.device(self._settings.device)

    def check_early(self, spec: ModelSpec, trainings: tuple[str, ...] = (AS_IS,)) -> None:
        """Check what can be known of a model before the data are read, unless a hook may load it."""
        spec.refuse_absent()
        settings, trained = self._settings, any(training != AS_IS for training in trainings)
        if not self._load_hook.implemented or spec.library:  # the hook is for files
            as_is, arch = AS_IS in trainings, settings.arch
            check_early(spec, arch, settings.folder, settings.permissions, as_is=as_is, trained=trained)

    def check_surrogate(self, text: str) -> nn.Module:
        """Check the same of a surrogate; return a module that only stands for it."""
        self.check_early(ModelSpec.parse(text, self._settings.attacks_below))
        return nn.Identity()

    def load(self, variant: Variant) -> Subject:
        """Return a model as it was loaded, or trained by a recipe; in evaluation mode, on `device`."""
        if variant not in self._subjects:
            with refuse_end():
                subject = self._load(variant) if variant.training == AS_IS else self._train(variant)
            subject = self._add_draws(variant, subject)
            self._take(variant.spec, subject)
            self._states[variant] = State(place(subject.module, self.device))
            self._subjects[variant] = subject
        self._states[variant].restore(known=True)  # a test of the user's may have asked the model itself
        return self._subjects[variant]

    def find_draws(self, variant: Variant) -> str | None:
        """Return how a model's answer is formed of random ones, "" if it is not random; None before it is loaded.

        A baseline is selected before the first test, when a training has not begun.
        """
        return draws_of(self._subjects[variant].module) if variant in self._subjects else None

    def _add_draws(self, variant: Variant, subject: Subject) -> Subject:
        """Return a model that answers at random with how its deployed answer is formed; all others as they are.

        It is random if the seed decides what it answers; one whose answers change otherwise, or that only answers, so
        that every query may cost, only if --robust-draws says so.
        """
        module, draws = subject.module, self._settings.draws
        if not only_answers(module):
            kind = compare_answers(place(module, self.device), self._data.probe)
            if kind == "same" and draws:
                note = f"its answers are always the same, so that --robust-draws={draws} does not concern it"
                return replace(subject, notes=(*subject.notes, note))
            draws = {"same": None, "drawn": draws or ONE, "changing": draws}[kind]
        if draws is None:
            return subject
        if refusal := self._refuse_random():
            raise ValueError(refusal)
        note = describe_draws(draws, asked=self._settings.draws is not None)
        drawn = add_draws(module, draws, self._data.dataset.labels)
        return replace(subject, module=drawn, notes=(*subject.notes, note))

    def _refuse_random(self) -> str:
        """Return why a random model cannot be measured in this run, in one line; "" if it can."""
        settings = self._settings
        steady = {"curve": settings.curves.ends, "certify": settings.certify, "search": settings.search}
        option = next((option for option, given in steady.items() if given), "")
        needs = f"it answers at random, and --robust-{option} needs answers that are always the same; leave it out"
        return needs if option else ""

    def _take(self, spec: ModelSpec, subject: Subject) -> None:
        """Let the data take what a model tells of them, and keep the notes on it."""
        self._data.fit(subject)
        if subject.notes:
            self.notes[spec.text] = "; ".join(subject.notes)

    def load_surrogate(self, text: str) -> nn.Module:
        """Return another model, for attacks that are to transfer from it; `text` is as --robust-model takes it."""
        module = self.load(Variant(ModelSpec.parse(text, self._settings.attacks_below), AS_IS)).module
        check_model(module, self._data.dataset, self._data.samples)
        return module

    def forget_answers(self) -> None:
        """Remove the answers of black boxes that were kept for the case that this run is stopped."""
        for subject in self._subjects.values():
            for part in subject.module.modules():
                if isinstance(part, BlackBox):
                    part.forget()

    def get_builder(self, spec: ModelSpec) -> Build:
        """Return a function that builds an untrained model of this architecture, on `device`."""
        builder = self._get_builder(spec)
        return lambda: builder().to(self.device)

    def build_untrained(self, spec: ModelSpec) -> nn.Module:
        """Build an untrained model of this architecture by the seed of the run."""
        subject = self._build_untrained(spec)
        self._take(spec, subject)
        return subject.module.to(self.device)

    def _build_untrained(self, spec: ModelSpec) -> Subject:
        with seeded(self._settings.seed, [self.device]):
            return self._get_builder(spec).build_subject()

    def _get_builder(self, spec: ModelSpec) -> Builder:
        if spec not in self._builders:
            settings = self._settings
            self._builders[spec] = get_builder(
                spec, settings.arch, settings.folder, self.make_terms(self._data.count_classes())
            )
        return self._builders[spec]

    def make_terms(self, classes: int) -> Terms:
        """Return what a model of so many classes is loaded for, and what it may do."""
        return make_terms(self._settings, self._data, classes)

    def get_card(self, variant: Variant) -> TrainingCard | None:
        """Return how the weights of a model were trained; None if nobody says so."""
        return self._cards.get(variant)

    def get_recipe(self, variant: Variant) -> str:
        """Return the recipe that the card of a model names; "" if there is no card."""
        card = self.get_card(variant)
        return str(card.card["recipe"]) if card else ""

    def find_source(self, variant: Variant, module: nn.Module) -> Source | str:
        """Return where another process finds the model, or why it cannot have it."""
        if module is not (subject := self.load(variant)).module:
            return "the model is the test's own"
        if variant in self._hooked:
            return "the model is loaded by pytest_robust_load_model"
        trained = self._trained.get(variant)
        return make_source(self._settings, self._data, variant, subject, trained.path if trained else None)

    @property
    def threat_to_train(self) -> Part:
        """The threat model that recipes train for, the first of the run; ValueError if it is a union."""
        dataset = self._data.dataset  # what training learns from are no pictures of the test split
        threat = read_threat(self._settings.threats[0], dataset.lo, dataset.hi, dataset.layout)
        if isinstance(threat, Union):
            raise ValueError(f"training is under one threat model, the first given, and {threat} is a union")
        return threat.parts[0]

    def _load(self, variant: Variant) -> Subject:
        spec, settings, terms = variant.spec, self._settings, self.make_terms(self._data.classes)
        with seeded(settings.seed, [self.device]):  # for factories that start from random weights
            module = self._load_hook(spec.path) if spec.library is None else None  # the hook is for files
            if module is None:
                self._read_cards(variant)
                return load(spec, settings.arch, settings.folder, terms)
        if not isinstance(module, nn.Module):
            raise ValueError(f"pytest_robust_load_model returned {type(module).__name__}, expected torch.nn.Module")
        self._hooked.add(variant)
        return make_subject(spec.name, module, terms)

    def _read_cards(self, variant: Variant) -> None:
        """Read how the weights in the model's files were trained; refuse them if these samples selected them."""
        for path in variant.spec.files:
            if (card := read_card(path)) is None:
                continue
            if (selection := load_selection(card, self._data.dataset)) is not None:
                refuse_shared(selection, self._data.samples)
            trained, now = card.get("normalize"), self._settings.normalize or NONE
            if trained is not None and trained != now:
                fault = f"the card says that the weights were trained with --robust-normalize={trained}"
                raise ValueError(f"{fault}, and this run has {now}; say the same")
            if variant.spec.files == (path,):
                self._cards[variant] = TrainingCard(card, str(path))

    def _train(self, variant: Variant) -> Subject:
        settings, spec = self._settings, variant.spec
        if spec.files and "pretrained=" not in variant.training:
            start = f"--robust-train={variant.training}:pretrained={spec.text}"
            note = f"new weights are trained; to start from these, say {start}"
            self.notes[f"{spec.text}, {variant.training}"] = note
        untrained = self._build_untrained(spec)
        with self._progress(f"training {variant.training}") as bar:
            try:
                training = TrainingSpec(
                    self.get_builder(spec),
                    variant.training,
                    self._data.dataset,
                    self.threat_to_train,
                    settings.seed,
                    spec.name,
                    spec.path if spec.factory and not spec.library else None,
                )
                folder = private(settings.home) / "models"
                trained = train(
                    training,
                    folder,
                    on_epoch=bar.show_epoch,
                    on_batch=bar.show_batch,
                    on_resume=bar.show_resumed,
                    on_start=bar.bar.say,
                    ranks=self._ranks,
                )
                refuse_shared(trained.selection, self._data.samples)
            except OSError as error:
                fail(f"{spec.text}, {variant.training}: the training could not be written: {error}")
            except (ValueError, LookupError) as error:
                fail(f"{spec.text}, {variant.training}: {error.args[0]}")
            except KeyboardInterrupt:
                bar.show_interrupted()
                raise
        self._trained[variant] = trained
        self._cards[variant] = TrainingCard(trained.card, str(trained.path))
        return replace(untrained, training=variant.training, module=trained.module)

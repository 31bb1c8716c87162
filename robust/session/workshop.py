"""What a process needs to measure: the samples, and each model as loaded or trained, made once and kept."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

import pytest
import torch
from torch import nn

from robust.attacks.factory import make
from robust.attacks.threat import LpThreat
from robust.data.dataset import Samples
from robust.evaluate import Clean, check, measure_clean
from robust.models.load import Subject, architecture, load
from robust.models.spec import ModelSpec
from robust.session.settings import Settings, blaming
from robust.store import private
from robust.train.cache import OnEpoch, Trained, train
from robust.train.loop import read_recipe
from robust.train.recipe import AS_IS

SAMPLES = 1000  # as many as most published evaluations use

Progress = Callable[[str], AbstractContextManager[OnEpoch]]


class Workshop:
    """Models and samples of one run, in one process."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.trained: dict[tuple[Path, str], Trained] = {}
        self._progress = progress
        self._subjects: dict[tuple[Path, str], Subject] = {}
        self._clean: dict[int, tuple[nn.Module, Clean]] = {}

    @cached_property
    def samples(self) -> Samples:
        """The test samples of this run, drawn by its seed."""
        everything = self.settings.dataset.load("test")
        wanted = self.settings.samples or min(SAMPLES, len(everything))
        if wanted > len(everything):
            raise ValueError(
                f"{self.settings.dataset.name} has {len(everything)} test samples, {wanted} were asked for"
            )
        return everything.draw(wanted, self.settings.seed)[0]

    def threat(self, text: str) -> LpThreat:
        return LpThreat.parse(text, self.settings.dataset.lo, self.settings.dataset.hi)

    def spec(self, path: Path) -> ModelSpec:
        """The model of that file; of a file that holds none, as the user's own tests, the first model of the run."""
        return next((spec for spec in self.settings.models if spec.path == path), self.settings.models[0])

    def subject(self, path: Path, training: str) -> Subject:
        """The model that is tested in that file, as it is or trained by a recipe."""
        spec = self.spec(path)
        key = (spec.path, training)
        if key not in self._subjects:
            self._subjects[key] = self._make(spec, training)
        return self._subjects[key]

    def clean(self, module: nn.Module) -> Clean:
        """The module's answers without an attack, asked for once."""
        if id(module) not in self._clean:
            self._clean[id(module)] = (module, measure_clean(module, self.samples, self.settings.seed))
        return self._clean[id(module)][1]

    def check(self) -> None:
        """Everything that can be wrong with the settings, before the first test: pytest.UsageError in one line."""
        settings = self.settings
        with blaming(f"samples={settings.samples}" if settings.samples else f"data={settings.dataset.name}"):
            samples = self.samples
        for text in settings.threats:
            with blaming(f"threat={text}"):
                self.threat(text)
        for text in settings.attacks:
            with blaming(f"attack={text}"):
                make(text)
        for text in settings.trainings:
            if text != AS_IS:
                with blaming(f"train={text}"):
                    read_recipe(text)
        for spec in settings.models:
            with blaming(f"model={spec.text}"):
                check(self._checkable(spec), settings.dataset, samples)

    def _checkable(self, spec: ModelSpec) -> nn.Module:
        """The model itself where it will be tested, else an untrained one of its architecture."""
        if AS_IS in self.settings.trainings:
            return self.subject(spec.path, AS_IS).module
        return self._architecture(spec)()

    def _architecture(self, spec: ModelSpec) -> Callable[[], nn.Module]:
        return architecture(spec, self.settings.arch, self.settings.dataset.classes, self.settings.folder)

    def _make(self, spec: ModelSpec, training: str) -> Subject:
        settings = self.settings
        if training == AS_IS:
            with torch.random.fork_rng():
                torch.manual_seed(settings.seed)  # for factories that start from random weights
                subject = load(spec, settings.arch, settings.dataset.classes, settings.folder)
            subject.module.eval()
            return subject
        with self._progress(f"training {training}") as on_epoch:
            try:
                trained = train(
                    self._architecture(spec),
                    training,
                    settings.dataset,
                    self.threat(settings.threats[0]),
                    seed=settings.seed,
                    folder=private(settings.home) / "models",
                    name=spec.name,
                    source=spec.path if spec.factory else None,
                    on_epoch=on_epoch,
                )
            except ValueError as error:
                pytest.fail(f"{spec.text}, {training}: {error}", pytrace=False)
        self.trained[spec.path, training] = trained
        trained.module.eval()
        return Subject(spec.name, training, trained.module)


def share_cores(workers: int) -> None:
    """Parallel workers get an even share of the threads; all of them at once would be in each other's way."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))

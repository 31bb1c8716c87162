"""From options to Settings: every mistake that can be told without torch is told here, in one line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from robust.attacks.spec import Spec
from robust.attacks.suite import Suite
from robust.attacks.text import slug
from robust.data.dataset import Dataset
from robust.gates import Gates
from robust.models.permissions import Permissions
from robust.models.spec import ModelSpec
from robust.records.trust import Verdict
from robust.settings.baseline import Baselines, RegressionCheck
from robust.train.recipe import AS_IS


@dataclass(frozen=True, slots=True)
class Variant:
    """A model of the run, as it was loaded or trained by a recipe."""

    spec: ModelSpec
    training: str  # a recipe, or "as-is"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for."""

    models: tuple[ModelSpec, ...]
    arch: str | None
    normalize: str | None  # canonical: "0.5/0.25"
    allowed: Permissions  # what model files may do
    data: str  # as the user wrote it
    dataset: Dataset  # as declared, not yet read
    download: bool
    threats: tuple[str, ...]  # canonical: "linf:8/255"
    attacks: tuple[str, ...]  # canonical: "pgd:steps=40"
    suites: tuple[Suite, ...]
    seconds: float | None  # that a suite may take
    search: tuple[str, ...]  # how suites ask a cheaper copy of the model; empty: the model itself
    trainings: tuple[str, ...]  # recipes, and "as-is" for the model as it was loaded
    samples: int | Literal["all"] | None  # None: 1000, or all if there are fewer
    seed: int
    batch_size: int | None  # None: what fits into memory
    device: str  # "auto", or torch's word
    gates: Gates
    baselines: Baselines
    verdict: Verdict | None  # the worst that passes; None: nothing is checked
    accepted: tuple[str, ...]  # names of preflight checks
    leaderboard: Path | None
    evidence: int | None  # of how many broken samples a row keeps the inputs; None: of all
    gallery: int  # of how many it keeps pictures
    fresh: int  # how many of these are shown to the model loaded anew in a fresh process
    only: bool
    folder: Path  # what a relative path in `arch` is below
    models_below: Path  # and one in `models`
    attacks_below: Path  # and one in `attacks`
    home: Path  # what we keep for ourselves: trained weights, and findings on their way to a record

    @property
    def tests(self) -> list[str]:
        """Which of the shipped tests there is something to do for."""
        checks = [["test_preflight"], ["test_trust"]] if self.verdict else [[], []]
        attacks = [*["test_attack"] * bool(self.attacks), *["test_suite"] * bool(self.suites)]
        return [*checks[0], "test_clean", *["test_regression"] * bool(self.guards), *attacks, *checks[1]]

    @property
    def rows(self) -> tuple[str, ...]:
        """What makes a row of its own for each model and threat model: "" for all attacks, and each suite."""
        return (*[""] * bool(self.attacks), *(suite.name for suite in self.suites))

    @property
    def files(self) -> bool:
        """Whether rows are filed anywhere, and so are wanted whole, with their inputs."""
        return self.leaderboard is not None or self.baselines.save is not None

    @property
    def guards(self) -> list[RegressionCheck]:
        """What must not be worse than in a baseline, of each model."""
        return self.baselines.guards(self.rows, self.threats)

    @property
    def everything(self) -> list[Variant]:
        """Every model of the run, in every training."""
        return [Variant(spec, training) for spec in self.models for training in self.trainings]

    def variants(self, path: Path) -> list[Variant]:
        """What is tested in the file `path`: the models that it holds, or all models if it holds none."""
        mine = [spec for spec in self.models if spec.path == path] or self.models
        return [Variant(spec, training) for spec in mine for training in self.trainings]

    def ids(self, path: Path) -> list[str]:
        """A word for each of `variants(path)`, for test names; empty where there is nothing to tell apart."""
        here = [spec for spec in self.models if spec.path == path]
        names = [spec.name for spec in self.models]

        def model(spec: ModelSpec) -> str:
            if here:
                return "" if spec.plain and len(here) == 1 else spec.label
            unique = names.count(spec.name) == 1
            return "" if len(names) == 1 else spec.name if unique else slug(spec.text)

        def training(word: str) -> str:
            return "" if self.trainings == (AS_IS,) else Spec.parse(word).slug

        words = [(model(variant.spec), training(variant.training)) for variant in self.variants(path)]
        return ["-".join(filter(None, pair)) for pair in words]

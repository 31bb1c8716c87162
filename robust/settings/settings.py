"""The settings of a run, as all the rest of it uses them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from robust.attacks.spec import Spec
from robust.attacks.suite import Suite
from robust.attacks.text import slug
from robust.data.dataset import Dataset
from robust.data.group_spec import GroupSpec
from robust.gates import Gates
from robust.models.permissions import Permissions
from robust.models.spec import ModelSpec
from robust.records.trust import Verdict
from robust.settings.architecture import list_surrogates
from robust.settings.baseline import Baselines, RegressionCheck
from robust.settings.curve import Curves
from robust.train.recipe import AS_IS


@dataclass(frozen=True, slots=True)
class Variant:
    """A model of the run, as it was loaded or as a recipe trained it."""

    spec: ModelSpec
    training: str  # a recipe, or "as-is"
    fold: int = 0  # the fold of the data that it is tested on, from 1; 0: there are none


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a run, checked and in their canonical spelling."""

    models: tuple[ModelSpec, ...]
    arch: str | None
    normalize: str | None  # canonical: "0.5/0.25"
    output: str | None  # how answers are read, canonical: "logits:probability"
    permissions: Permissions  # of model files
    data: str  # as the user wrote it
    dataset: Dataset  # as declared, not yet read
    criterion: str | None  # what is a right answer, canonical: "within:50"; None: what the labels show
    download: bool
    threats: tuple[str, ...]  # canonical: "linf:8/255"
    attacks: tuple[str, ...]  # canonical: "pgd:steps=40"
    suites: tuple[Suite, ...]
    seconds: float | None  # the time that the run may take; None: all it needs
    certify: str | None  # the method that samples are certified by; None: none is
    search: tuple[str, ...]  # how suites ask a cheaper copy of the model; empty: the model itself
    trainings: tuple[str, ...]  # recipes, and "as-is" for the model as it was loaded
    samples: int | Literal["all"] | None  # None: 1000, or all if there are fewer
    seed: int
    draw: int  # the seed of the draw of the samples
    batch_size: int | None  # None: what fits into memory
    device: str  # "auto", or torch's name
    gates: Gates
    baselines: Baselines
    verdict: Verdict | None  # the worst that passes; None: nothing is checked
    accepted: tuple[str, ...]  # names of checks of test_preflight
    leaderboard: Path | None
    evidence: int | None  # the adversarial inputs that a row keeps; None: all
    gallery: int  # the adversarial inputs whose images a row keeps
    fresh: int  # the adversarial inputs that are verified on the model loaded again in a fresh process
    only: bool
    folder: Path  # where a relative path in `arch` starts
    models_below: Path  # where one in `models` starts
    attacks_below: Path  # where one in `attacks` starts
    home: Path  # the folder for trained weights, baselines and unfinished suites
    road: str = ""  # by which compressed models are attacked; "": the first that each has
    draws: str | None = None  # how a random model's answer is formed, canonical: "mean:10"; None: of one draw
    queries: int | None = None  # that each attack may make of a sample; None: as many as its steps say
    named: bool = True  # whether somebody named the attacks, so that none is chosen by what the model answers with
    groups: GroupSpec | None = None  # the column that says which group a sample is of
    curves: Curves = field(default_factory=Curves)  # the smallest adversarial distances that are measured
    data_below: Path = Path()  # where a relative path in `data` starts
    folds: tuple[Dataset, ...] = ()  # the data of each fold that recipes are tested on; empty: there are none

    @property
    def tests(self) -> list[str]:
        """Return the names of the shipped tests that have something to check."""
        checks = [["test_preflight"], ["test_trust"]] if self.verdict else [[], []]
        proofs = ["test_certified"] * bool(self.certify)
        attacks = [*["test_attack"] * bool(self.attacks), *["test_suite"] * bool(self.suites)]
        curves = ["test_curve"] * bool(self.curves.ends)
        compared = ["test_regression"] * bool(self.regression_checks)
        return [*checks[0], "test_clean", *compared, *proofs, *attacks, *curves, *checks[1]]

    @property
    def surrogates(self) -> list[ModelSpec]:
        """Return the models, beside those of the run, that attacks and stages of suites follow the gradient of."""
        return list_surrogates(self.attacks, self.suites, self.attacks_below)

    @property
    def rows(self) -> tuple[str, ...]:
        """Return the rows for each model and threat model: "" for all attacks together, and each suite."""
        return (*[""] * bool(self.attacks), *(suite.name for suite in self.suites))

    @property
    def files(self) -> bool:
        """Whether rows are filed anywhere, and so are needed complete, with their inputs."""
        return self.leaderboard is not None or self.baselines.save is not None

    @property
    def regression_checks(self) -> list[RegressionCheck]:
        """Return the accuracies of each model that must not be worse than in a baseline."""
        return self.baselines.plan_checks(self.rows, self.threats)

    @property
    def everything(self) -> list[Variant]:
        """Return every model of the run, in every training."""
        return self._vary(self.models)

    def variants(self, path: Path) -> list[Variant]:
        """Return the models in the file `path`, or all models if it holds none, each in every training."""
        return self._vary([spec for spec in self.models if spec.path == path] or self.models)

    def _vary(self, specs: Sequence[ModelSpec]) -> list[Variant]:
        folds = range(1, 1 + len(self.folds)) if self.folds else (0,)
        return [Variant(spec, training, fold) for spec in specs for training in self.trainings for fold in folds]

    def of_fold(self, number: int) -> "Settings":
        """Return the settings of one fold, which has no floors of its own: they are for all together."""
        data = f"{self.data}:fold={number}of{len(self.folds)}"
        gates = replace(self.gates, floors=())
        return replace(self, data=data, dataset=self.folds[number - 1], folds=(), gates=gates)

    def ids(self, path: Path) -> list[str]:
        """Return a part of a test's name for each of `variants(path)`; empty if there is nothing to distinguish."""
        here = [spec for spec in self.models if spec.path == path]
        names = [spec.name for spec in self.models]

        def name_model(spec: ModelSpec) -> str:
            if here:
                return "" if spec.plain and len(here) == 1 else spec.label
            unique = names.count(spec.name) == 1
            return "" if len(names) == 1 else spec.name if unique else slug(spec.text)

        def name_training(recipe: str) -> str:
            return "" if self.trainings == (AS_IS,) else Spec.parse(recipe).slug

        def name_fold(number: int) -> str:
            return f"fold{number}" if number else ""

        parts = [(name_model(v.spec), name_training(v.training), name_fold(v.fold)) for v in self.variants(path)]
        return ["-".join(filter(None, part)) for part in parts]

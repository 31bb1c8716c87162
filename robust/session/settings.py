"""From options to Settings: every mistake that can be told without torch is told here, in one line."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from robust.attacks.spec import Spec
from robust.attacks.suite import Suite
from robust.attacks.text import slug
from robust.data.dataset import Dataset
from robust.data.factory import open_data
from robust.gates import Gates
from robust.models.normalize import read_normalize
from robust.models.permissions import Allowed
from robust.models.spec import ModelSpec
from robust.options import dest, value
from robust.records.trust import Verdict
from robust.session.allowing import read_allowed
from robust.session.baselines import Baselines, Guard, read_baselines
from robust.session.judging import read_accepted, read_gates, read_verdict
from robust.session.planned import Planned, read_planned, read_time, without_suites
from robust.session.reading import asked, base, blaming, each, whole
from robust.train.recipe import AS_IS, parse_recipe

FRESH = 32  # a fault of one in ten is missed once in thirty rows, and the process takes the time of its imports
GALLERY = 6  # four pictures of each, and five with captum, keep a page small
DEVICE = r"auto|cpu|cuda(:\d+)?|mps"


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
    allowed: Allowed  # what model files may do
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
    def guards(self) -> list[Guard]:
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


def read(config: pytest.Config) -> Settings:
    """The settings of this run; pytest.UsageError for what is wrong with them."""
    dataset, models = _dataset(config), _models(config)
    planned = read_planned(config, dataset.threat, any(spec.answers for spec in models))
    return Settings(
        models=models,
        arch=value(config, "arch"),
        normalize=_normalize(config),
        allowed=read_allowed(config),
        data=_data(config),
        dataset=dataset,
        download=bool(value(config, "download")),
        threats=planned.threats,
        attacks=planned.attacks,
        suites=planned.suites,
        seconds=_seconds(config, planned),
        search=planned.search,
        trainings=each(config, "train", _training, AS_IS),
        samples=_samples(config),
        seed=whole(config, "seed", least=0) or 0,
        batch_size=whole(config, "batch-size", least=1),
        device=_device(config),
        gates=read_gates(config, planned),
        baselines=read_baselines(config),
        verdict=read_verdict(config),
        accepted=read_accepted(config),
        leaderboard=_leaderboard(config),
        evidence=whole(config, "evidence", least=1),
        gallery=_amount(config, "gallery", GALLERY),
        fresh=_amount(config, "fresh", FRESH),
        only=bool(value(config, "only")),
        folder=base(config, "arch"),
        models_below=base(config, "model"),
        attacks_below=base(config, "attack"),
        home=config.rootpath / ".robust",
    )


def _samples(config: pytest.Config) -> int | Literal["all"] | None:
    return "all" if value(config, "samples") == "all" else whole(config, "samples", least=1, or_word="all")


def _amount(config: pytest.Config, name: str, default: int) -> int:
    return default if (given := whole(config, name, least=0)) is None else given


def _models(config: pytest.Config) -> tuple[ModelSpec, ...]:
    """Weights that an ini file names may be absent: what is wrong with them is told where they are to be tested."""
    found: list[ModelSpec] = []
    absent = config.getoption(dest("model")) is None
    for text in value(config, "model"):
        with blaming(f"model={text}"):
            spec = ModelSpec.parse(text, base(config, "model"), absent=absent)
            if any((spec.path, spec.label) == (other.path, other.label) for other in found):
                what = "is" if spec.library else f"and its {spec.label} are"
                raise ValueError(f"{spec.path.name} {what} given twice")
            found.append(spec)
    return tuple(found)


def _normalize(config: pytest.Config) -> str | None:
    text = value(config, "normalize")
    with blaming(f"normalize={text}"):
        return read_normalize(text) if text else None


def _data(config: pytest.Config) -> str:
    return value(config, "data") or "digits"


def _dataset(config: pytest.Config) -> Dataset:
    text = _data(config)
    with blaming(f"data={text}"):
        own = asked(config, "pytest_robust_load_data", name=text)
        if own is None:
            return open_data(text, base(config, "data"))
        if not isinstance(own, Dataset):
            raise ValueError(f"pytest_robust_load_data returned {type(own).__name__}, expected robust.data.Dataset")
        return own


def _training(text: str) -> str:
    return AS_IS if text == AS_IS else str(parse_recipe(text)[2])


def _device(config: pytest.Config) -> str:
    text = value(config, "device") or "auto"
    with blaming(f"device={text}"):
        if not re.fullmatch(DEVICE, text):
            raise ValueError("expected auto, cpu, cuda, cuda:1 or mps")
    return str(text)


def _seconds(config: pytest.Config, planned: Planned) -> float | None:
    text = value(config, "time")
    with blaming(f"time={text}"):
        seconds = read_time(text)
        if seconds is not None and not planned.suites and not without_suites(config):
            raise ValueError("it bounds suites, and there is none; name one with --robust-suite")
        return seconds


def _leaderboard(config: pytest.Config) -> Path | None:
    text = value(config, "leaderboard")
    if text == "none":
        return None
    path = config.rootpath / "leaderboard" if text is None else (base(config, "leaderboard") / text).resolve()
    from robust.records.store import check_folder

    with blaming(f"leaderboard={text or 'leaderboard'}"):
        check_folder(path)
    return path

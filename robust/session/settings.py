"""From options to Settings: every mistake that can be told without torch is told here, in one line."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from robust.attacks.catalogue import ATTACKS
from robust.attacks.registry import Registry
from robust.attacks.spec import Spec, canonical_threat, slug
from robust.code import blamed
from robust.data.dataset import Dataset
from robust.data.factory import open_data
from robust.models.spec import ModelSpec
from robust.options import dest, value
from robust.session.gates import FAIL_ON, Gates, read_floor
from robust.train.recipe import AS_IS, parse_recipe

T = TypeVar("T")


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
    data: str  # as the user wrote it
    dataset: Dataset  # as declared, not yet read
    download: bool
    threats: tuple[str, ...]  # canonical: "linf:8/255"
    attacks: tuple[str, ...]  # canonical: "pgd:steps=40"
    trainings: tuple[str, ...]  # recipes, and "as-is" for the model as it was loaded
    samples: int | None  # None: 1000, or all if there are fewer
    seed: int
    batch_size: int | None  # None: what fits into memory
    device: str  # "auto", or torch's word
    gates: Gates
    leaderboard: Path | None
    evidence: int | None  # of how many broken samples a row keeps the inputs; None: of all
    only: bool
    folder: Path  # what a relative path in `arch` is below
    attacks_below: Path  # and one in `attacks`
    home: Path  # what we keep for ourselves: trained weights, and findings on their way to a record

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


@contextmanager
def blaming(option: str) -> Iterator[None]:
    """ValueError and LookupError inside become one line on `option`, and exit status 4."""
    try:
        yield
    except (ValueError, LookupError) as error:
        raise pytest.UsageError(f"--robust-{option}: {error.args[0]}") from error


def read(config: pytest.Config) -> Settings:
    """The settings of this run; pytest.UsageError for what is wrong with them."""
    dataset = _dataset(config)
    threats, attacks = _planned(config, dataset)
    return Settings(
        models=_models(config),
        arch=value(config, "arch"),
        data=_data(config),
        dataset=dataset,
        download=bool(value(config, "download")),
        threats=threats,
        attacks=attacks,
        trainings=_each(config, "train", _training, AS_IS),
        samples=_whole(config, "samples", least=1),
        seed=_whole(config, "seed", least=0) or 0,
        batch_size=_whole(config, "batch-size", least=1),
        device=_device(config),
        gates=_gates(config, attacks, threats),
        leaderboard=_leaderboard(config),
        evidence=_whole(config, "evidence", least=1),
        only=bool(value(config, "only")),
        folder=_base(config, "arch"),
        attacks_below=_base(config, "attack"),
        home=config.rootpath / ".robust",
    )


def _base(config: pytest.Config, name: str) -> Path:
    """What a relative path in this option is below: the working folder, or the folder of the ini file that says it."""
    given = config.getoption(dest(name)) is not None
    return config.invocation_params.dir if given or config.inipath is None else config.inipath.parent


def _models(config: pytest.Config) -> tuple[ModelSpec, ...]:
    found: list[ModelSpec] = []
    for text in value(config, "model"):
        with blaming(f"model={text}"):
            spec = ModelSpec.parse(text, _base(config, "model"))
            if any((spec.path, spec.label) == (other.path, other.label) for other in found):
                what = "is" if spec.library else f"and its {spec.label} are"
                raise ValueError(f"{spec.path.name} {what} given twice")
            found.append(spec)
    return tuple(found)


def _data(config: pytest.Config) -> str:
    return value(config, "data") or "digits"


def _dataset(config: pytest.Config) -> Dataset:
    text = _data(config)
    with blaming(f"data={text}"):
        own = asked(config, "pytest_robust_load_data", name=text)
        if own is None:
            return open_data(text, _base(config, "data"))
        if not isinstance(own, Dataset):
            raise ValueError(f"pytest_robust_load_data returned {type(own).__name__}, expected robust.data.Dataset")
        return own


def _planned(config: pytest.Config, dataset: Dataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(threat models, attacks), after the conftest files had their say."""
    threats = [*_each(config, "threat", str, dataset.threat or "")]
    attacks = [*_each(config, "attack", str, "fgsm,pgd")]
    _change(config, attacks, threats)
    if not any(threats):
        raise pytest.UsageError(
            f"--robust-data={_data(config)}: say what an attacker may do, as --robust-threat=linf:8/255"
        )
    return _once("threat", threats, canonical_threat), _once("attack", attacks, lambda text: _named(ATTACKS, text))


def _change(config: pytest.Config, attacks: list[str], threats: list[str]) -> None:
    """Let pytest_robust_attacks change the lists in place."""
    hook = "pytest_robust_attacks"
    try:
        returned = asked(config, hook, attacks=attacks, threats=threats)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    if returned:
        raise pytest.UsageError(f"{hook} returned a {type(returned[0]).__name__}; change the lists in place")
    for word in (*attacks, *threats):
        if not isinstance(word, str):
            raise pytest.UsageError(f"{hook}: {word!r} is no word, such as 'pgd:steps=40' or 'linf:8/255'")
    if not (attacks and threats):
        option, what = ("threat", "threat model") if attacks else ("attack", "attack")
        raise pytest.UsageError(f"--robust-{option}: there is no {what} left to run ({hook})")


def asked(config: pytest.Config, hook: str, /, **arguments: object) -> Any:
    """What the hook of that name returns; ValueError, in one line, where an implementation of it fails."""
    try:
        return getattr(config.hook, hook)(config=config, **arguments)
    except Exception as error:
        raise ValueError(f"{hook} failed: {blamed(error)}") from error


def _each(config: pytest.Config, name: str, read_one: Callable[[str], T], default: str) -> tuple[T, ...]:
    """The values of a list option, split at commas, in the user's order, each once."""
    return _once(name, [word for text in value(config, name) or [default] for word in text.split(",")], read_one)


def _once(name: str, words: list[str], read_one: Callable[[str], T]) -> tuple[T, ...]:
    found: dict[T, None] = {}
    for word in words:
        with blaming(f"{name}={word}"):
            found[read_one(word)] = None
    return tuple(found)


def _training(text: str) -> str:
    return AS_IS if text == AS_IS else str(parse_recipe(text)[2])


def _named(registry: Registry[Any], text: str) -> str:
    spec = Spec.parse(text)
    if spec.name not in registry:
        registry.refuse(spec.name)
    return str(spec)


def _whole(config: pytest.Config, name: str, least: int) -> int | None:
    text = value(config, name)
    if text is None:
        return None
    with blaming(f"{name}={text}"):
        if not re.fullmatch(r"-?\d{1,18}", text) or int(text) < least:
            raise ValueError(f"expected a whole number, {least} or more, of at most 18 digits")
    return int(text)


def _device(config: pytest.Config) -> str:
    text = value(config, "device") or "auto"
    with blaming(f"device={text}"):
        if not re.fullmatch(DEVICE, text):
            raise ValueError("expected auto, cpu, cuda, cuda:1 or mps")
    return str(text)


def _gates(config: pytest.Config, attacks: tuple[str, ...], threats: tuple[str, ...]) -> Gates:
    given = [word for text in value(config, "fail-under") for word in text.split(",")]
    floors = _once("fail-under", given, lambda word: read_floor(word, attacks, threats))
    text = value(config, "fail-on") or "figure"
    fail_on = next((known for known in FAIL_ON if known == text), None)
    if fail_on is None:
        raise pytest.UsageError(f"--robust-fail-on={text}: expected figure or ci")
    return Gates(floors, fail_on)


def _leaderboard(config: pytest.Config) -> Path | None:
    text = value(config, "leaderboard")
    if text == "none":
        return None
    path = config.rootpath / "leaderboard" if text is None else (_base(config, "leaderboard") / text).resolve()
    from robust.store import check_folder

    with blaming(f"leaderboard={text or 'leaderboard'}"):
        check_folder(path)
    return path

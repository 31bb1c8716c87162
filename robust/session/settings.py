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
from robust.attacks.spec import Spec, parse_threat, threat_text
from robust.data.dataset import DATA, Dataset
from robust.models.spec import ModelSpec
from robust.options import dest, value
from robust.train.recipe import AS_IS, RECIPES

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for."""

    models: tuple[ModelSpec, ...]
    arch: str | None
    dataset: Dataset
    threats: tuple[str, ...]  # canonical: "linf:8/255"
    attacks: tuple[str, ...]  # canonical: "pgd:steps=40"
    trainings: tuple[str, ...]  # recipes, and "as-is" for the model as it was loaded
    samples: int | None  # None: 1000, or all if there are fewer
    seed: int
    fail_under: float | None  # percent
    leaderboard: Path | None
    only: bool
    folder: Path  # what a relative path in `arch` is below
    home: Path  # what we keep for ourselves: trained weights, and findings on their way to a record


@contextmanager
def blaming(option: str) -> Iterator[None]:
    """ValueError and LookupError inside become one line on `option`, and exit status 4."""
    try:
        yield
    except (ValueError, LookupError) as error:
        raise pytest.UsageError(f"--robust-{option}: {error.args[0]}") from error


def read(config: pytest.Config) -> Settings:
    """The settings of this run; pytest.UsageError for what is wrong with them."""
    with blaming(f"data={value(config, 'data') or 'digits'}"):
        dataset = DATA.get(value(config, "data") or "digits")
    return Settings(
        models=_models(config),
        arch=value(config, "arch"),
        dataset=dataset,
        threats=_each(config, "threat", _threat, dataset.threat),
        attacks=_each(config, "attack", lambda text: _named(ATTACKS, text), "fgsm,pgd"),
        trainings=_each(config, "train", _training, AS_IS),
        samples=_whole(config, "samples", least=1),
        seed=_whole(config, "seed", least=0) or 0,
        fail_under=_percent(config),
        leaderboard=_leaderboard(config),
        only=bool(value(config, "only")),
        folder=_base(config, "arch"),
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
            if any(spec.path == other.path for other in found):
                raise ValueError(f"{spec.path.name} is given twice; test one model of a file at a time")
            found.append(spec)
    return tuple(found)


def _each(config: pytest.Config, name: str, read_one: Callable[[str], str], default: str) -> tuple[str, ...]:
    """The values of a list option, split at commas, in the user's order, each once."""
    found: dict[str, None] = {}
    for text in value(config, name) or [default]:
        for word in text.split(","):
            with blaming(f"{name}={word}"):
                found[read_one(word)] = None
    return tuple(found)


def _threat(text: str) -> str:
    return threat_text(*parse_threat(text))


def _training(text: str) -> str:
    return AS_IS if text == AS_IS else _named(RECIPES, text, AS_IS)


def _named(registry: Registry[Any], text: str, *also: str) -> str:
    spec = Spec.parse(text)
    if spec.name not in registry:
        registry.refuse(spec.name, *also)
    return str(spec)


def _whole(config: pytest.Config, name: str, least: int) -> int | None:
    text = value(config, name)
    if text is None:
        return None
    with blaming(f"{name}={text}"):
        if not re.fullmatch(r"-?\d{1,18}", text) or int(text) < least:
            raise ValueError(f"expected a whole number, {least} or more, of at most 18 digits")
    return int(text)


def _percent(config: pytest.Config) -> float | None:
    text = value(config, "fail-under")
    if text is None:
        return None
    with blaming(f"fail-under={text}"):
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            raise ValueError("expected a percentage, as 40") from None
        if 0 < number < 1:
            raise ValueError(f"expected a percentage; did you mean {100 * number:g}?")
        if not 0 <= number <= 100:
            raise ValueError("expected a percentage from 0 to 100")
    return number


def _leaderboard(config: pytest.Config) -> Path | None:
    text = value(config, "leaderboard")
    if text == "none":
        return None
    path = config.rootpath / "leaderboard" if text is None else (_base(config, "leaderboard") / text).resolve()
    from robust.store import check_folder

    with blaming(f"leaderboard={text or 'leaderboard'}"):
        check_folder(path)
    return path

"""Read all options of a run at once."""

import re
from pathlib import Path
from typing import Literal

import pytest

from robust.data.dataset import Dataset
from robust.data.factory import open_data
from robust.gates import FAIL_ON, Gates, read_floor
from robust.models.normalize import read_normalize
from robust.models.permissions import SHA256, Permissions
from robust.models.spec import ModelSpec
from robust.options import dest, value
from robust.records.trust import Verdict
from robust.settings.attack_plan import AttackPlan, read_attack_plan, read_time, without_suites
from robust.settings.baseline import read_baselines
from robust.settings.parsing import asked, base, blaming, each, once, whole
from robust.settings.settings import Settings
from robust.train.recipe import AS_IS, parse_recipe
from robust.trust.checks import PREFLIGHT

FRESH = 32  # a fault of one in ten is missed once in thirty rows, and the process takes the time of its imports


GALLERY = 6  # four pictures of each, and five with captum, keep a page small


DEVICE = r"auto|cpu|cuda(:\d+)?|mps"


def read(config: pytest.Config) -> Settings:
    """The settings of this run; pytest.UsageError for what is wrong with them."""
    dataset, models = _dataset(config), _models(config)
    planned = read_attack_plan(config, dataset.threat, any(spec.answers for spec in models))
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


def _seconds(config: pytest.Config, planned: AttackPlan) -> float | None:
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


def read_allowed(config: pytest.Config) -> Permissions:
    """Both options; pytest.UsageError for no such file, and for what is no digest or no name."""
    folder = base(config, "safe-globals")
    code = tuple(_code(text, base(config, "run-code")) for text in value(config, "run-code"))
    return Permissions(code, each(config, "safe-globals", _global, None), folder, asked=True)


def _code(text: str, folder: Path) -> str:
    """A file as its absolute path, or a digest as it is."""
    with blaming(f"run-code={text}"):
        if text.startswith(SHA256):
            if not re.fullmatch(r"[0-9a-f]{64}", text.removeprefix(SHA256)):
                raise ValueError("expected sha256: and 64 digits from 0 to f, as sha256sum prints them")
            return text
        if not (path := folder / text).is_file():
            raise ValueError(f"no such file (looked for {path}); name the file, or its digest as sha256:...")
        return str(path)


def _global(text: str) -> str:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", text):
        raise ValueError("expected a function or class with its module, as argparse.Namespace")
    return text


def read_gates(config: pytest.Config, planned: AttackPlan) -> Gates:
    """The floors; pytest.UsageError for what is wrong with them."""
    given = [word for text in value(config, "fail-under") for word in text.split(",")]
    floors = once("fail-under", given, lambda word: read_floor(word, planned.words, planned.threats))
    text = value(config, "fail-on") or "figure"
    fail_on = next((known for known in FAIL_ON if known == text), None)
    if fail_on is None:
        raise pytest.UsageError(f"--robust-fail-on={text}: expected figure or ci")
    return Gates(floors, fail_on)


def read_verdict(config: pytest.Config) -> Verdict | None:
    """The worst that passes; None where nothing is to be checked."""
    text = value(config, "verdict") or "suspect"
    known: dict[str, Verdict | None] = {"trusted": "trusted", "suspect": "suspect", "none": None}
    if text not in known:
        raise pytest.UsageError(f"--robust-verdict={text}: expected trusted, suspect or none")
    return known[text]


def read_accepted(config: pytest.Config) -> tuple[str, ...]:
    """The names of the preflight checks whose findings are meant to be so."""
    return each(config, "accept", _accepted, None)


def _accepted(text: str) -> str:
    if text not in PREFLIGHT:
        PREFLIGHT.refuse(text)
    return text

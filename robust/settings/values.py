"""Parse the options that a plugin's run and the commands share, each from its value. No torch here."""

import re
from pathlib import Path
from typing import Literal

from robust.attacks.criteria.registry import label_kind
from robust.attacks.draws import Draws
from robust.certification.words import read_method, refuse_threat
from robust.data.dataset import Dataset
from robust.data.factory import open_data
from robust.data.group_spec import GroupSpec
from robust.models.compressed import ROADS
from robust.models.normalize import read_normalize
from robust.models.output_form import read_output
from robust.models.spec import ModelSpec
from robust.records.trust import Verdict
from robust.settings.parsing import Hooks, OptionError, blame, call_no_hook, read_whole
from robust.settings.sources import OptionValue
from robust.train.recipe import AS_IS, parse_recipe
from robust.trust.checks import PREFLIGHT, THREAT_CHECKS

DATA = "digits"  # the data set where none is named
UNITS = {"s": 1, "m": 60, "h": 3600}
DEVICE = r"auto|cpu|cuda(:\d+)?|mps"


def read_models(option: OptionValue) -> tuple[ModelSpec, ...]:
    """Return the models, each once; OptionError for one that cannot be found or is given twice.

    Weights that an ini file names may be absent: that is an error only when they are to be tested.
    """
    models: list[ModelSpec] = []
    for text in option.texts:
        with blame(option.name, text):
            spec = ModelSpec.parse(text, option.folder, absent=not option.typed)
            if any((spec.path, spec.label) == (other.path, other.label) for other in models):
                what = "is" if spec.library else f"and its {spec.label} are"
                raise ValueError(f"{spec.path.name} {what} given twice")
            models.append(spec)
    return tuple(models)


def read_dataset(option: OptionValue, hooks: Hooks = call_no_hook) -> Dataset:
    """Return the declaration of the data set: a hook's, or else this package's. Nothing is read."""
    text = option.text or DATA
    with blame(option.name, text):
        declared = hooks("pytest_robust_load_data", name=text)
        if declared is None:
            return open_data(text, option.folder)
        if not isinstance(declared, Dataset):
            kind = type(declared).__name__
            raise ValueError(f"pytest_robust_load_data returned {kind}, expected robust.data.Dataset")
        return declared


def read_normalization(option: OptionValue) -> str | None:
    """Return the normalisation in its canonical spelling, "0.5/0.25"; None if it is not given."""
    with blame(option.name, option.text):
        return read_normalize(option.text) if option.text else None


def read_output_form(option: OptionValue) -> str | None:
    """Return how answers are read in its canonical spelling, "logits:probability"; None if it is not given."""
    with blame(option.name, option.text):
        return read_output(option.text) if option.text else None


def read_road(option: OptionValue) -> str:
    """Return by which road compressed models are attacked; "" if it is not given."""
    text = option.text or ""
    if text and text not in ROADS:
        raise OptionError(option.name, text, f"expected {', '.join(ROADS[:-1])} or {ROADS[-1]}")
    return text


def read_draws(option: OptionValue, dataset: Dataset, **steady: object) -> str | None:
    """Return how random answers are formed in its canonical spelling, "mean:10"; None if it is not given.

    OptionError for a majority of other answers than classes, and where any of the options `steady` is given, by name:
    they are for answers that are always the same.
    """
    with blame(option.name, option.text):
        if option.text is None:
            return None
        for name in (name for name, value in steady.items() if value):
            raise ValueError(f"--robust-{name} needs answers that are always the same; leave one of the two out")
        draws = Draws.parse(option.text)
        draws.check(label_kind(dataset.criterion))
        return str(draws)


def read_samples(option: OptionValue) -> int | Literal["all"] | None:
    """Return a number of samples, "all", or None if it is not given."""
    return "all" if option.text == "all" else read_whole(option, 1, alternative="all")


def read_amount(option: OptionValue, default: int) -> int:
    """Return a whole number, 0 or more; `default` if it is not given."""
    return default if (amount := read_whole(option, 0)) is None else amount


def read_device(option: OptionValue) -> str:
    """Return "auto" or the device's name for torch; whether this machine has it shows later, when torch is loaded."""
    text = option.text or "auto"
    with blame(option.name, text):
        if not re.fullmatch(DEVICE, text):
            raise ValueError("expected auto, cpu, cuda, cuda:1 or mps")
    return text


def read_time(text: str | None) -> float | None:
    """Read "30s", "5m" or "1h" as seconds; ValueError for anything else."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smh])", text)
    if match is None or not float(match[1]):
        raise ValueError("expected a time above 0, as 30s, 5m or 1h")
    return float(match[1]) * UNITS[match[2]]


def read_run_time(option: OptionValue) -> float | None:
    """Return the seconds that a run may take, or None for all that it needs."""
    with blame(option.name, option.text):
        return read_time(option.text)


def read_certification(option: OptionValue, threats: tuple[str, ...], models: tuple[ModelSpec, ...]) -> str | None:
    """Return the method that samples are certified by; None where none is.

    OptionError for another method, and for a threat model or a model that has no bounds whatever its layers are.
    """
    if option.text in (None, "none"):
        return None
    with blame(option.name, option.text):
        method = read_method(option.text)
        for threat in threats:
            refuse_threat(threat)
        for spec in models:
            if spec.answers:
                raise ValueError(f"{spec.text} cannot be certified: it only answers, and a bound needs its layers")
    return method


def read_training(text: str) -> str:
    """Return a recipe in its canonical spelling, or "as-is" for the model as it was loaded."""
    return AS_IS if text == AS_IS else canonicalize_recipe(text)


def canonicalize_recipe(text: str) -> str:
    """Return a recipe in its canonical spelling; LookupError or ValueError for what is none."""
    return str(parse_recipe(text)[2])


def read_leaderboard(option: OptionValue, root: Path) -> Path | None:
    """Return the folder for records, below `root` by default; None where nothing is to be written."""
    if option.text == "none":
        return None
    path = root / "leaderboard" if option.text is None else (option.folder / option.text).resolve()
    from robust.records.store import check_folder

    with blame(option.name, option.text or "leaderboard"):
        check_folder(path)
    return path


def read_groups(option: OptionValue) -> GroupSpec | None:
    """Return the column that says which group a sample is of; None if none is named."""
    with blame(option.name, option.text):
        return None if option.text in (None, "none") else GroupSpec.parse(option.text, option.folder)


def read_verdict(option: OptionValue) -> Verdict | None:
    """Return the worst verdict that passes; None where nothing is to be checked."""
    text = option.text or "suspect"
    verdicts: dict[str, Verdict | None] = {"trusted": "trusted", "suspect": "suspect", "none": None}
    if text not in verdicts:
        raise OptionError(option.name, text, "expected trusted, suspect or none")
    return verdicts[text]


def read_check(text: str) -> str:
    """Return the name of a check of test_preflight; LookupError, with the nearest name, for another."""
    if text not in PREFLIGHT and text not in THREAT_CHECKS:
        PREFLIGHT.refuse(text, *THREAT_CHECKS.names())
    return text

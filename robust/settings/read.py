"""Read all options of a run at once: everything that can be wrong without torch is refused here."""

from functools import partial
from pathlib import Path

import pytest

from robust.attacks.criteria.registry import label_kind
from robust.data.dataset import Dataset
from robust.data.folds import Fold, select_fold
from robust.data.tables import fit_tables
from robust.models.spec import ModelSpec
from robust.settings.aim import Aim, read_aim
from robust.settings.architecture import read_arch
from robust.settings.attack_plan import read_attack_plan
from robust.settings.baseline import read_baselines
from robust.settings.curve import Curves, read_curves
from robust.settings.floors import read_gates
from robust.settings.folds import read_folds
from robust.settings.parsing import (
    Hooks,
    OptionError,
    call_hook,
    call_no_hook,
    raise_usage_errors,
    read_list,
    read_whole,
)
from robust.settings.permissions import read_permissions
from robust.settings.settings import Settings
from robust.settings.sources import Options, options_of_config
from robust.settings.values import (
    DATA,
    read_amount,
    read_certification,
    read_check,
    read_dataset,
    read_device,
    read_draws,
    read_groups,
    read_leaderboard,
    read_models,
    read_normalization,
    read_output_form,
    read_road,
    read_run_time,
    read_samples,
    read_training,
    read_verdict,
)
from robust.train.recipe import AS_IS

FRESH = 32  # a fault of one in ten is missed once in thirty rows, and the process takes the time of its imports
GALLERY = 6  # four images of each, and five with captum, keep a page small


def read(config: pytest.Config) -> Settings:
    """Return the settings of this run; pytest.UsageError, in one line, for what is wrong with them."""
    with raise_usage_errors():
        return read_settings(options_of_config(config), config.rootpath, partial(call_hook, config))


def read_settings(options: Options, root: Path, hooks: Hooks = call_no_hook) -> Settings:
    """Return the settings that the options say; OptionError or SettingsError for what is wrong with them.

    `root` is the folder of the project, where results are written.
    """
    trainings, models = read_list(options["train"], read_training, AS_IS), read_models(options["model"])
    of = read_folds(options, trainings)
    (dataset, criterion), *others = [_read_data(options, hooks, fold) for fold in of or (None,)]
    plan = read_attack_plan(options, dataset, any(spec.answers for spec in models), hooks)
    folds = [fit_tables(each, plan.threats) for each in (dataset, *(other.dataset for other in others))]
    dataset, groups = folds[0], read_groups(options["groups"])
    return Settings(
        models=models,
        arch=read_arch(options, models, plan.surrogates),
        normalize=read_normalization(options["normalize"]),
        output=read_output_form(options["output"]),
        permissions=read_permissions(options["run-code"], options["safe-globals"], root / ".robust"),
        road=read_road(options["road"]),
        data=options["data"].text or DATA,
        data_below=options["data"].folder,
        dataset=dataset,
        criterion=criterion,
        download=bool(options["download"].texts),
        threats=plan.threats,
        attacks=plan.attacks,
        suites=plan.suites,
        seconds=read_run_time(options["time"]),
        curves=(curves := _read_curves(options, plan.threats, models, dataset)),
        certify=(method := read_certification(options["certify"], plan.threats, models)),
        search=plan.search,
        draws=read_draws(
            options["draws"],
            dataset,
            curve=curves.ends,
            certify=method,
            search=plan.search,
            queries=plan.queries,
        ),
        trainings=trainings,
        folds=tuple(folds) if of else (),
        samples=read_samples(options["samples"]),
        seed=(seed := read_amount(options["seed"], 0)),
        draw=read_amount(options["draw"], seed),
        batch_size=read_whole(options["batch-size"], 1),
        device=read_device(options["device"]),
        gates=read_gates(
            options["fail-under"],
            options["fail-on"],
            plan.names,
            plan.threats,
            certified=bool(method),
            ends=curves.ends,
            grouped=groups is not None,
        ),
        queries=plan.queries,
        named=plan.named,
        groups=groups,
        baselines=read_baselines(
            options["compare"], options["compare-fail"], options["save"], certified=bool(method), curves=curves.ends
        ),
        verdict=read_verdict(options["verdict"]),
        accepted=read_list(options["accept"], read_check),
        leaderboard=read_leaderboard(options["leaderboard"], root),
        evidence=read_whole(options["evidence"], 1),
        gallery=read_amount(options["gallery"], GALLERY),
        fresh=read_amount(options["fresh"], FRESH),
        only=bool(options["only"].texts),
        folder=options["arch"].folder,
        models_below=options["model"].folder,
        attacks_below=options["attack"].folder,
        home=root / ".robust",
    )


def _read_data(options: Options, hooks: Hooks, fold: Fold | None) -> Aim:
    """Return the data set, or a fold of it, with what is a right answer."""
    dataset = read_dataset(options["data"], hooks)
    dataset = dataset if fold is None else select_fold(dataset, fold)
    return read_aim(dataset, *(options[name] for name in ("criterion", "attacked", "goal")))


def _read_curves(options: Options, threats: tuple[str, ...], models: tuple[ModelSpec, ...], dataset: Dataset) -> Curves:
    curve = options["curve"]
    curves = read_curves(curve, options["eps"], threats, models, dataset.hi - dataset.lo)
    if curves.ends and label_kind(dataset.criterion) == "map":
        problem = f"maps have no curve, and the criterion is {dataset.criterion}; leave one of the two out"
        raise OptionError(curve.name, curve.text or None, problem)
    return curves

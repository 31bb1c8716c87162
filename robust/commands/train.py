"""`robust train`: train a model's architecture, and keep the weights where pytest finds them too."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from robust.attacks.criteria.registry import DEFAULT
from robust.attacks.grammar.features import tables_of
from robust.attacks.text import brief, printable_lines
from robust.attacks.threats.threat import Part, read_threat
from robust.attacks.threats.union import Union
from robust.attacks.words import canonical_threat
from robust.commands.train_report import ReportOrder, read_report
from robust.data.dataset import Dataset
from robust.data.maps import CRITERION
from robust.data.tables import check_table, fit_tables
from robust.distributed.ranks import ALONE, WAIT, LostError, Ranks, join
from robust.distributed.shutdown import Shutdown
from robust.evaluation.model_check import check_model
from robust.models.format import Terms
from robust.models.load import Build, get_builder
from robust.models.normalize import NONE
from robust.models.spec import ModelSpec
from robust.progress import open_training_bar
from robust.records.files import private
from robust.settings.aim import judge_dataset, read_criterion_option
from robust.settings.attack_plan import refuse_missing_threat
from robust.settings.parsing import OptionError, blame, read_list
from robust.settings.sources import Options, OptionValue, options_of_namespace
from robust.settings.values import (
    canonicalize_recipe,
    read_dataset,
    read_device,
    read_models,
    read_normalization,
    read_output_form,
)
from robust.train.cache import Trained, train
from robust.train.card import describe_card, describe_figures
from robust.train.factory import read_recipe
from robust.train.failures import DivergedError
from robust.train.plan import Plan
from robust.train.prepare import rehearse
from robust.train.setup import TrainingSpec
from robust.train.validate import Epoch

OTHER_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")  # of files of weights elsewhere
Limit = Callable[[Dataset], Dataset]
TRIAL_SAMPLES = 2  # on which the model is tried before its training


@dataclass(frozen=True, slots=True)
class Order:
    """An order to train, in which everything was checked."""

    spec: ModelSpec
    make: Callable[[ModelSpec], Build]  # of this model and of others, for this data and on the device
    normalize: str | None  # canonical: "0.5/0.25"
    output: str | None  # canonical: "logits:probability"
    recipes: tuple[str, ...]
    data: str  # as the user wrote it
    dataset: Dataset
    threat: Part
    threat_text: str  # as the user wrote it
    seed: int
    folder: Path
    file: Path | None  # where the user wants a copy of the weights
    report: ReportOrder | None


def main(args: argparse.Namespace) -> int:
    """Train, and return the exit status; of several ranks only the first one reports."""
    with join(args.wait or WAIT) as ranks:
        return _train(args, ranks)


def _train(args: argparse.Namespace, ranks: Ranks) -> int:
    shutdown, status, message = Shutdown(ranks), 0, ""
    with shutdown.catch_sigterm():
        try:
            for text in run(ranks.agree(lambda: read(args, ranks)), ranks):
                if ranks.first:
                    sys.stdout.write(printable_lines(text))
                    sys.stdout.flush()
        except LostError as lost:
            shutdown.lost = str(lost)
        except KeyboardInterrupt:
            status, message = 130, "interrupted; it is kept, and the same command goes on from the last epoch"
        except DivergedError as error:
            status, message = 1, str(error)
        except (ValueError, LookupError, OSError) as error:
            status, message = 4, str(error.args[0] if isinstance(error, LookupError) else error)
        if message and ranks.first and not shutdown.terminated:
            sys.stderr.write(f"robust train: {brief(message)}\n")
        return shutdown.close(status, "train", sys.stderr)


def read(args: argparse.Namespace, ranks: Ranks = ALONE, limit: Limit = lambda dataset: dataset) -> Order:
    """Return the order; ValueError, in one line on the argument, for what is wrong. Nothing is trained yet.

    `limit` may limit what is read of the data set.
    """
    try:
        return _read(args, options_of_namespace(args), ranks, limit)
    except OptionError as error:
        raise ValueError(describe_option_error(error)) from error


def _read(args: argparse.Namespace, options: Options, ranks: Ranks, limit: Limit) -> Order:
    (spec,) = read_models(options["model"])
    with blame("model", spec.text):
        if spec.factory is None:
            raise ValueError(
                "is no Python file; name what makes the model, and start with --recipe=pgd-at:pretrained=FILE"
            )
    recipes = read_list(options["train"], canonicalize_recipe, "pgd-at")
    folder, file = _choose_places(args.out, len(recipes))
    report = read_report(args.report, file, recipes)
    with blame("device", args.device):
        device = ranks.device(read_device(options["device"]))
    with blame("data", args.data):
        criterion = read_criterion_option(options["criterion"])
        dataset = judge_dataset(limit(read_dataset(options["data"])), criterion)
        if not options["threat"].texts and dataset.threat is None:
            dataset.complete(download=args.download).load("train")  # its faults are told before what is not said
    word, text = _read_threat(options["threat"], dataset, args.data)
    with blame("data", args.data):
        dataset = fit_tables(dataset, [word]).complete(download=args.download).count_classes()
        dataset = _judge(dataset, criterion)
        few = dataset.load("train").take(np.arange(TRIAL_SAMPLES))
    with blame("threat", options["threat"].text or word):
        for table in tables_of(word):
            check_table(dataset, table)
        threat = read_threat(word, dataset.lo, dataset.hi, dataset.layout)
        assert not isinstance(threat, Union)
    normalize = read_normalization(options["normalize"])
    here = Path.cwd()
    output = read_output_form(options["output"])
    with blame("model", spec.text):
        terms = Terms(
            shape=dataset.shape or (),
            classes=dataset.classes or 0,
            normalize=normalize,
            output=output or "",
            inputs=torch.from_numpy(few.x[:]),
            labels=dataset.labels,
            map_size=few.map_size,
            layout=dataset.layout,
            declared=not dataset.open,
        )
        builder = get_builder(spec, None, here, terms)

        def make(other: ModelSpec) -> Build:
            fresh = builder if other == spec else get_builder(other, None, here, terms)
            return lambda: fresh().to(device)

        subject = builder.build_subject()
        for fault in dataset.remarks.find_faults(subject.columns, bool(output)):
            raise ValueError(fault)
        dataset = replace(dataset, classes=subject.classes) if dataset.open else dataset
        check_model(subject.module, dataset, few)
    for recipe in recipes:
        with blame("train", recipe):
            rehearse(make(spec)(), read_recipe(recipe), few, threat)
    places = (private(here / ".robust") / "models" if folder is None else folder, file, report)
    return Order(spec, make, normalize, output, recipes, args.data, dataset, threat, text, args.seed, *places)


def _judge(dataset: Dataset, criterion: str | None) -> Dataset:
    """Return the data set with the criterion that its labels show, if the user names none."""
    if criterion is not None or dataset.labels == "class":
        return dataset
    if dataset.labels == "map":
        raise OptionError("criterion", "", f"the labels are maps of classes; {CRITERION}")
    if dataset.labels == "values":
        fault = "the labels are values, and nothing says how far an answer may be off"
        raise OptionError("criterion", "", f"{fault}; write --criterion=within:T in their units, or within:10%")
    return dataset.judged_by("labels")


def _read_threat(option: OptionValue, dataset: Dataset, data: str) -> tuple[str, str]:
    """Return the threat model to train under, canonical, and as written: the user's, or else the data set's."""
    text = option.text or dataset.threat
    if text is None:
        refuse_missing_threat(data)
    with blame(option.name, text):
        if "+" in (word := canonical_threat(text, option.folder)):
            raise ValueError("training is under one threat model, and this is a union")
        return word, text if tables_of(word) else word


def describe_option_error(error: OptionError) -> str:
    """Return the message with the names that pytest's options have here."""
    name = {"model": "", "train": "--recipe="}.get(error.name, f"--{error.name}=")
    return f"{name}{error.text}: {str(error).replace('--robust-', '--')}"


def _choose_places(out: Path | None, recipes: int) -> tuple[Path | None, Path | None]:
    """Return (the folder for weights, the file for a copy of them), None by default; ValueError for no such place."""
    if out is not None and out.suffix in OTHER_SUFFIXES:
        raise ValueError(f"--out={out}: weights are kept as safetensors; write --out={out.with_suffix('.safetensors')}")
    file = out if out is not None and out.suffix == ".safetensors" else None
    if file is not None and recipes > 1:
        raise ValueError(f"--out={file}: {recipes} recipes make as many files; name a folder")
    if file is None and out is not None and out.is_file():
        raise ValueError(f"--out={out}: is a file; name a folder, or FILE.safetensors")
    return None if file else out, file


def run(order: Order, ranks: Ranks = ALONE) -> Iterator[str]:
    """Train by each recipe, and yield the report on each as it ends."""
    for recipe in order.recipes:
        with open_training_bar(f"training {recipe}", ranks.first) as bar:
            since = time.monotonic()

            def report(epoch: Epoch, plan: Plan) -> None:
                nonlocal since
                seconds, since = time.monotonic() - since, time.monotonic()
                bar.show_epoch(epoch, plan)
                if ranks.first and not sys.stderr.isatty():
                    sys.stderr.write(f"{_describe_epoch(epoch, plan)}, {seconds:.0f} s\n")

            spec = TrainingSpec(
                order.make(order.spec),
                recipe,
                order.dataset,
                order.threat,
                order.seed,
                order.spec.name,
                None if order.spec.library else order.spec.path,
            )
            trained = train(
                spec,
                order.folder,
                on_epoch=report,
                on_batch=bar.show_batch,
                on_resume=bar.show_resumed,
                on_start=lambda line: bar.bar.say(line.replace("--robust-", "--")),
                ranks=ranks,
            )
        if order.file is not None and ranks.first:
            trained = trained.copy_to(order.file)
        page = order.report.make(trained, order.threat, order.seed, ranks) if order.report else None
        yield _describe_result(order, trained, page)


def _describe_epoch(epoch: Epoch, plan: Plan) -> str:
    figures = describe_figures(epoch.clean, epoch.robust, epoch.certified)
    return f"epoch {epoch.number}/{plan.epochs}: loss {epoch.loss:.3g}; on validation: {figures}"


def _describe_result(order: Order, trained: Trained, page: Path | None) -> str:
    path, card = Path(os.path.relpath(trained.path)), trained.card
    weights = path if trained.copy is None else Path(os.path.relpath(trained.copy))
    lines = [
        f"{describe_card(card)}, best epoch {card['best']['number']} of {len(card['curve'])}",
        *(f"  {note}" for note in card["notes"]),
        f"  weights: {weights}",
        f"  curves:  {path.with_suffix('.svg')}, {path.with_suffix('.csv')}, {path.with_suffix('.gradients.csv')}",
        *([f"  report:  {os.path.relpath(page)}"] if page else []),
        f"  test it: {write_test(order, order.spec.text, weights)}",
    ]
    return "".join(f"{line}\n" for line in lines)


def write_test(order: Order, model: str, weights: Path) -> str:
    """Return the command of pytest that tests weights of a model that was trained by this order."""
    words = [
        "pytest",
        f"--robust-model={weights}",
        f"--robust-arch={model}",
        f"--robust-normalize={order.normalize or NONE}",  # also where an ini file says another one
        *([f"--robust-output={order.output}"] if order.output else []),
        f"--robust-data={order.data}",
        *([f"--robust-criterion={order.dataset.criterion}"] if order.dataset.criterion != DEFAULT else []),
        f"--robust-threat={order.threat_text}",
    ]
    return shlex.join(words)


def write_train(order: Order, model: str, recipe: str) -> str:
    """Return the command of this program that trains a model by a recipe, and all else by this order."""
    words = [
        *("robust", "train", model, f"--recipe={recipe}", f"--data={order.data}"),
        *([f"--criterion={order.dataset.criterion}"] if order.dataset.criterion != DEFAULT else []),
        f"--threat={order.threat_text}",
        *([f"--normalize={order.normalize}"] if order.normalize else []),
        *([f"--output={order.output}"] if order.output else []),
        *([f"--seed={order.seed}"] if order.seed else []),
    ]
    return shlex.join(words)

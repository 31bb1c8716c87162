"""`robust certify`: prove for which samples no input of the threat model is answered wrong. No attack is run."""

import argparse
import math
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.text import printable_lines
from robust.certification.certify import Certifier, certify
from robust.certification.cost import Cost, measure_cost
from robust.certification.errors import NoBoundsError
from robust.certification.journal import open_journal
from robust.certification.words import METHODS
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE
from robust.evaluation.time_limit import Budget, Deadline
from robust.flags import Flags
from robust.progress import Bar, open_bar, open_training_bar, tell_certified
from robust.records.certificate import Certificate
from robust.session.answers import Answers
from robust.session.data import RunData
from robust.session.models import Models
from robust.session.resources import Resources
from robust.session.startup import check_settings
from robust.settings.parsing import OptionError, SettingsError
from robust.settings.read import read_settings
from robust.settings.settings import Variant
from robust.settings.sources import options_of_namespace
from robust.stats import wilson
from robust.train.recipe import AS_IS

LISTED = 20  # open samples whose numbers are told


@dataclass
class Stopwatch:
    """Measure the time of each method, and show how far it is."""

    bar: Bar
    cost: Cost
    began: dict[str, float] = field(default_factory=dict)
    bounded: dict[str, tuple[int, int]] = field(default_factory=dict)  # samples before its last batch, and of how many

    def __call__(self, method: str, done: int, of: int) -> None:
        self.began.setdefault(method, time.perf_counter())
        self.bounded[method] = done, of
        self.bar.show(f"{method}, {of - done} left", self.cost.share(method, of - done))

    def pace(self, ended: float, stopped: bool = False) -> dict[str, float]:
        """Return the seconds a sample of each method; if `stopped`, the last batch of the last one does not count."""
        ends = [*self.began.values(), ended][1:]
        counts = [of for _, of in self.bounded.values()]
        if stopped and counts:
            counts[-1] = [*self.bounded.values()][-1][0]
        spans = zip(self.began.items(), ends, counts, strict=True)
        return {method: (end - since) / count for (method, since), end, count in spans if count}


def main(args: argparse.Namespace) -> int:
    """Certify, and return the exit status; ValueError or LookupError, in one line, for what is wrong."""
    try:
        for text in run(args):
            sys.stdout.write(printable_lines(text))
            sys.stdout.flush()
    except pytest.fail.Exception as error:  # a training that failed
        sys.stderr.write(f"robust certify: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("robust certify: interrupted\n")
        return 130
    return 0


def run(args: argparse.Namespace) -> Iterator[str]:
    """Yield the report on each model under each threat model; all of them are checked before the first."""
    resources = _prepare(args)
    seconds = resources.settings.seconds
    stop = Deadline(math.inf if seconds is None else seconds)
    for variant in resources.settings.everything:
        for threat in resources.settings.threats:
            yield "".join(f"{line}\n" for line in _report(resources, variant, threat, stop))


def _report(resources: Resources, variant: Variant, text: str, stop: Deadline) -> Iterator[str]:
    """Certify the samples that a model answers right under a threat model, and yield the lines of the report."""
    settings, samples, data = resources.settings, resources.data.samples, resources.data.dataset.name
    module, threat = resources.models.load(variant).module, resources.data.read_threat(text)
    correct, method = resources.answers.get_clean(module, samples).correct, str(settings.certify)
    title = f"{_name(variant)} under {text}"
    with _refusing(_name(variant)), open_bar(title) as bar:
        certifier = Certifier.of(module, torch.tensor(samples.x[:1]), threat, read_criterion(samples.criterion))
        journal = open_journal(settings.home, threat, certifier.hash(samples, variant.spec.path))
        with tell_certified(bar, lambda: journal.describe(correct, method)):
            cost = measure_cost(certifier, samples, correct, method, stop.left, journal.read(len(samples)))
            bar.say(cost.describe())
            watch = Stopwatch(bar, cost)
            certificate = certify(certifier, samples, correct, method, stop=stop, watch=watch, journal=journal)
    paces = watch.pace(time.perf_counter(), bool(certificate.partial))
    if not certificate.partial and journal.folder:
        shutil.rmtree(journal.folder, ignore_errors=True)
    yield f"{title}: {len(samples)} samples of {data}, {_share(correct)} right without an attack"
    yield from describe(certificate, samples, correct, paces)


def _prepare(args: argparse.Namespace) -> Resources:
    """Return the data and the models, tried as a run of pytest tries them; ValueError for what is wrong."""
    try:
        settings = read_settings(options_of_namespace(args), Path.cwd())
        if settings.certify is None:
            raise OptionError("certify", args.certify, f"expected one of {', '.join(METHODS)}")
        data = RunData(settings)
        models = Models(settings, data, _NoHook(), open_training_bar, ALONE)
        answers = Answers(settings, data, models, ALONE)
        resources = Resources(settings, ALONE, data, models, answers, Budget(settings.seconds))
        check_settings(resources)
    except SettingsError as error:
        raise ValueError(_rename(error.line("--robust-"))) from error
    except pytest.UsageError as error:
        raise ValueError(_rename(str(error))) from error
    return resources


class _NoHook:
    """The hook pytest_robust_load_model, which no command calls."""

    implemented = False

    def __call__(self, path: Path) -> object:
        return None


def _rename(message: str) -> str:
    """Return a message about options of pytest with their names here."""
    message = message.removesuffix("; --robust-certify=none leaves it out").removeprefix("--robust-model=")
    message = re.sub("^--robust-certify=[^:]*: (?=.* cannot be certified: )", "", message)
    return message.replace("--robust-certify=", "--method=").replace("--robust-", "--")


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Say which model it is that has no bounds."""
    try:
        yield
    except NoBoundsError as error:
        raise ValueError(f"{name} cannot be certified: {error}") from error


def _name(variant: Variant) -> str:
    return variant.spec.text if variant.training == AS_IS else f"{variant.spec.text}, {variant.training}"


def describe(certificate: Certificate, samples: Samples, correct: Flags, paces: dict[str, float]) -> Iterator[str]:
    """Yield a line for each method, with what it and those before it certified; then what is open, and the bracket."""
    n, total = len(samples), 0
    for method, found in certificate.by.items():
        total += found
        low, high = wilson(total, n)
        unasked = "stopped" if certificate.partial else "not asked"
        pace = f"{paces[method]:.2g} s a sample" if method in paces else unasked
        share = f"{100 * total / n:5.1f} % certified ({100 * low:.1f} to {100 * high:.1f})"
        yield f"  {method:<11}  {share}, {total} of {n}, {pace}"
    if certificate.partial:
        yield "  stopped by --time before each sample was bounded; the same command goes on from there"
    left = correct & ~certificate.certified
    numbers = samples.index[left]
    more = ", ..." if len(numbers) > LISTED else ""
    which = f": {', '.join(map(str, numbers[:LISTED]))}{more}" if len(numbers) else ""
    yield f"  {'open':<11}  {100 * left.mean():5.1f} %, neither certified nor wrong, {len(numbers)} of {n}{which}"
    yield f"{100 * certificate.certified.mean():.1f} ≤ robust ≤ {_share(correct)}; no attack was run"


def _share(flags: Flags) -> str:
    return f"{100 * float(np.mean(flags)):.1f} %"

"""`robust certify`: prove for which samples no input of the threat model is answered wrong. No attack is run."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks.registry import suggest
from robust.attacks.text import printable_lines
from robust.certification.ball import NORMS
from robust.certification.certify import METHODS, Certifier, certify
from robust.certification.errors import NoBoundsError
from robust.data.dataset import Samples
from robust.device import device_of
from robust.distributed.ranks import ALONE
from robust.evaluation.time_limit import Budget, Deadline
from robust.flags import Flags
from robust.progress import Bar, open_bar, open_training_bar
from robust.records.certificate import Certificate
from robust.session.answers import Answers
from robust.session.data import RunData
from robust.session.models import Models
from robust.session.resources import Resources
from robust.session.startup import check_settings
from robust.settings.parsing import SettingsError
from robust.settings.read import read_settings
from robust.settings.settings import Variant
from robust.settings.sources import options_of_namespace
from robust.stats import wilson
from robust.train.recipe import AS_IS

LISTED = 20  # open samples whose numbers are told


@dataclass(frozen=True, slots=True)
class Case:
    """A model of the command under one threat model."""

    name: str
    threat: str
    certifier: Certifier
    correct: Flags  # (n,)


@dataclass
class Stopwatch:
    """Measure the time of each method, and show how far it is."""

    bar: Bar
    began: dict[str, float] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)  # samples

    def __call__(self, method: str, done: int, of: int) -> None:
        self.began.setdefault(method, time.perf_counter())
        self.asked[method] = of
        self.bar.show(f"{method}, {done} of {of} samples", done / of)

    def pace(self, ended: float) -> dict[str, float]:
        """Return the seconds a sample of each method that was asked."""
        ends = [*self.began.values(), ended][1:]
        spans = zip(self.began.items(), ends, strict=True)
        return {method: (end - since) / self.asked[method] for (method, since), end in spans}


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
    if args.certify not in METHODS:
        raise ValueError(f"--method={args.certify}: unknown method {suggest(args.certify, METHODS)}")
    resources = _prepare(args)
    deadline = None if resources.settings.seconds is None else Deadline(resources.settings.seconds)
    stop = deadline or (lambda: False)
    samples, data = resources.data.samples, resources.data.dataset.name
    for case in list(_open_cases(resources)):
        title = f"{case.name} under {case.threat}"
        with open_bar(f"certifying {title}") as bar, _refusing(case.name):
            watch = Stopwatch(bar)
            certificate = certify(case.certifier, samples, case.correct, args.certify, stop=stop, watch=watch)
        paces = watch.pace(time.perf_counter())
        heading = f"{title}: {len(samples)} samples of {data}, {_share(case.correct)} right without an attack"
        yield "".join(f"{line}\n" for line in (heading, *describe(certificate, samples, case.correct, paces)))


def _prepare(args: argparse.Namespace) -> Resources:
    """Return the data and the models, tried as a run of pytest tries them; ValueError for what is wrong."""
    try:
        settings = read_settings(options_of_namespace(args), Path.cwd())
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
    return message.removeprefix("--robust-model=").replace("--robust-", "--")


def _open_cases(resources: Resources) -> Iterator[Case]:
    """Yield each model under each threat model; ValueError, in one line, for one that cannot be certified."""
    settings, models, samples = resources.settings, resources.models, resources.data.samples
    for spec in settings.models if AS_IS not in settings.trainings else ():  # before they are trained
        for text in settings.threats:
            _open_certifier(resources, spec.text, models.build_untrained(spec), text)
    for variant in settings.everything:
        module, name = models.load(variant).module, _name(variant)
        certifiers = [_open_certifier(resources, name, module, text) for text in settings.threats]
        correct = resources.answers.get_clean(module, samples).correct
        for text, certifier in zip(settings.threats, certifiers, strict=True):
            yield Case(name, text, certifier, correct)


def _open_certifier(resources: Resources, name: str, module: nn.Module, text: str) -> Certifier:
    threat = resources.data.read_threat(text)
    if any(part.norm not in NORMS for part in threat.parts):
        raise ValueError(f"--threat={text}: certificates are for {' and '.join(NORMS)}, and unions of them")
    with _refusing(name):
        return Certifier.of(module, torch.tensor(resources.data.samples.x[:1], device=device_of(module)), threat)


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
        pace = f"{paces[method]:.2g} s a sample" if method in paces else "not asked"
        share = f"{100 * total / n:5.1f} % certified ({100 * low:.1f} to {100 * high:.1f})"
        yield f"  {method:<11}  {share}, {total} of {n}, {pace}"
    if certificate.partial:
        yield "  stopped by --time before each sample was asked"
    left = correct & ~certificate.certified
    numbers = samples.index[left]
    more = ", ..." if len(numbers) > LISTED else ""
    which = f": {', '.join(map(str, numbers[:LISTED]))}{more}" if len(numbers) else ""
    yield f"  {'open':<11}  {100 * left.mean():5.1f} %, neither certified nor wrong, {len(numbers)} of {n}{which}"
    yield f"{100 * certificate.certified.mean():.1f} ≤ robust ≤ {_share(correct)}; no attack was run"


def _share(flags: Flags) -> str:
    return f"{100 * float(np.mean(flags)):.1f} %"

"""Certification: the certificates of the samples, by a test of their own, in its share of the run's time."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from robust.attacks.criteria.registry import read_criterion
from robust.certification.certify import Certifier, certify
from robust.certification.cost import measure_cost
from robust.certification.errors import NoBoundsError
from robust.certification.journal import Journal, open_journal
from robust.certification.radius import STEPS, Aim, RadiusSearch, Reached
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE
from robust.evaluation.curve import CurveResult
from robust.evaluation.time_limit import Deadline
from robust.gates import CERTIFIED
from robust.progress import Bar, tell_certified
from robust.records.certificate import Certificate
from robust.records.curve import eps_of
from robust.records.radii import Radii
from robust.session.case import Case, fail
from robust.session.measurement import ShowBar
from robust.session.per_module import PerModule
from robust.session.resources import Resources
from robust.session.selection import part_of


class Certification:
    """The certificates of one process."""

    def __init__(self, resources: Resources, show_bar: ShowBar) -> None:
        self._show_bar = show_bar
        self._settings = resources.settings
        self._ranks = resources.ranks
        self._data = resources.data
        self._answers = resources.answers
        self._budget = resources.budget
        self._known: PerModule[dict[str, tuple[Samples, Certificate, str]]] = PerModule()  # by threat model

    def certify(self, case: Case, threat: str) -> tuple[Certificate, str]:
        """Certify the samples that are answered right. Returns the certificate, and the folder of its journal.

        Fail the test, in one line, if that cannot be done. What another test has certified is not certified again.
        """
        known = self._known.get(case.module, dict)
        samples, certificate, folder = known.get(threat, (None, None, ""))
        if samples is not case.samples or certificate is None:
            certificate, folder = self._certify(case, threat)
            known[threat] = case.samples, certificate, folder
        return certificate, folder

    def _certify(self, case: Case, threat: str) -> tuple[Certificate, str]:
        name, method = case.variant.spec.name, str(self._settings.certify)
        with self._show_bar(f"{name}, {method} under {threat}") as bar:
            try:
                allowed, criterion = self._data.read_threat(threat), read_criterion(case.samples.criterion)
                certifier = Certifier.of(case.module, torch.tensor(case.samples.x[:1]), allowed, criterion)
                key = certifier.hash(case.samples, case.variant.spec.path)
                journal = self._ranks.agree(lambda: open_journal(self._settings.home, allowed, key, self._ranks))
                certificate = self._run(case, certifier, journal, bar, self._find_end(case, threat))
                return certificate, str(journal.folder)
            except NoBoundsError as error:
                fail(f"{name} cannot be certified under {threat}: {error}")
            except ValueError as error:
                fail(str(error))

    def find_radii(self, case: Case, curve: CurveResult, kept: Sequence[float], folder: Path) -> Radii:
        """Certify the largest ball around each sample, below the adversarial distances of a curve.

        It begins with what the certificates of this process prove. `kept` are the radii that are not rounded; the
        journal is in `folder`.
        """
        name, method, samples = case.variant.spec.name, str(self._settings.certify), case.samples
        with self._show_bar(f"{name}, {method} radii up to {curve.threat}") as bar:
            try:
                threat = self._data.read_threat(curve.threat)
                criterion = read_criterion(samples.criterion)
                certifier = Certifier.of(case.module, torch.tensor(samples.x[:1]), threat, criterion)
                known = self._find_proved(case, curve.threat)
                aim = Aim(known, curve.distance, eps_of(curve.threat), tuple(kept))
                key = aim.hash(certifier.hash(samples, case.variant.spec.path))
                journal = Journal(folder, self._ranks, f"radii-{key[:16]}.npz")
                search = RadiusSearch(certifier, samples, aim, journal=journal)
                return self._search_radii(search, bar, self._find_end(case, curve.threat))
            except NoBoundsError as error:
                fail(f"{name} cannot be certified up to {curve.threat}: {error}")
            except ValueError as error:
                fail(str(error))

    def _find_proved(self, case: Case, end: str) -> NDArray[np.float64]:
        """Return the radii, (n,), that the certificates of this process prove in the norm of a curve."""
        proved = np.zeros(len(case.samples))
        for threat, (samples, certificate, _) in self._known.get(case.module, dict).items():
            if samples is case.samples and "+" not in threat and threat.partition(":")[0] == end.partition(":")[0]:
                proved = np.maximum(proved, np.where(certificate.certified, eps_of(threat), 0))
        return proved

    def _search_radii(self, search: RadiusSearch, bar: Bar, stop: Deadline) -> Radii:
        method, certifier, aim = str(self._settings.certify), search.certifier, search.aim
        own = replace(search.journal, ranks=ALONE)
        with tell_certified(bar, lambda: Reached.read(own, aim).describe(method)):
            asked = aim.distance > 0
            cost = self._ranks.once(lambda: measure_cost(certifier, search.samples, asked, method, stop.left))
            cost = replace(cost, processes=self._ranks.size, steps=STEPS)
            bar.say(cost.describe())
            if not self._budget.unlimited:
                certifier = replace(certifier, limits=cost.limit(self._budget.moment))

            def watch(method: str, left: float) -> None:
                bar.show(f"{method}, {left:.0f} left", cost.share(method, left))

            return replace(search, certifier=certifier, stop=stop, watch=watch).run(method)

    def _find_end(self, case: Case, threat: str) -> Deadline:
        """Return when the time for the bounds is up."""
        if self._budget.unlimited:
            return Deadline(math.inf)
        return Deadline(self._ranks.once(lambda: self._budget.take(part_of(case.item, threat, CERTIFIED))))

    def _run(self, case: Case, certifier: Certifier, journal: Journal, bar: Bar, stop: Deadline) -> Certificate:
        method, samples = str(self._settings.certify), case.samples
        correct = self._answers.get_clean(case.module, samples).correct
        known = journal.read(len(samples))
        with tell_certified(bar, lambda: journal.describe(correct, method)):
            cost = self._ranks.once(lambda: measure_cost(certifier, samples, correct, method, stop.left, known))
            cost = replace(cost, processes=self._ranks.size)
            bar.say(cost.describe())
            if not self._budget.unlimited:
                certifier = replace(certifier, limits=cost.limit(self._budget.moment))

            def watch(method: str, done: int, of: int) -> None:
                bar.show(f"{method}, {of - done} left", cost.share(method, of - done))

            return certify(certifier, samples, correct, method, stop=stop, watch=watch, journal=journal)

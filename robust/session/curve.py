"""Curves: the smallest adversarial distances of the samples, by a test of their own, in its share of the run's time."""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from robust.attacks.grammar.norms import parse_threat
from robust.attacks.suite import Suite, read_suite
from robust.attacks.threats.lp import LpThreat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.curve import CurveResult, CurveRun
from robust.evaluation.curve_tensors import SUITE
from robust.evaluation.known_distances import Seeds
from robust.evaluation.ladder import Rung, is_broad, ladder, list_stages
from robust.evaluation.suite_cache import SuiteCache, SuiteInputs, suite_cache
from robust.evaluation.time_limit import Deadline
from robust.models.traits import is_queried
from robust.progress import Bar, tell_kept
from robust.records.added import CURVE
from robust.session.case import Case, fail
from robust.session.measurement import Measurements, ShowBar
from robust.session.per_module import PerModule
from robust.session.resources import Resources
from robust.session.result import Result
from robust.session.selection import part_of


class CurveSearch:
    """The curves of one process."""

    def __init__(self, resources: Resources, measurements: Measurements, show_bar: ShowBar) -> None:
        self._show_bar = show_bar
        self._measurements = measurements
        self._settings = resources.settings
        self._data = resources.data
        self._models = resources.models
        self._answers = resources.answers
        self._ranks = resources.ranks
        self._budget = resources.budget
        self._known: PerModule[dict[str, tuple[object, CurveResult, str]]] = PerModule()  # by norm

    def measure(self, case: Case, norm: str) -> tuple[CurveResult, str]:
        """Measure the curve of a norm. Returns it, and the folder of its rounds; what was measured is not again."""
        known = self._known.get(case.module, dict)
        samples, result, folder = known.get(norm, (None, None, ""))
        if samples is not case.samples or result is None:
            result, folder = self._measure(case, norm)
            known[norm] = case.samples, result, folder
        return result, folder

    def _measure(self, case: Case, norm: str) -> tuple[CurveResult, str]:
        name, end = case.variant.spec.name, str(self._settings.curves.end_of(norm))
        if is_queried(case.module):
            fail(f"{name} has no curve: no gradient reaches its inputs, and a curve needs it; leave --robust-curve out")
        with self._show_bar(f"{name}, curve up to {end}") as bar:
            try:
                threat = self._data.read_threat(end)
                assert isinstance(threat, LpThreat)
                correct = self._answers.get_clean(case.module, case.samples).correct
                suites = self._find_suites(norm, case.samples.criterion)
                rungs = self._build_ladder(norm, suites, case.samples)
                seeds = self._collect_seeds(case, norm)
                stages = tuple(stage for suite in suites for stage in suite.stages)
                cache = self._ranks.agree(lambda: self._open_cache(case, threat, Suite(CURVE, stages), rungs, seeds))
                self._tell_cost(bar, case, rungs)
                with tell_kept(bar, cache.count):
                    result = CurveRun(
                        module=case.module,
                        samples=case.samples,
                        threat=threat,
                        rungs=rungs,
                        options=self._options(case),
                        fast_copy=self._answers.make_fast_copy(case.module),
                        cache=cache,
                        deadline=self._find_end(case, norm),
                        watch=bar.show,
                    ).run(correct, seeds)
            except (ValueError, LookupError) as error:
                fail(f"the curve of {name} up to {end} could not be measured: {error.args[0]}")
        return result, str(cache.folder)

    def _options(self, case: Case) -> RunOptions:
        return RunOptions(self._answers.get_batcher(case.module), case.seed, self._models.load_surrogate, self._ranks)

    def _find_suites(self, norm: str, criterion: str) -> list[Suite]:
        """Find the run's suites that a curve is refined by; one of ours where none of them is for the norm."""
        suites = [suite for suite in self._settings.suites if any(map(is_broad, list_stages([suite], norm)))]
        return suites or [read_suite(SUITE, Path(), criterion)]

    def _build_ladder(self, norm: str, suites: Sequence[Suite], samples: Samples) -> list[Rung]:
        classes, load, features = self._data.classes, self._models.load_surrogate, math.prod(samples.x.shape[1:])
        return ladder(norm, suites, classes, load, samples.criterion, self._list_eps(norm, suites), features)

    def _list_eps(self, norm: str, suites: Sequence[Suite]) -> set[Fraction]:
        """List the radii at which an accuracy is read from the curve, but for those at which the suites run anyway."""
        threats, gates = self._settings.threats, self._settings.gates
        floors = {floor.threat for floor in gates.curve(norm, threats) if not floor.is_certified}
        texts = floors.union(self._settings.curves.eps, threats)
        texts -= {*threats} if set(suites) <= set(self._settings.suites) else set()
        return {parse_threat(text)[1] for text in texts if text.partition(":")[0] == norm}

    def _collect_seeds(self, case: Case, norm: str) -> list[Seeds]:
        """Return the verified inputs that this process has found under the threat models of a norm."""
        names = (*self._settings.attacks, *(suite.name for suite in self._settings.suites))
        threats = [threat for threat in self._settings.threats if threat.partition(":")[0] == norm]
        found = [self._measurements.find(case, name, threat) for threat in threats for name in names]
        return [self._ranks.once(partial(_seeds_of, each.result)) for each in found if each]

    def _open_cache(
        self, case: Case, threat: LpThreat, suite: Suite, rungs: Sequence[Rung], seeds: Sequence[Seeds]
    ) -> SuiteCache:
        """Return the cache of the rungs on this case; they depend on what was known before the first."""
        known = [np.asarray(seed.rows).tolist() for seed in seeds]
        inputs = SuiteInputs(
            module=case.module,
            source=case.variant.spec.path,
            samples=case.samples,
            correct=self._answers.get_clean(case.module, case.samples).correct,
            suite=suite,
            search=self._settings.search,
            threat=threat,
            seed=case.seed,
            more=[[rung.name for rung in rungs], known],
        )
        return suite_cache(self._settings.home, inputs)

    def _find_end(self, case: Case, norm: str) -> Deadline | None:
        """Return when the time for the curve is up; None where it has all that it needs."""
        if self._budget.unlimited:
            return None
        seconds = self._ranks.once(lambda: self._budget.take(part_of(case.item, norm, CURVE)))
        pace = self._answers.shorten_batches(case.module, case.samples, self._budget.moment)
        return Deadline(max(seconds / 2, seconds - 4 * len(case.samples) * pace))

    def _tell_cost(self, bar: Bar, case: Case, rungs: Sequence[Rung]) -> None:
        """Say before it starts what it costs at most, at the pace of the clean answers."""
        clean = self._answers.get_clean(case.module, case.samples)
        passes, n = sum(rung.passes for rung in rungs), int(clean.correct.sum())
        seconds = passes * n * clean.pace / self._ranks.size
        bar.say(f"{n} samples, at most about {passes:,.0f} passes of each, about {_describe_time(seconds)}")


def _seeds_of(result: Result) -> Seeds:
    return Seeds(np.flatnonzero(result.broken), np.array(result.x_adv))


def _describe_time(seconds: float) -> str:
    if not math.isfinite(seconds) or seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

"""Measurements: the results of attacks and suites, measured once in a process and then kept."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

from robust.attacks.engine import AnyAttack, Attack, Plan
from robust.attacks.factory import describe
from robust.attacks.few_classes import fit_classes
from robust.attacks.threats.threat import Threat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import PatchHome, RunOptions
from robust.evaluation.corruptions import add_corruptions, count_corruptions, has_corruptions, measure_corruptions
from robust.evaluation.measure import AttackResult, add_rounding, measure_attack
from robust.evaluation.random_cost import count_random_passes, describe_random_cost
from robust.evaluation.score import add_search, foresee_search, has_score, search_scores
from robust.evaluation.suite_cache import SuiteCache, SuiteInputs, suite_cache
from robust.evaluation.suite_run import SuiteRun, narrow_threat
from robust.evaluation.time_limit import Deadline, Limits
from robust.evaluation.universal import describe_learning, digest_others
from robust.flags import Flags
from robust.gates import Measured, decide
from robust.models.answering import draws_of
from robust.progress import Bar, tell_kept, watch_suite
from robust.session.case import Case, fail
from robust.session.per_module import PerModule
from robust.session.planned_attacks import AttackPlanner
from robust.session.resources import Resources
from robust.session.result import Result
from robust.session.selection import part_of
from robust.session.unverified import check_unverified

ShowBar = Callable[[str], AbstractContextManager[Bar]]  # takes the title
Key = tuple[str, str, int]  # an attack or a suite, a threat model, a seed

SCORING = 1 / 3  # of the time of an attack, for the worst scores: it is run to its end on all samples
VERIFYING = 4  # passes of a sample after an attack: its clean and its adversarial input, also rounded


@dataclass(slots=True)
class Measurement:
    """A result, and whether the test that is for it has still to take it."""

    samples: Samples
    result: Result
    cache: str = ""  # the folder with the rounds of a suite
    ahead: bool = False


class Measurements:
    """The measurements of one process."""

    def __init__(self, resources: Resources, show_bar: ShowBar) -> None:
        self.show_bar = show_bar  # shows how far a part of the run is
        self._settings = resources.settings
        self._data = resources.data
        self._models = resources.models
        self._answers = resources.answers
        self._ranks = resources.ranks
        self._budget = resources.budget
        self.plan = AttackPlanner(resources)
        self._measured: PerModule[dict[Key, Measurement]] = PerModule()

    def get(self, case: Case, name: str, threat: str) -> Result:
        """Return what an attack or a suite of the run finds: measured before in this process, else now."""
        if (measurement := self.find(case, name, threat)) is None:
            return self._measure_and_keep(case, name, threat, ahead=True).result
        self.check(case, measurement.result, name, threat)
        return measurement.result

    def take(self, case: Case, name: str, threat: str) -> Measurement:
        """Return the same for the test that is for it.

        What was measured ahead of the test is taken once: a test that is run again measures again.
        """
        measurement = self.find(case, name, threat)
        if measurement is not None and measurement.ahead:
            measurement.ahead = False
            self.check(case, measurement.result, name, threat)
            return measurement
        return self._measure_and_keep(case, name, threat, ahead=False)

    def find(self, case: Case, name: str, threat: str) -> Measurement | None:
        """Return what was measured before in this process on the same module, samples and seed; None if nothing was."""
        measurement = self._cache(case).get((name, threat, case.seed))
        return measurement if measurement is not None and measurement.samples is case.samples else None

    def run(
        self, case: Case, name: str, threat: str, cache: SuiteCache | None = None, seconds: float | None = None
    ) -> Result:
        """Measure an attack or a suite, by default in its share of the run's time. It is neither checked nor kept."""
        seconds = self._take_time(case, name, threat) if seconds is None else seconds
        searched = has_score(case.samples.criterion) or has_corruptions(threat)
        scoring = SCORING * seconds if searched else 0.0
        seconds = seconds if math.isinf(seconds) else seconds - scoring
        if name in self._settings.attacks:
            (run,) = self.plan.list_attacks(case, name, threat)
            attack = partial(self._attack, case, run, deadline=Deadline(seconds))
            result = self._try(case, name, threat, attack, scoring=scoring)
            return replace(result, found=replace(result.found, attack=name))
        limits = self._limits(name, threat, len(case.samples), seconds)

        def run_suite(allowed: Threat, correct: Flags) -> AttackResult:
            return self._run_suite(case, name, allowed, limits, cache, correct)

        return self._try(case, name, threat, run_suite, scoring=scoring)

    def _take_time(self, case: Case, name: str, threat: str) -> float:
        """Return the seconds for an attack or a suite itself: what it finds is verified after it."""
        if self._budget.unlimited:
            return math.inf
        share = self._ranks.once(lambda: self._budget.take(part_of(case.item, threat, name)))
        pace = self._answers.shorten_batches(case.module, case.samples, self._budget.moment)
        return max(share / 2, share - VERIFYING * len(case.samples) * pace)

    def measure(self, case: Case, attack: str | AnyAttack, threat: str) -> Result:
        """Measure an attack that a user's test chooses. Fail the test if the model itself is at fault."""
        if not isinstance(attack, str | Attack | Plan):
            fail(f"{attack!r}: expected an attack, a spec such as 'pgd:steps=40' or an object of robust.attacks")
        name = attack if isinstance(attack, str) else describe(attack)
        run = partial(self._attack, case, attack)
        result = self._try(case, name, threat, run, attack=attack)
        self.check(case, result, name, threat)
        self._cache(case).setdefault((name, threat, case.seed), Measurement(case.samples, result))
        return result

    def check(self, case: Case, result: Result, name: str, threat: str) -> None:
        """Fail the test if the model itself is at fault: then its figures mean nothing."""
        measured, n = f"{name} under {threat}", len(case.samples)
        faulty = self._answers.get_clean(case.module, case.samples).faulty or result.found.faulty
        if faulty:
            fail(f"the model answered {faulty} of {n} samples with NaN or infinity ({measured})")
        check_unverified(case, result.found.fault, measured)

    def round(self, case: Case, found: AttackResult, threat: Threat) -> AttackResult:
        """Add what is still adversarial when the inputs are rounded to the data's levels."""
        levels, batch = self._data.dataset.levels, self._answers.get_batcher(case.module).size
        return add_rounding(found, case.module, case.samples, threat, levels, batch)

    def _cache(self, case: Case) -> dict[Key, Measurement]:
        return self._measured.get(case.module, dict)

    def _measure_and_keep(self, case: Case, name: str, threat: str, *, ahead: bool) -> Measurement:
        cache = None if name in self._settings.attacks else self._suite_cache(case, name, threat)
        result = self.run(case, name, threat, cache)
        measurement = Measurement(case.samples, result, str(cache.folder) if cache else "", ahead)
        self._cache(case)[name, threat, case.seed] = measurement  # also if the check fails: it would fail again
        self.check(case, result, name, threat)
        return measurement

    def _try(
        self,
        case: Case,
        name: str,
        threat: str,
        run: Callable[[Threat, Flags], AttackResult],
        *,
        attack: str | AnyAttack | None = None,
        scoring: float = math.inf,
    ) -> Result:
        """Run an attack on the samples that are answered right; fail the test, in one line, if it cannot be run."""
        try:
            allowed = self._data.read_threat(threat)
            correct = self._answers.get_clean(case.module, case.samples).correct
            found = run(allowed, correct)
            found = self._add_scores(case, found, attack or name, allowed, scoring)
            found = self._add_corruptions(case, found, allowed, scoring)
            rounded = self._ranks.once(lambda: self.round(case, found, allowed).rounded)
        except (ValueError, LookupError) as error:
            fail(f"{name} under {threat} could not be run: {error.args[0]}")
        return Result(str(allowed), correct, replace(found, rounded=rounded))

    def _add_scores(
        self, case: Case, found: AttackResult, attack: str | AnyAttack, allowed: Threat, seconds: float
    ) -> AttackResult:
        """Add the worst score of each sample, by the attack, or by the stages of a suite that attack all samples.

        Adversarial inputs that only this search finds are added, too.
        """
        if not has_score(case.samples.criterion):
            return found
        whole = self.plan.list_whole(case, attack, allowed)
        options = replace(self._options(case), deadline=Deadline(seconds))
        correct = self._answers.get_clean(case.module, case.samples).correct
        with self.show_bar(f"{case.variant.spec.name}, {found.attack}, worst scores") as bar:
            bar.say(foresee_search(len(case.samples), found, whole).describe(seconds))
            options = replace(options, watch=partial(bar.show, f"under {allowed}"))
            search = search_scores(case.module, case.samples, found, correct, whole, options)
        if search.stopped:
            case.warn(f"{found.attack} under {allowed}: the search for the worst scores was stopped by the time")
        return add_search(found, search)

    def _add_corruptions(self, case: Case, found: AttackResult, allowed: Threat, seconds: float) -> AttackResult:
        """Add the answers to each corruption of each sample, where the threat model has some; and their cost."""
        count = count_corruptions(allowed)
        if not count:
            return found
        options = replace(self._options(case), deadline=Deadline(seconds))
        with self.show_bar(f"{case.variant.spec.name}, {found.attack}, each corruption") as bar:
            bar.say(f"{len(case.samples)} samples, {count} corruptions of each")
            options = replace(options, watch=partial(bar.show, f"under {allowed}"))
            added = add_corruptions(found, measure_corruptions(case.module, case.samples, allowed, options))
        if added.score_partial:
            case.warn(f"{found.attack} under {allowed}: not each corruption was asked for, since the time was up")
        return added

    def _attack(
        self, case: Case, attack: str | AnyAttack, threat: Threat, correct: Flags, deadline: Deadline | None = None
    ) -> AttackResult:
        name = attack if isinstance(attack, str) else describe(attack)
        fitted = fit_classes(attack, self._data.classes, self._data.criterion) if isinstance(attack, str) else attack
        with self.show_bar(f"{case.variant.spec.name}, {name}") as bar:
            self._tell_cost(case, bar, [(fitted, threat)])
            options = replace(self._options(case), deadline=deadline, watch=partial(bar.show, f"under {threat}"))
            return replace(measure_attack(case.module, case.samples, correct, fitted, threat, options), attack=name)

    def _options(self, case: Case) -> RunOptions:
        """Return how attacks are run on this case."""
        return RunOptions(
            self._answers.get_batcher(case.module),
            case.seed,
            self._models.load_surrogate,
            self._ranks,
            others=partial(self._data.draw_others, case.samples),
            patches=PatchHome(self._settings.home, case.variant.spec.path),
        )

    def _run_suite(
        self, case: Case, name: str, threat: Threat, limits: Limits, cache: SuiteCache | None, correct: Flags
    ) -> AttackResult:
        with self.show_bar(f"{case.variant.spec.name}, {name}") as bar, tell_kept(bar, cache.count if cache else int):
            suite = self.plan.find_suite(case, name)
            self._tell_cost(case, bar, [(stage.attack, narrow_threat(threat, stage)) for stage in suite.stages])
            return SuiteRun(
                module=case.module,
                samples=case.samples,
                suite=suite,
                threat=threat,
                classes=self._data.classes,
                options=self._options(case),
                fast_copy=self._answers.make_fast_copy(case.module),
                cache=cache,
                limits=limits,
                watch=watch_suite(bar, len(case.samples)),
            ).run(correct)

    def _tell_cost(self, case: Case, bar: Bar, attacks: Sequence[tuple[str | AnyAttack, Threat | None]]) -> None:
        """Tell before attacks what a model costs that answers at random, and a patch that is learnt first."""
        if draws := draws_of(case.module):
            clean = self._answers.get_clean(case.module, case.samples)
            passes = count_random_passes(attacks, self._models.load_surrogate)
            pace = clean.pace / self._ranks.size
            bar.say(describe_random_cost(draws, passes, int(clean.correct.sum()), pace))
        for attack, threat in attacks:
            if learning := describe_learning(attack, case.module, threat, self._options(case)):
                bar.say(learning)

    def _suite_cache(self, case: Case, name: str, threat: str) -> SuiteCache:
        """Return the cache of this suite's rounds on this case; a patch depends on the samples that it is learnt on."""
        suite, allowed = self.plan.find_suite(case, name), self._data.read_threat(threat)
        stages = [stage.attack for stage in suite.stages if narrow_threat(allowed, stage)]
        try:
            inputs = SuiteInputs(
                module=case.module,
                source=case.variant.spec.path,
                samples=case.samples,
                correct=self._answers.get_clean(case.module, case.samples).correct,
                suite=suite,
                search=self._settings.search,
                threat=allowed,
                seed=case.seed,
                more=digest_others(stages, self._options(case)) or None,
            )
            return suite_cache(self._settings.home, inputs)
        except ValueError as error:
            fail(str(error))

    def _limits(self, suite: str, threat: str, n: int, seconds: float) -> Limits:
        """Return when to stop a suite: at the end of its time; and once its gate fails, if nothing else needs the row.

        The number of robust samples only ever falls, so a gate that fails on the way fails in the end.
        """
        settings = self._settings
        floor = settings.gates.attack(suite, threat)
        if settings.files or settings.regression_checks or floor is None:
            return Limits(seconds)
        fail_on = settings.gates.fail_on
        return Limits(seconds, lambda robust: decide(Measured.of(robust, n), floor, fail_on).ruling == "fails")

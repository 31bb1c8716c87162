"""Measure for one test item: judge what was measured, and hand it to the session."""

import math
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from robust.attacks.engine import AnyAttack, Attack, Plan
from robust.attacks.factory import describe
from robust.attacks.suite import Suite
from robust.attacks.threats.threat import Threat
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.measure import AttackResult, CleanResult, add_rounding, measure_attack
from robust.evaluation.suite_cache import SuiteCache, SuiteInputs, suite_cache
from robust.evaluation.suite_run import TIME, Limits, SuiteRun, Watch, is_unattacked
from robust.flags import Flags
from robust.gates import Floor, Measured, decide
from robust.session.case import DECISIONS, FOUND, Case, Found, fail
from robust.session.payload import clean_found, row_found
from robust.session.resources import Resources
from robust.session.result import Result
from robust.session.selection import judged, node_id, planned
from robust.trust.model_probe import few_of
from robust.verification.check import LARGE, OUTSIDE, describe_faults

Run = Callable[[Threat, CleanResult], AttackResult]
Watched = Callable[[str, int], AbstractContextManager[Watch]]  # (title, samples)

MOST_UNVERIFIED = 0.005  # of the samples: more than float32 rounding in another batch explains


class Measurements:
    """The measurements of one process."""

    def __init__(self, resources: Resources, repeat: str, command: str, watched: Watched) -> None:
        self.resources = resources
        self.repeat = repeat  # the command of this run, without node ids
        self.command = command  # the same with what the ini file says: for whoever has the row alone
        self.watched = watched  # shows how far a suite is
        self._ahead: dict[
            tuple[int, str, str], tuple[nn.Module, Result]
        ] = {}  # what a row's own test will ask for again
        self._found: dict[tuple[int, str, str], tuple[nn.Module, AttackResult]] = {}

    def clean(self, case: Case) -> None:
        """The test of the accuracy without an attack."""
        clean, n = self.resources.clean(case.module, case.samples), len(case.samples)
        measured = Measured.of(int(clean.correct.sum()), n)
        _properties(case.item, clean_percent=measured.percent)
        case.item.stash[FOUND] = [clean_found(self.resources, case)]
        if clean.faulty:
            fail(f"the model answered {clean.faulty} of {n} clean samples with NaN or infinity")
        self.judge(case, f"clean accuracy {measured}", measured, self.resources.settings.gates.clean())

    def attack(self, case: Case, attack: str, threat: str) -> None:
        """The test of the accuracy under one attack."""
        self._told(case, self._taken(case, attack, threat) or self.measure(case, attack, threat))

    def suite(self, case: Case, name: str, threat: str) -> None:
        """The test of the accuracy under one suite, which makes a row of its own."""
        cache = self._suite_cache(case, name, threat)
        result = self._taken(case, name, threat) or self._measured(
            case, name, threat, self._campaign(case, name, threat, cache)
        )
        self._told(case, result, suite=name, journal=str(cache.folder))

    def ahead(self, case: Case, name: str, threat: str) -> Result:
        """What an attack or a suite of the run does: known where its own test was here before, else kept for that."""
        if (known := self._found.get((id(case.module), name, threat))) is not None:
            correct = self.resources.clean(case.module, case.samples).correct
            return Result(str(self.resources.threat(threat)), correct, known[1])
        suite = name not in self.resources.settings.attacks
        cache = self._suite_cache(case, name, threat) if suite else None
        result = self._measured(case, name, threat, self._planned(case, name, threat, cache))
        self._ahead[id(case.module), name, threat] = (case.module, result)
        return result

    def tried(self, case: Case, name: str, threat: str) -> Flags:
        """What an attack or a suite of the run breaks of some samples, (n,); of what is at fault its test tells."""
        return self._run(case, name, threat, self._planned(case, name, threat))[2].adversarial

    def _taken(self, case: Case, name: str, threat: str) -> Result | None:
        """What was measured ahead; once, so that a test that is run again measures again."""
        _, result = self._ahead.pop((id(case.module), name, threat), (None, None))
        return result

    def reached(self, case: Case, name: str, threat: str) -> AttackResult:
        """What the attack or the suite of that name breaks, of all of the case's samples or of a few: see few_rows.

        It was measured where the row's test ran in this process; else it is measured here, on these alone.
        """
        known = self._found.get((id(case.module), name, threat))
        few = replace(case, samples=few_of(case.samples))
        if known is not None:
            return known[1]
        return self._measured(few, name, threat, self._planned(few, name, threat)).found

    def _suite(self, name: str) -> Suite:
        return next(suite for suite in self.resources.settings.suites if suite.name == name)

    def _suite_cache(self, case: Case, name: str, threat: str) -> SuiteCache:
        """Return the cache of this suite's rounds on this case."""
        settings = self.resources.settings
        inputs = SuiteInputs(
            module=case.module,
            source=case.variant.spec.path,
            samples=case.samples,
            correct=self.resources.clean(case.module, case.samples).correct,
            suite=self._suite(name),
            search=settings.search,
            threat=self.resources.threat(threat),
            seed=case.seed,
        )
        try:
            return suite_cache(settings.home, inputs)
        except ValueError as error:
            fail(str(error))

    def _planned(self, case: Case, name: str, threat: str, cache: SuiteCache | None = None) -> Run:
        """What measures an attack, or a suite, of the run."""
        if name in self.resources.settings.attacks:
            return self._attack(case, name)
        return self._campaign(case, name, threat, cache)

    def _campaign(self, case: Case, name: str, threat: str, cache: SuiteCache | None) -> Run:
        def run(allowed: Threat, clean: CleanResult) -> AttackResult:
            with self.watched(f"{case.variant.spec.name}, {name}", len(case.samples)) as watch:
                return SuiteRun(
                    module=case.module,
                    samples=case.samples,
                    suite=self._suite(name),
                    threat=allowed,
                    classes=self.resources.classes,
                    options=self._options(case),
                    fast_copy=self.resources.fast_copy(case.module),
                    cache=cache,
                    limits=self._limits(name, threat, len(case.samples)),
                    watch=watch,
                ).run(clean.correct)

        return run

    def _attack(self, case: Case, attack: str | AnyAttack) -> Run:
        def run(allowed: Threat, clean: CleanResult) -> AttackResult:
            return measure_attack(case.module, case.samples, clean.correct, attack, allowed, self._options(case))

        return run

    def _options(self, case: Case) -> RunOptions:
        """Return how attacks are run on this case."""
        resources = self.resources
        return RunOptions(resources.feed(case.module), case.seed, resources.surrogate, resources.ranks)

    def _limits(self, suite: str, threat: str, n: int) -> Limits:
        """The time that was given; and where no row is to be filed, what settles the gate: a bound only ever falls."""
        settings = self.resources.settings
        floor, seconds = settings.gates.attack(suite, threat), settings.seconds or math.inf
        if settings.files or settings.guards or floor is None:
            return Limits(seconds)
        fail_on = settings.gates.fail_on
        return Limits(seconds, lambda robust: decide(Measured.of(robust, n), floor, fail_on).ruling == "fails")

    def _told(self, case: Case, result: Result, **more: str) -> None:
        """Hand a result to the session and to reports, and judge it."""
        row = {"planned": planned(case.item), "judged": judged(case.item)}
        case.item.stash[FOUND] = [self.found(case, result) | row | more]
        low, high = result.interval
        interval = {"low_percent": 100 * low, "high_percent": 100 * high}
        _properties(case.item, robust_percent=100 * result.accuracy, **interval, n=result.n)
        if result.found.partial:
            case.item.user_properties.append(("robust.partial", result.found.partial))
        floor = self.resources.settings.gates.attack(result.attack, result.threat)
        if floor is not None and is_unattacked(result.found) and result.measured.percent >= floor.percent:
            what = f"{result.attack} under {result.threat} was stopped by the time before its first stage ended"
            fail(f"--robust-fail-under={floor}: {what}, so nothing shows that it holds; give it more time")
        self.judge(case, str(result), result.measured, floor, bound=result.found.partial == TIME)

    def measure(self, case: Case, attack: str | AnyAttack, threat: str) -> Result:
        """What the attack does. Figures of a model that is at fault are no figures: then the test fails."""
        if not isinstance(attack, str | Attack | Plan):
            fail(f"{attack!r}: expected an attack, a word such as 'pgd:steps=40' or an object of robust.attacks")

        name = attack if isinstance(attack, str) else describe(attack)
        return self._measured(case, name, threat, self._attack(case, attack))

    def _measured(self, case: Case, name: str, threat: str, run: Run) -> Result:
        """What `run` finds, unless the model is at fault."""
        what, n = f"{name} under {threat}", len(case.samples)
        allowed, clean, found = self._run(case, name, threat, run)
        if faulty := clean.faulty or found.faulty:
            fail(f"the model answered {faulty} of {n} samples with NaN or infinity ({what})")
        self._judge_faults(case, found, what)
        if case.samples is self.resources.samples:
            # The module stays, so that no other takes its id.
            self._found[id(case.module), name, threat] = (case.module, found)
        return Result(str(allowed), clean.correct, found)

    def _run(self, case: Case, name: str, threat: str, run: Run) -> tuple[Threat, CleanResult, AttackResult]:
        try:
            allowed = self.resources.threat(threat)
            clean = self.resources.clean(case.module, case.samples)
            found = run(allowed, clean)
            rounded = self.resources.ranks.once(lambda: self.rounded(case, found, allowed).rounded)
            return allowed, clean, replace(found, rounded=rounded)
        except (ValueError, LookupError) as error:
            fail(f"{name} under {threat} could not be run: {error.args[0]}")

    def rounded(self, case: Case, found: AttackResult, threat: Threat) -> AttackResult:
        """What was found, and what of it stays when the inputs are rounded to the data's levels."""
        levels, batch = self.resources.dataset.levels, self.resources.feed(case.module).size
        return add_rounding(found, case.module, case.samples, threat, levels, batch)

    def _judge_faults(self, case: Case, found: AttackResult, what: str) -> None:
        """What fell and was not verified does not count as broken; of more than a few the test fails."""
        unverified, n = int((found.fault > 0).sum()), len(found.fault)
        seen = f"fell, and when the same inputs were shown again they were {describe_faults(found.fault)}"
        if unverified > MOST_UNVERIFIED * n:
            strayed = np.isin(found.fault, (LARGE, OUTSIDE)).any()
            cause = (
                "the attack leaves its threat model"
                if strayed
                else "the model's answers are random, or depend on the batch, and no figure can be trusted"
            )
            fail(f"{what}: {unverified} of {n} samples {seen}: {cause}")
        if unverified:
            case.warn(f"{what}: {unverified} samples {seen}, which does not count as broken")

    def found(
        self, case: Case, result: Result, planned: int = 1, origin: str = "", floor: Floor | None = None
    ) -> Found:
        """What the session needs to make a row of `planned` results of the same origin.

        The origin is the user's test that reports them, "" for ours; its floor is the test's own.
        """
        command = f"{self.command} {shlex.quote(origin)}" if origin else self.command
        own = {"planned": planned, "judged": False, "origin": origin, "floor": floor and floor.percent}
        return clean_found(self.resources, case) | row_found(self.resources, case, result) | own | {"command": command}

    def judge(self, case: Case, figure: str, measured: Measured, floor: Floor | None, *, bound: bool = False) -> None:
        """Fail the test if the figure does not keep the floor; warn if that is not settled.

        `bound` says that the figure is an upper bound, since the time was up: more samples may be adversarial.
        """
        if floor is None:
            return
        decision = decide(measured, floor, self.resources.settings.gates.fail_on, bound)
        case.item.stash.setdefault(DECISIONS, []).append(decision)
        if decision.ruling == "fails":
            fail(f"{figure} {decision.message}\nrepeat: {self.repeat} '{node_id(case.item)}'")
        if decision.ruling == "inconclusive":
            case.warn(f"inconclusive: {figure}: {decision.message}")


def _properties(item: pytest.Item, **figures: float) -> None:
    item.user_properties.extend((f"robust.{name}", round(figure, 4)) for name, figure in figures.items())

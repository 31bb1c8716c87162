"""The test of a row against a baseline: what the baseline keeps is tried first, then the row's attacks are run."""

from functools import cached_property

import pytest

from robust.attacks.spec import printable
from robust.baseline import shelf
from robust.baseline.margin import CLEAN, WORDS
from robust.baseline.paired import Flags, Paired, named
from robust.baseline.replay import replayed
from robust.baseline.row import UnfitError, standing
from robust.baseline.shelf import Baseline
from robust.record import Record, union
from robust.session.baselines import Guard
from robust.session.bench import Bench
from robust.session.case import COMPARED, Case, fail
from robust.session.chosen import Chosen, choose, row_of

REPLAY = ", by the baseline's own inputs alone, before any attack"


class Umpire:
    """The comparisons of one process."""

    def __init__(self, bench: Bench, given: list[str] | None) -> None:
        self._bench = bench
        self._workshop = bench.workshop
        self._given = given  # what the controller has chosen, in a worker

    @cached_property
    def chosen(self) -> Chosen:
        """pytest.UsageError where the baseline that was asked for is none for this run."""
        return choose(self._workshop) if self._given is None else Chosen.from_json(self._given)

    def regression(self, case: Case, guard: Guard) -> None:
        """The test of an accuracy against the baseline's."""
        baseline = self.chosen.baseline
        if baseline is None:
            pytest.skip(self.chosen.why)
        try:
            before = row_of(self._workshop, baseline, case.variant, guard, case.samples)
            stood = standing(before, guard.margin.metric)
            if guard.margin.metric == CLEAN:
                after = self._workshop.clean(case.module, case.samples).correct
            else:
                after = self._standing(case, guard, baseline, before, stood)
        except (UnfitError, ValueError) as error:
            fail(f"{baseline} cannot be compared with: {error.args[0]}")
        self._judge(case, guard, baseline, Paired(stood, after))

    def _standing(self, case: Case, guard: Guard, baseline: Baseline, before: Record, stood: Flags) -> Flags:
        """(n,): what stands today. It fails the test at once where so many fall to what the baseline keeps.

        More can only fall then, so what is lost is lost, and no more can be won than still stands.
        """
        correct, threat = self._workshop.clean(case.module, case.samples).correct, self._workshop.threat(guard.threat)
        kept = shelf.inputs_of(baseline.path_of(before))
        left = correct & ~replayed(case.module, case.samples, kept, threat, self._workshop.feed(case.module))
        if (least := Paired(stood, left)).ruling(guard.margin) == "fails":
            self._judge(case, guard, baseline, least, REPLAY)
        names = (guard.row,) if guard.row else self._workshop.settings.attacks
        results = [self._bench.ahead(case, name, guard.threat) for name in names]
        for result in results:
            if result.found.partial:
                fail(f"{result.attack} was stopped by the {result.found.partial}, so nothing shows that the model held")
        return left & ~union(result.broken for result in results)

    def _judge(self, case: Case, guard: Guard, baseline: Baseline, paired: Paired, how: str = "") -> None:
        """Note the figures; fail the test where too much is lost, and warn where that may be chance."""
        item, margin = case.item, guard.margin
        who = printable(f"{case.variant.spec.name} ({case.variant.training})")
        where = "" if margin.metric == CLEAN else f", {guard.threat}, {guard.row or 'all attacks'}"
        figure = f"{WORDS[margin.metric]} {paired}{how}"
        item.stash[COMPARED] = {"margin": str(margin), "told": f"compared with {baseline}: {who}{where}: {figure}"}
        figures = {"points": round(paired.points, 4), "p": paired.p, "lost": int(paired.lost.sum())}
        item.user_properties.extend((f"robust.{name}", value) for name, value in figures.items())
        ruling = paired.ruling(margin)
        if ruling == "inconclusive":
            short = f"{paired.points:+.1f} points are more than {margin} allows, and may be chance"
            case.warn(f"inconclusive: {WORDS[margin.metric]}{where}: {short} (p = {paired.p:.2g}); use more samples")
        if ruling == "fails":
            lost = f"lost: samples {named(paired.lost, case.samples.index)}"
            repeat = f"repeat: {self._bench.repeat} '{item.nodeid}'"
            fail("\n".join([f"{figure}: more than {margin} allows against {baseline}", lost, repeat]))

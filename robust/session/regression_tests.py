"""The test of a row against a baseline: what the baseline keeps is tried first, then the row's attacks are run."""

from dataclasses import replace
from functools import cached_property

import pytest

from robust.attacks.text import printable
from robust.baseline import store
from robust.baseline.comparison import Comparison, named
from robust.baseline.matching import AbsentError, UnfitError, Wanted, find_match, robust_flags
from robust.baseline.replay import replayed
from robust.baseline.store import Baseline
from robust.baseline.tolerance import CLEAN, ROBUST, WORDS, Tolerance, read_tolerance
from robust.flags import pack, union, unpack
from robust.records.record import Record
from robust.session.baseline import SelectedBaseline, row_of, select
from robust.session.case import COMPARED, Case, Found, fail
from robust.session.measurement import Measurements
from robust.session.results import Results, row_named
from robust.settings.baseline import RegressionCheck


class RegressionTest:
    """The comparisons of one process."""

    def __init__(self, measurements: Measurements, given: list[str] | None) -> None:
        self._measurements = measurements
        self._resources = measurements.resources
        self._given = given  # what the controller has chosen, in a worker

    @cached_property
    def chosen(self) -> SelectedBaseline:
        """pytest.UsageError where the baseline that was asked for is none for this run."""
        return select(self._resources) if self._given is None else SelectedBaseline.from_json(self._given)

    def compare(self, case: Case, check: RegressionCheck) -> None:
        """The test of an accuracy against the baseline's."""
        baseline = self.chosen.baseline
        if baseline is None:
            pytest.skip(self.chosen.why)
        if check.margin.metric == CLEAN:
            after = self._resources.clean(case.module, case.samples).correct
            self._judge(case, check, baseline, Comparison(self._row(case, check, baseline).correct, after))
        else:
            self._robust(case, check, baseline)

    def _row(self, case: Case, check: RegressionCheck, baseline: Baseline) -> Record:
        try:
            return row_of(self._resources, baseline, case.variant, check, case.samples)
        except UnfitError as error:
            fail(f"{baseline} cannot be compared with: {error.args[0]}")

    def _robust(self, case: Case, check: RegressionCheck, baseline: Baseline) -> None:
        """What is lost for sure, and won at most, as it becomes known: too much of it fails the test at once.

        At first by what the baseline keeps; then by the attacks on a few samples, and then on all.
        """
        before, measurements = self._row(case, check, baseline), self._measurements
        stood, left = robust_flags(before, ROBUST), self._resources.clean(case.module, case.samples).correct.copy()
        threat, feed = self._resources.threat(check.threat), self._resources.feed(case.module)
        try:
            replay = replayed(case.module, case.samples, store.inputs_of(baseline.path_of(before)), threat, feed)
        except ValueError as error:
            fail(f"{baseline} cannot be compared with: {error.args[0]}")
        left &= ~replay.fell
        self._judge_early(
            case, check, baseline, Comparison(stood, left), "by the baseline's inputs alone, before any attack"
        )
        names = (check.row,) if check.row else self._resources.settings.attacks
        if len(rows := replay.first(stood, left)):
            few = replace(case, samples=case.samples.take(rows))
            known = left.copy()
            known[rows] &= ~union(measurements.tried(few, name, check.threat) for name in names)
            told = f"by the baseline's inputs and the attacks on {len(rows)} samples, before all were attacked"
            self._judge_early(case, check, baseline, Comparison(stood, known), told)
        for result in (measurements.ahead(case, name, check.threat) for name in names):
            if result.found.partial:
                fail(f"{result.attack} was stopped by the {result.found.partial}, so nothing shows that the model held")
            left &= ~result.broken
        self._judge(case, check, baseline, Comparison(stood, left))

    def _judge_early(
        self, case: Case, check: RegressionCheck, baseline: Baseline, paired: Comparison, how: str
    ) -> None:
        """More can only fall than is known, so what fails now fails in the end."""
        if paired.ruling(check.margin) == "fails":
            self._judge(case, check, baseline, paired, f" (so far: {how})")

    def _judge(self, case: Case, check: RegressionCheck, baseline: Baseline, paired: Comparison, how: str = "") -> None:
        """Note the figures; fail the test where too much is lost, and warn where that may be chance."""
        item, margin, spec = case.item, check.margin, case.variant.spec
        row = "" if margin.metric == CLEAN else f", {check.threat}, {check.row or 'all attacks'}"
        figure = f"{WORDS[margin.metric]} {paired}{how}"
        who = f"compared with {baseline}: {printable(f'{spec.name} ({case.variant.training})')}{row}"
        item.stash[COMPARED] = {"told": f"{who}: {figure}", **figures_of(paired, margin)}
        if how:
            threat = str(self._resources.threat(check.threat))
            early = {"who": who, "row": [spec.text, case.variant.training, threat, check.row]}
            item.stash[COMPARED]["early"] = early | {"before": pack(paired.before), "after": pack(paired.after)}
        figures = {"points": round(paired.points, 4), "p": paired.p, "lost": int(paired.lost.sum())}
        item.user_properties.extend((f"robust.{name}", value) for name, value in figures.items())
        ruling = paired.ruling(margin)
        if ruling == "inconclusive":
            case.warn(_unsure(margin, row, paired))
        if ruling == "fails":
            lost = f"lost: samples {named(paired.lost, case.samples.index)}"
            repeat = f"repeat: {self._measurements.repeat} '{item.nodeid}'"
            fail("\n".join([f"{figure}: more than {margin} allows against {baseline}", lost, repeat]))

    def settle(self, results: Results) -> None:
        """Of what failed early tell the figures of the end, where the row was then measured nevertheless."""
        results.compared = dict(_settled(results, *each) for each in results.compared.items())

    def reported(self, results: Results) -> list[str]:
        """Compare the rows of the user's own tests that the baseline has, too; a line for each that is worse."""
        baseline, failures = self.chosen.baseline, []
        margin = next((each for each in self._resources.settings.baselines.margins if each.metric == ROBUST), None)
        if baseline is None or margin is None:
            return []
        for record in results.reported():
            who, row = printable(f"{record.model.name} ({record.model.training})"), f"{record.threat}, {record.suite}"
            try:
                before = find_match(baseline.records, Wanted.of(record))
            except AbsentError:  # the test is new
                continue
            except UnfitError as error:
                results.warnings[f"{who}, {row}: not compared with {baseline}: {error.args[0]}"] = None
                continue
            paired = Comparison(robust_flags(before, ROBUST), robust_flags(record, ROBUST))
            told = f"{who}, {row}: {WORDS[ROBUST]} {paired}"
            results.compared[f"compared with {baseline}: {told}"] = figures_of(paired, margin)
            ruling = paired.ruling(margin)
            if ruling == "inconclusive":
                results.warnings[f"{who}: {_unsure(margin, f', {row}', paired)}"] = None
            if ruling == "fails":
                failures.append(f"{told}: more than {margin} allows against {baseline}")
        return failures


def _settled(results: Results, told: str, figures: Found) -> tuple[str, Found]:
    early = figures.pop("early", {"row": ()})
    record = next((record for key, record in results.complete() if row_named(key) == early["row"]), None)
    if record is None:
        return told, figures
    before, after = (unpack(early[when], record.data.n) for when in ("before", "after"))
    paired = Comparison(
        before, after & robust_flags(record, ROBUST)
    )  # the baseline's inputs count here, and not in the row
    told = f"{early['who']}: {WORDS[ROBUST]} {paired}"
    return told, {"told": told, **figures_of(paired, read_tolerance(figures["margin"]))}


def figures_of(paired: Comparison, margin: Tolerance) -> Found:
    """A comparison as numbers, for whoever reads them by program."""
    counts = {name: int(getattr(paired, name).sum()) for name in ("before", "after", "lost", "won")}
    told = {"margin": str(margin), "metric": margin.metric, "points": float(margin.points)}
    return {**told, "n": len(paired.before), **counts, "p": paired.p, "ruling": paired.ruling(margin)}


def _unsure(margin: Tolerance, row: str, paired: Comparison) -> str:
    change = f"{paired.points:+.1f} points are more than {margin} allows, and may be chance"
    return f"inconclusive: {WORDS[margin.metric]}{row}: {change} (p = {paired.p:.2g}); use more samples"

"""The test of a row against a baseline: first the inputs that the baseline keeps are tried, then the row's attacks."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, reduce

import numpy as np
import pytest

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.text import printable
from robust.baseline import store
from robust.baseline.comparison import Comparison, Paired, name_samples
from robust.baseline.distances import DistanceComparison, NoCurveError, find_curve
from robust.baseline.iou_comparison import IouComparison, merge_regions
from robust.baseline.matching import UncertifiedError, UnfitError, certified_flags, robust_flags
from robust.baseline.mean_comparison import MeanComparison, compare_corrupted
from robust.baseline.replay import Replay, replay_inputs
from robust.baseline.store import Baseline
from robust.baseline.tolerance import CERTIFIED, CLEAN, CORRUPTED, DISTANCE, MEAN, MIOU, ROBUST, WORDS
from robust.flags import Flags, union
from robust.records.curve import Curve
from robust.records.record import Record
from robust.session.baseline import SelectedBaseline, find_row, select
from robust.session.case import COMPARED, Case, fail
from robust.session.certification import Certification
from robust.session.curve_tests import CurveTest
from robust.session.float_tests import FloatComparison
from robust.session.measurement import Measurements
from robust.session.preflight import Preflight
from robust.session.reported_regressions import describe_inconclusive, figures_of
from robust.session.resources import Resources
from robust.session.selection import is_measured_anyway, node_id
from robust.settings.baseline import FLOAT, RegressionCheck


class RegressionTest:
    """The comparisons of one process."""

    def __init__(
        self,
        resources: Resources,
        measurements: Measurements,
        preflight: Preflight,
        certification: Certification,
        curve_test: CurveTest,
        repeat: str,
        selected: list[str] | None,
    ) -> None:
        self._settings = resources.settings
        self._data = resources.data
        self._models = resources.models
        self._answers = resources.answers
        self._measurements = measurements
        self._preflight = preflight
        self._certification = certification
        self._curve_test = curve_test
        self._float = FloatComparison(resources, measurements, preflight)
        self._repeat = repeat  # the command of this run, without node ids
        self._given = selected  # what the controller has selected, in a worker

    @cached_property
    def selected(self) -> SelectedBaseline:
        """The baseline of this run; pytest.UsageError if the one that was asked for does not fit."""
        if self._given is not None:
            return SelectedBaseline.from_json(self._given)
        return select(self._settings, self._data, self._models)

    def test_regression(self, case: Case, check: RegressionCheck) -> None:
        """Test an accuracy against the baseline's."""
        if self._settings.baselines.compare == FLOAT:
            self._judge(case, check, *self._float.compare(case, check))
            return
        baseline = self.selected.baseline
        if baseline is None:
            pytest.skip(printable(self.selected.why))
        before = self._find_row(case, check, baseline)
        if check.margin.metric == CLEAN:
            after = self._answers.get_clean(case.module, case.samples).correct
            self._judge(case, check, Comparison(before.correct, after), _describe_training(case, before))
            return
        self._preflight.refuse_futile(case)
        tests = {CERTIFIED: self._test_certified, MEAN: self._test_mean, MIOU: self._test_mean}
        tests |= {CORRUPTED: self._test_corrupted, DISTANCE: self._test_distance}
        if test := tests.get(check.margin.metric):
            test(case, check, before)
        else:
            self._test_robust(case, check, baseline, before)

    def _find_row(self, case: Case, check: RegressionCheck, baseline: Baseline) -> Record:
        try:
            return find_row(baseline, check, case.variant, case.samples, self._settings, self._data, self._models)
        except UnfitError as error:
            fail(f"{baseline} cannot be compared with: {error.args[0]}")

    def _test_certified(self, case: Case, check: RegressionCheck, before: Record) -> None:
        """Compare what is certified, by the same method. The test is skipped if the baseline certifies nothing."""
        try:
            was_certified = certified_flags(before, self._settings.certify)
        except UncertifiedError as error:  # one that the user asked for was refused before the first test
            pytest.skip(printable(f"{self.selected.baseline}: {error.args[0]}"))
        certificate, _ = self._certification.certify(case, check.threat)
        comparison = Comparison(was_certified, certificate.certified)
        if certificate.partial and comparison.ruling(check.margin) != "holds":
            stopped = f"{certificate.method} was stopped by the {certificate.partial}"
            fail(f"{stopped}, so nothing shows that as many samples are still certified")
        self._judge(case, check, comparison, _describe_training(case, before))

    def _test_distance(self, case: Case, check: RegressionCheck, before: Record) -> None:
        """Compare the distances of a norm. The test is skipped if the baseline has no such curve."""
        norm = check.threat.partition(":")[0]
        try:
            old = find_curve(before, str(self._data.read_threat(str(self._settings.curves.end_of(norm)))))
        except NoCurveError as error:
            if self._settings.baselines.strict:
                fail(f"{self.selected.baseline}: {error.args[0]}")
            pytest.skip(printable(f"{self.selected.baseline}: {error.args[0]}"))
        for name in (check.row,) if check.row else self._settings.attacks:
            self._measurements.get(case, name, check.threat)  # the curve takes in what they find
        new = self._make_curve(case, norm)
        comparison = DistanceComparison(old, new)
        if new.partial and comparison.ruling(check.margin) != "fails":
            fail(f"the curve was stopped by the {new.partial}, so nothing shows that it is as good")
        self._judge(case, check, comparison, _describe_training(case, before))

    def _make_curve(self, case: Case, norm: str) -> Curve:
        return self._curve_test.make_curve(norm, self._curve_test.search.measure(case, norm)[0])

    def _test_robust(self, case: Case, check: RegressionCheck, baseline: Baseline, before: Record) -> None:
        """Compare on all samples, or as soon as losses are too many, if nothing else here attacks the others.

        First the inputs that the baseline keeps are tried, then the attacks on a few samples, and then on all. If
        other tests measure the row anyway, an early end would save nothing, and tell of one loss by two figures.
        """
        was_robust = robust_flags(before, ROBUST)
        clean = self._answers.get_clean(case.module, case.samples).correct
        replay = self._replay(case, check, baseline, before)
        names = (check.row,) if check.row else self._settings.attacks
        if not is_measured_anyway(case.item, check.threat, check.row, len(names)):
            self._judge_early(case, check, was_robust, clean, replay, names)
        results = [self._measurements.get(case, name, check.threat) for name in names]
        robust = clean & ~union(result.broken for result in results)
        comparison = Comparison(was_robust, robust & ~replay.adversarial)
        for result in results:
            if (partial := result.found.partial) and comparison.ruling(check.margin) != "fails":
                fail(f"{result.attack} was stopped by the {partial}, so nothing shows that the model is still robust")
        note = _describe_replayed(robust, replay) + _describe_training(case, before)
        self._judge(case, check, comparison, note)

    def _test_mean(self, case: Case, check: RegressionCheck, before: Record) -> None:
        """Compare the worst scores that the row's attacks find, on all samples; or of maps the mIoU there."""
        names = (check.row,) if check.row else self._settings.attacks
        results = [self._measurements.get(case, name, check.threat) for name in names]
        scores = [result.found.score for result in results if result.found.score is not None]
        worst = reduce(np.fmax if read_criterion(case.samples.criterion).rises else np.fmin, scores)
        comparison: Paired
        if check.margin.metric == MIOU:
            assert before.worst_regions is not None  # else refused before the first test
            regions = merge_regions((result.found for result in results), worst)
            comparison = IouComparison.of(before.worst_regions, regions)
        else:
            assert before.worst_score is not None
            comparison = MeanComparison.of(before.worst_score, worst, case.samples.criterion)
        name = "mIoU" if check.margin.metric == MIOU else "mean score"
        for found in (result.found for result in results):
            if (partial := found.partial or found.score_partial) and comparison.ruling(check.margin) != "fails":
                stopped = f"the search for the worst scores of {found.attack} was stopped by the {partial}"
                fail(f"{stopped}, so nothing shows that the {name} is not worse")
        self._judge(case, check, comparison, _describe_training(case, before))

    def _test_corrupted(self, case: Case, check: RegressionCheck, before: Record) -> None:
        """Compare the answers to each corruption of each sample."""
        names = (check.row,) if check.row else self._settings.attacks
        results = [self._measurements.get(case, name, check.threat) for name in names]
        after = next(result.corrupted for result in results if result.corrupted is not None)
        assert before.corrupted is not None  # else refused before the first test
        if not np.isfinite(after.right).all():
            fail("the time was up before each corruption was asked for, so nothing shows that the mean is not worse")
        self._judge(case, check, compare_corrupted(before.corrupted, after), _describe_training(case, before))

    def _replay(self, case: Case, check: RegressionCheck, baseline: Baseline, before: Record) -> Replay:
        threat, batcher = self._data.read_threat(check.threat), self._answers.get_batcher(case.module)
        try:
            saved = store.read_inputs(baseline.path_of(before))
            return replay_inputs(case.module, case.samples, saved, threat, batcher)
        except ValueError as error:
            fail(f"{baseline} cannot be compared with: {error.args[0]}")

    def _judge_early(
        self, case: Case, check: RegressionCheck, before: Flags, clean: Flags, replay: Replay, names: Sequence[str]
    ) -> None:
        """Fail the test if it fails already: attacks that are still to come can only make the loss larger."""
        robust = clean & ~replay.adversarial
        if (comparison := Comparison(before, robust)).ruling(check.margin) == "fails":
            self._judge(case, check, comparison, " (so far: by the baseline's inputs alone, before any attack)")
        if not len(rows := replay.first(before, robust)):
            return
        few = replace(case, samples=case.samples.take(rows))
        robust[rows] &= ~union(self._measurements.run(few, name, check.threat).broken for name in names)
        if (comparison := Comparison(before, robust)).ruling(check.margin) == "fails":
            so_far = f"by the baseline's inputs and the attacks on {len(rows)} samples, before all were attacked"
            self._judge(case, check, comparison, f" (so far: {so_far})")

    def _judge(self, case: Case, check: RegressionCheck, comparison: Paired, note: str = "") -> None:
        """Note the figures; fail the test if too much is lost, and warn if that may be chance.

        `note` says in brackets what else belongs to the figure.
        """
        margin, spec = check.margin, case.variant.spec
        is_float = self._settings.baselines.compare == FLOAT
        baseline = "its float network" if is_float else self.selected.baseline
        row = {
            CLEAN: "",
            CERTIFIED: f", {check.threat}, {self._settings.certify}",
            DISTANCE: f", {check.threat.partition(':')[0]}",
        }.get(margin.metric, f", {check.threat}, {check.row or 'all attacks'}")
        figure = f"{WORDS[margin.metric]} {comparison}{note}"
        who = f"compared with {baseline}: {printable(f'{spec.name} ({case.variant.training})')}{row}"
        figures = {"text": f"{who}: {figure}", **figures_of(comparison, margin)}
        case.item.stash[COMPARED] = figures
        case.note("change" if margin.metric == MEAN else "points", round(comparison.points, 4))
        case.note("p", comparison.p)
        case.note("lost", int(comparison.lost.sum()))
        ruling = comparison.ruling(margin)
        if ruling == "inconclusive":
            case.warn(describe_inconclusive(margin, row, comparison))
        if ruling == "fails":
            word, which = (
                "worse" if margin.metric in (MEAN, MIOU, CORRUPTED) else "lost",
                name_samples(comparison.lost, case.samples.index),
            )
            lost = f"{word}: samples {which}"
            repeat = f"repeat: {self._repeat} '{node_id(case.item)}'"
            fail("\n".join([f"{figure}: more than {margin} allows against {baseline}", lost, repeat]))


def _describe_training(case: Case, before: Record) -> str:
    """Return a note if the baseline's row is of the same model, trained otherwise; else ""."""
    other = before.model.name == case.variant.spec.name and before.model.training != case.variant.training
    return printable(f" (the baseline's row is of {before.model.training})") if other else ""


def _describe_replayed(robust: Flags, replay: Replay) -> str:
    """Describe how the figure of the row, which knows no baseline, differs from the comparison; "" if not."""
    alone = int((robust & replay.adversarial).sum())
    samples = f"{alone} sample{'s are' if alone > 1 else ' is'} adversarial by the baseline's inputs alone"
    return f" ({samples}, which the row with its {100 * robust.mean():.1f} % does not count)" if alone else ""

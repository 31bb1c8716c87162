"""The test of a curve: the accuracy at every eps of a norm, and the floors at those that are not planned."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from robust.data.spool import pick_rows
from robust.evaluation.curve import CurveResult
from robust.evaluation.illustrate import illustrate
from robust.evaluation.measure import AttackResult
from robust.flags import Flags
from robust.gates import Measured
from robust.records.added import CURVE
from robust.records.curve import Curve, describe_radius, to_float32
from robust.session.accuracy_tests import AccuracyTest
from robust.session.case import Case, fail
from robust.session.curve import CurveSearch, radius_of
from robust.session.measurement import Measurements
from robust.session.payload import CurvePayload, RowPart
from robust.session.payload_builder import PayloadBuilder
from robust.session.preflight import Preflight
from robust.session.resources import Resources
from robust.user_code import describe_user_error
from robust.verification.candidates import Candidates


class CurveTest:
    """The tests of curves of one process."""

    def __init__(
        self,
        resources: Resources,
        measurements: Measurements,
        preflight: Preflight,
        search: CurveSearch,
        accuracy_test: AccuracyTest,
    ) -> None:
        self._settings = resources.settings
        self._data = resources.data
        self._answers = resources.answers
        self._ranks = resources.ranks
        self._measurements = measurements
        self._preflight = preflight
        self.search = search
        self._accuracy = accuracy_test
        self._payloads = PayloadBuilder(resources)

    def test_curve(self, case: Case, norm: str) -> None:
        """Test the accuracy at every eps of a norm."""
        self._preflight.refuse_futile(case)
        result, cache = self.search.measure(case, norm)
        if result.faulty:
            fail(f"the model answered {result.faulty} samples of the curve up to {result.threat} with NaN or infinity")
        self._measurements.check_unverified(case, result.fault, f"curve up to {result.threat}")
        curve = self.make_curve(norm, result)
        row = RowPart(norm, self._accuracy.commands.row, cache=cache)
        payload = replace(self._payloads.build(case, row), curve=self._build(case, curve, result))
        case.hand_over(payload)
        case.note("curve_end", curve.end)
        case.note("curve_median", describe_radius(curve, curve.median))
        for text, robust in curve.list_marks():
            case.note(f"robust_percent_at_{text}", round(100 * float(robust.mean()), 4))
        if curve.partial:
            case.note("partial", curve.partial)
        self._judge(case, curve, whole=result.whole)

    def make_curve(self, norm: str, result: CurveResult) -> Curve:
        """Return the curve as records keep it."""
        settings = self._settings
        planned = [threat for threat in settings.threats if threat.partition(":")[0] == norm]
        floors = [floor.threat for floor in settings.gates.curve(norm, settings.threats)]
        radii = [radius_of(text) for text in (*planned, *floors, *settings.curves.eps) if text.startswith(f"{norm}:")]
        return Curve(
            end=result.threat,
            distance=to_float32(result.distance, radii),
            attacks=result.attacks,
            eps=settings.curves.list_eps(norm),
            forwards=result.forwards,
            backwards=result.backwards,
            seconds=result.seconds,
            partial=result.partial,
        )

    def _judge(self, case: Case, curve: Curve, *, whole: bool) -> None:
        """Decide every floor at an eps that is not planned; one failure tells of all that fail."""
        messages = []
        for floor in self._settings.gates.curve(curve.norm, self._settings.threats):
            measured = Measured.of(int(curve.robust_at(radius_of(floor.threat)).sum()), len(curve.distance))
            figure = f"robust accuracy {measured} on the curve at {floor.threat}"
            try:
                if not whole and measured.percent >= floor.percent:
                    fail(
                        f"--robust-fail-under={floor}: the curve was stopped by the time before its first attack "
                        "ended, so nothing shows that it holds; give it more time"
                    )
                self._accuracy.judge(case, figure, measured, floor, bound=bool(curve.partial))
            except pytest.fail.Exception as failure:
                messages.append(str(failure.msg))
        if messages:
            fail("\n".join(messages))

    def _build(self, case: Case, curve: Curve, result: CurveResult) -> CurvePayload:
        """Build the part of the curve: what rounding leaves at the planned eps, the inputs, and images."""
        threats = [threat for threat in self._settings.threats if threat.partition(":")[0] == curve.norm]
        rounded = {str(self._data.read_threat(each)): self._round(case, curve, result, each) for each in threats}
        images = self._draw_nearest(case, curve, result)
        inputs = self._payloads.write_inputs(case, f"{CURVE} {curve.end}", result.x_adv, images)
        known = {threat: flags for threat, flags in rounded.items() if flags is not None}
        return CurvePayload(curve, known, inputs, tuple(images))

    def _round(self, case: Case, curve: Curve, result: CurveResult, threat: str) -> Flags | None:
        """Mark the samples, (n,), that are adversarial also after rounding; None where the data keep to no levels."""
        allowed = self._data.read_threat(threat)
        broken = result.found & ~curve.robust_at(radius_of(threat))
        places = np.flatnonzero(broken[result.found])

        def work() -> Flags | None:
            fault = np.zeros(len(broken), np.int8)
            found = AttackResult(CURVE, {}, broken, pick_rows(result.x_adv, places), 0, fault, 0, 0, 0.0)
            return self._measurements.round(case, found, allowed).rounded

        return self._ranks.once(work)

    def _draw_nearest(self, case: Case, curve: Curve, result: CurveResult) -> dict[str, NDArray[Any]]:
        """Draw images of the nearest adversarial inputs, for the page. An error costs the row nothing but them."""
        settings, dataset = self._settings, self._settings.dataset
        if settings.leaderboard is None or not settings.gallery or not self._ranks.first:
            return {}
        rows = np.flatnonzero(result.found)
        nearest = np.sort(rows[np.argsort(result.distance[rows], kind="stable")][: settings.gallery])
        marks = np.zeros(len(result.distance), bool)
        marks[nearest] = True
        x_adv, samples = pick_rows(result.x_adv, np.flatnonzero(marks[rows])), case.samples.take(nearest)
        batch = self._answers.get_batcher(case.module).size
        try:
            candidates = Candidates(x_adv, samples.x, samples.y, curve.end, (dataset.lo, dataset.hi), batch)
            gallery = illustrate(case.module, candidates, marks, most=settings.gallery, seed=case.seed)
        except Exception as error:
            case.warn(f"no images of the curve up to {curve.end}: {describe_user_error(error)}")
            return {}
        return replace(gallery, distance=curve.distance[gallery.row]).arrays() if gallery else {}

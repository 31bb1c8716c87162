"""The test of a curve: the accuracy at every eps of a norm, and the floors at those that are not planned."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from robust.baseline.comparison import name_samples
from robust.data.spool import pick_rows
from robust.evaluation.attack_run import candidates_of
from robust.evaluation.curve import CurveResult
from robust.evaluation.illustrate import illustrate
from robust.evaluation.measure import AttackResult
from robust.flags import Flags
from robust.gates import Measured
from robust.records.added import CURVE
from robust.records.curve import Curve, describe_radius, eps_of, to_float32
from robust.session.accuracy_tests import AccuracyTest
from robust.session.case import Case, fail
from robust.session.certification import Certification
from robust.session.curve import CurveSearch
from robust.session.measurement import Measurements
from robust.session.payload import CurvePayload, RowPart
from robust.session.payload_builder import PayloadBuilder
from robust.session.preflight import Preflight
from robust.session.resources import Resources
from robust.session.unverified import check_unverified
from robust.user_code import describe_user_error


class CurveTest:
    """The tests of curves of one process."""

    def __init__(
        self,
        resources: Resources,
        measurements: Measurements,
        preflight: Preflight,
        search: CurveSearch,
        certification: Certification,
        accuracy_test: AccuracyTest,
    ) -> None:
        self._settings = resources.settings
        self._data = resources.data
        self._answers = resources.answers
        self._ranks = resources.ranks
        self._measurements = measurements
        self._preflight = preflight
        self.search = search
        self._certification = certification
        self._accuracy = accuracy_test
        self._payloads = PayloadBuilder(resources)

    def test_curve(self, case: Case, norm: str) -> None:
        """Test the accuracy at every eps of a norm."""
        self._preflight.refuse_futile(case)
        result, cache = self.search.measure(case, norm)
        if result.faulty:
            fail(f"the model answered {result.faulty} samples of the curve up to {result.threat} with NaN or infinity")
        check_unverified(case, result.fault, f"curve up to {result.threat}")
        curve = self.make_curve(norm, result)
        if self._settings.certify:
            radii = self._list_radii(norm)
            curve = replace(curve, proved=self._certification.find_radii(case, result, radii, Path(cache)))
        row = RowPart(norm, self._accuracy.commands.row, cache=cache)
        payload = replace(self._payloads.build(case, row), curve=self._build(case, curve, result))
        case.hand_over(payload)
        case.note("curve_end", curve.end)
        case.note("curve_median", describe_radius(curve, curve.median))
        for text, robust in curve.list_marks():
            case.note(f"robust_percent_at_{text}", round(100 * float(robust.mean()), 4))
        for text, certified in curve.list_proved():
            case.note(f"certified_percent_at_{text}", round(100 * float(certified.mean()), 4))
        if curve.partial:
            case.note("partial", curve.partial)
        if curve.proved:
            case.note("certify", curve.proved.method)
            case.note("certified_median", describe_radius(curve, curve.proved.median))
            if curve.proved.partial:
                case.note("certified_partial", curve.proved.partial)
        self._refuse_contradictions(case, curve)
        self._judge(case, curve, whole=result.whole)

    def make_curve(self, norm: str, result: CurveResult) -> Curve:
        """Return the curve as records keep it."""
        return Curve(
            end=result.threat,
            distance=to_float32(result.distance, self._list_radii(norm)),
            attacks=result.attacks,
            eps=self._settings.curves.list_eps(norm),
            forwards=result.forwards,
            backwards=result.backwards,
            seconds=result.seconds,
            partial=result.partial,
        )

    def _list_radii(self, norm: str) -> list[float]:
        """List the radii of a norm at which anything is read from the curve."""
        settings = self._settings
        floors = [floor.threat for floor in settings.gates.curve(norm, settings.threats)]
        texts = (*settings.threats, *floors, *settings.curves.eps)
        return [eps_of(text) for text in texts if text.partition(":")[0] == norm]

    def _refuse_contradictions(self, case: Case, curve: Curve) -> None:
        """Fail the test if a sample is certified within a radius in which an adversarial input was verified."""
        if curve.proved is None or not curve.contradicted.any():
            return
        which = name_samples(curve.contradicted, case.samples.index)
        told = f"certified by {curve.proved.method} up to a radius within which a verified input is answered wrong"
        fail(f"samples {which}: {told}; one of the two is at fault, and the row holds both, so report it with the row")

    def _judge(self, case: Case, curve: Curve, *, whole: bool) -> None:
        """Decide every floor at an eps that is not planned; one failure tells of all that fail."""
        messages = []
        for floor in self._settings.gates.curve(curve.norm, self._settings.threats):
            marks = (curve.certified_at if floor.is_certified else curve.robust_at)(eps_of(floor.threat))
            measured, bound = Measured.of(int(marks.sum()), len(marks)), bool(curve.partial) and not floor.is_certified
            word = (
                f"certified {measured} by {self._settings.certify}"
                if floor.is_certified
                else f"robust accuracy {measured}"
            )
            figure = f"{word} on the curve at {floor.threat}"
            try:
                if not whole and not floor.is_certified and measured.percent >= floor.percent:
                    fail(
                        f"--robust-fail-under={floor}: the curve was stopped by the time before its first attack "
                        "ended, so nothing shows that it holds; give it more time"
                    )
                late = bool(floor.is_certified and curve.proved and curve.proved.partial)
                advice = "give it more time, with --robust-time" * late
                self._accuracy.judge(case, figure, measured, floor, bound=bound, advice=advice)
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
        broken = result.found & ~curve.robust_at(eps_of(threat))
        places = np.flatnonzero(broken[result.found])

        def work() -> Flags | None:
            fault = np.zeros(len(broken), np.int8)
            found = AttackResult(CURVE, {}, broken, pick_rows(result.x_adv, places), 0, fault, 0, 0, 0.0)
            return self._measurements.round(case, found, allowed).rounded

        return self._ranks.once(work)

    def _draw_nearest(self, case: Case, curve: Curve, result: CurveResult) -> dict[str, NDArray[Any]]:
        """Draw images of the nearest adversarial inputs, for the page. An error costs the row nothing but them."""
        settings = self._settings
        if settings.leaderboard is None or not settings.gallery or not self._ranks.first:
            return {}
        rows = np.flatnonzero(result.found)
        nearest = np.sort(rows[np.argsort(result.distance[rows], kind="stable")][: settings.gallery])
        marks = np.zeros(len(result.distance), bool)
        marks[nearest] = True
        x_adv, samples = pick_rows(result.x_adv, np.flatnonzero(marks[rows])), case.samples.take(nearest)
        batch = self._answers.get_batcher(case.module).size
        try:
            candidates = candidates_of(samples, x_adv, self._data.read_threat(curve.end), batch)
            gallery = illustrate(case.module, candidates, marks, most=settings.gallery, seed=case.seed)
        except Exception as error:
            case.warn(f"no images of the curve up to {curve.end}: {describe_user_error(error)}")
            return {}
        return replace(gallery, distance=curve.distance[gallery.row]).arrays() if gallery else {}

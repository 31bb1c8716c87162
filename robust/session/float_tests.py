"""The comparison of a compressed network with the float network that it came from: same samples, same attacks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robust.attacks.text import printable
from robust.baseline.comparison import Comparison
from robust.baseline.tolerance import CLEAN
from robust.device import device_of
from robust.evaluation.forward_cost import compare_forwards
from robust.flags import Flags, union
from robust.session.case import Case, fail
from robust.session.float_models import FloatModels, find_card
from robust.session.measurement import Measurements
from robust.session.preflight import Preflight
from robust.session.resources import Resources
from robust.settings.baseline import RegressionCheck

TIMED = 64  # samples of a forward pass that is timed


class FloatComparison:
    """The comparisons of one process."""

    def __init__(self, resources: Resources, measurements: Measurements, preflight: Preflight) -> None:
        self._settings = resources.settings
        self._floats = FloatModels(resources)
        self._answers = resources.answers
        self._measurements = measurements
        self._preflight = preflight

    def compare(self, case: Case, check: RegressionCheck) -> tuple[Comparison, str]:
        """Measure both networks; return the comparison, and what else belongs to it in brackets.

        The test is skipped for a model that is not of robust compress.
        """
        card = find_card(case.variant)
        if card is None:
            pytest.skip(printable(f"{case.variant.spec.text} is not of robust compress, so it has no float network"))
        try:
            variant, subject = self._floats.load(case.variant, card)
        except (ValueError, LookupError) as error:
            fail(f"{card.source.model}: {error.args[0]}")
        before = replace(case, variant=variant, module=subject.module)
        note = f" (size {100 * card.bytes / card.source.bytes:.0f} %{self._describe_cost(case, before)})"
        if check.margin.metric == CLEAN:
            return Comparison(self._get_correct(before), self._get_correct(case)), note
        self._preflight.refuse_futile(case)
        comparison = Comparison(self._measure(before, check), self._measure(case, check))
        return comparison, note

    def _get_correct(self, case: Case) -> Flags:
        return self._answers.get_clean(case.module, case.samples).correct

    def _measure(self, case: Case, check: RegressionCheck) -> Flags:
        """Return the samples, (n,), that are right and that no attack of the row breaks."""
        names = (check.row,) if check.row else self._settings.attacks
        results = [self._measurements.get(case, name, check.threat) for name in names]
        for result in results:
            if partial := result.found.partial:
                fail(
                    f"{result.attack} on {case.variant.spec.name} was stopped by the {partial}: nothing can be compared"
                )
        return self._get_correct(case) & ~union(result.broken for result in results)

    def _describe_cost(self, case: Case, before: Case) -> str:
        """Return what a forward pass costs beside the float network's: its time, and energy where it can be read."""
        rows = np.arange(min(TIMED, len(case.samples)))
        x = torch.tensor(case.samples.take(rows).x[:], device=device_of(case.module))
        cost = compare_forwards(case.module, before.module, x)
        case.note("time_ratio", round(cost.time, 4))
        energy = "" if cost.energy is None else f", energy {100 * cost.energy:.0f} %"
        return f", time of a forward pass {100 * cost.time:.0f} %{energy}"

"""training-samples: samples of the training split were measured."""

import math
from typing import NamedTuple

import numpy as np

from robust.data.bounds import Bounds, Clamped
from robust.data.dataset import Dataset
from robust.data.lazy_inputs import Inputs, LazyInputs, is_array, iter_parts
from robust.flags import Flags
from robust.records.trust import Finding, NotApplicableError
from robust.sampling import draw_rows
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._samples import describe_rest
from robust.trust.significance import is_significant

MAX_VALUES = 2e8  # that are read of a training split for this
MAX_ITEMS = 2000  # that are read where each is decoded or computed
MAX_SHARE = 0.05  # of the samples: sets of images are known to share some between their splits
SAME = 16  # samples with the same numbers in both splits tell that these are one


class Search(NamedTuple):
    """The samples found in a training split."""

    known: Flags  # (m,): the samples that are there, too
    searched: int  # samples of the split
    total: int  # samples of the split


@INDICATORS.register("training-samples")
@any_criterion
@costs(lambda probe: 0)
def training_samples(probe: AttackProbe) -> Finding | None:
    """Check that no samples lie in the training split of the data, value by value (1902.06705).

    Of a split that is large, or read item by item, a part is drawn; then so many must be found there that more than the
    allowed share of the samples is significantly in all of it. NotApplicableError if there is no training split, or it
    is the one that was measured under another name.
    """
    known, searched, total = _search(probe)
    count, n, part = int(known.sum()), len(known), searched / total
    allowed = f"expected at most {100 * MAX_SHARE * part:.2g} %"
    if part == 1 and count > MAX_SHARE * n:
        message = f"{count} of {n} samples are in the training split, too; {allowed}"
        hint = f"measure on samples that no training has seen: {describe_rest(probe, ~known, 'others')}"
        return Finding("training-samples", "suspect", count / n, message, hint)
    if part < 1 and is_significant(count, n, MAX_SHARE * part):
        among = f"{searched} training samples, of {total}, that were searched"
        message = f"{count} of {n} samples are among the {among}; {allowed}"
        hint = (
            f"measure on samples that no training has seen: about {min(100, 100 * count / n / part):.0f} % of these are"
        )
        return Finding("training-samples", "suspect", count / n, message, f"{hint} training samples")
    return None


def _search(probe: AttackProbe) -> Search:
    """Search the training split for the samples; NotApplicableError if it cannot be read."""
    nothing = NotApplicableError("there is no training split that could be searched")
    if probe.dataset is None:
        raise nothing
    with probe.dataset.remarks.unchanged():
        try:
            return _search_rows(probe, probe.dataset)
        except NotApplicableError:
            raise
        except Exception as error:  # a function of the user's may know one split alone, and a file may be damaged
            raise nothing from error


def _search_rows(probe: AttackProbe, dataset: Dataset) -> Search:
    source, _ = dataset.read("train")
    total, shape = len(source), probe.samples.x.shape[1:]
    most = int(MAX_VALUES // max(1, math.prod(shape)))
    rows = draw_rows(total, min(total, most if is_array(source) else min(most, MAX_ITEMS)), probe.seed)
    inputs = source if dataset.layout else Clamped(source, Bounds(dataset.lo, dataset.hi), dataset.remarks)
    _refuse_same(probe, dataset, inputs)
    own = [row.tobytes() for row in probe.samples.x[:]]
    wanted, found = {*own}, set[bytes]()
    for x in iter_parts(LazyInputs(inputs, rows, shape)):
        found |= wanted.intersection(row.tobytes() for row in x)
    return Search(np.array([row in found for row in own]), len(rows), total)


def _refuse_same(probe: AttackProbe, dataset: Dataset, inputs: Inputs) -> None:
    """Raise NotApplicableError if the samples have the same numbers in a training split that is as long as theirs."""
    few = probe.samples.take(np.arange(min(SAME, len(probe.samples))))
    there = int(few.index.max()) < len(inputs) and np.array_equal(inputs[few.index], few.x)
    if there and len(inputs) == len(dataset.read("test")[1]):
        raise NotApplicableError("the data has the same samples in both splits")

"""A published row, checked against its evidence: what it claims is recomputed where the evidence allows, not attacked.

Whoever changes a record, its inputs or the model has to change what is checked here all at once, and the model still
has to answer so.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import nn

from robust.data.dataset import Dataset, Samples
from robust.evaluation.illustrate import to_images
from robust.evaluation.measure import BATCH
from robust.flags import Flags
from robust.models.load import hash_weights
from robust.records.evidence import Evidence
from robust.records.gallery import Gallery
from robust.records.record import Record
from robust.verification.candidates import Candidates
from robust.verification.check import check_labels, describe_faults, verify
from robust.verification.rounding import verify_rounded

CLASSES = ("n", "correct", "robust")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    sound: bool
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """A record, its evidence, and the data and the model that these are said to be of."""

    record: Record
    evidence: Evidence
    samples: Samples  # of the evidence's numbers
    dataset: Dataset
    module: nn.Module

    @property
    def batch(self) -> int:
        """The attacks', where it is known."""
        return int(self.record.provenance.get("batch", BATCH))

    @property
    def candidates(self) -> Candidates:
        """The inputs of the evidence, to be verified."""
        samples, bounds = self.samples.take(self.evidence.row), (self.dataset.lo, self.dataset.hi)
        return Candidates(self.evidence.x_adv, samples.x, samples.y, self.record.threat, bounds, self.batch)


def check_files(record: Record, content: bytes) -> Iterator[Check]:
    """What the two files say of each other; nothing else can be believed where the last of these is not sound."""
    digest = hashlib.sha256(content).hexdigest()
    try:
        evidence = Evidence.from_bytes(content)
        wrong = next(_discords(record, evidence), None)
    except Exception as error:  # a damaged archive raises anything
        wrong = f"not a sound file: {error}"
    if digest != record.evidence:
        yield Check("evidence", False, f"sha256 {digest[:8]}, recorded {(record.evidence or 'none')[:8]}")
    elif wrong:
        yield Check("evidence", False, wrong)
    else:
        adversarial = int((record.correct & ~record.robust).sum())
        yield Check(
            "evidence", True, f"sha256 {digest[:8]}, inputs of {len(evidence.row)} of {adversarial} broken samples"
        )


def check_row(row: Row) -> Iterator[Check]:
    """The row against the data and the model."""
    record, samples = row.record, row.samples
    alike = row.evidence.x_adv.shape[1:] == samples.x.shape[1:] and np.array_equal(samples.y, row.evidence.y)
    same = alike and samples.digest == record.data.digest
    yield Check("data", same, f"{record.data.name}, {len(samples)} samples, sha256 {samples.digest[:8]}")
    if not same:
        return
    weights, params = hash_weights(row.module), sum(p.numel() for p in row.module.parameters())
    yield Check(
        "model",
        (weights, params) == (record.model.weights, record.model.params),
        f"sha256 {weights[:8]}, recorded {record.model.weights[:8]}",
    )
    yield _inputs(row)
    if record.levels is not None:
        yield _rounded(row)
    if row.evidence.gallery is not None:
        yield _pictures(row, row.evidence.gallery)
    yield _clean(row)


def supported(row: Row) -> float:
    """The robust accuracy in percent that the evidence alone shows to be the most."""
    left = row.record.correct.copy()
    left[row.evidence.row] = False
    return 100 * float(left.mean())


def _discords(record: Record, evidence: Evidence) -> Iterator[str]:
    """Where the record and its evidence, or the record's own parts, do not agree."""
    n, inputs = record.data.n, len(evidence.row)
    shapes = (len(evidence.y), len(evidence.index), len(evidence.x_adv), len(evidence.by))
    if shapes != (n, n, inputs, inputs):
        yield f"{shapes} labels, numbers, inputs and attacks for {n} samples and {inputs} inputs"
    elif inputs and not (
        (np.diff(evidence.row) > 0).all() and 0 <= evidence.row[0] <= evidence.row[-1] < n
        and 0 <= evidence.by.min() <= evidence.by.max() < len(record.attacks)
    ):  # fmt: skip
        yield "inputs of samples or attacks that are not there"
    else:
        by = [record.attacks[k].adversarial[row] for k, row in zip(evidence.by, evidence.row, strict=True)]
        if missed := by.count(False):
            yield f"inputs of {missed} samples that the record says are not broken"
        adversarial = int((record.correct & ~record.robust).sum())
        if inputs != record.provenance.get("inputs", adversarial):
            yield f"{inputs} inputs, recorded {record.provenance.get('inputs', adversarial)}"
        if (gallery := evidence.gallery) and not (
            (record.correct & ~record.robust)[gallery.row].all()
            and np.array_equal(evidence.y[gallery.row], gallery.label)
        ):
            yield "pictures of samples that are not broken, or have other labels"
        if any((attack.adversarial & ~record.correct).any() for attack in record.attacks):
            yield "samples that are broken, and not answered right without an attack"
        if any(a.rounded is not None and (a.rounded & ~a.adversarial).any() for a in record.attacks):
            yield "samples that are broken by rounded inputs alone"
        if any(a.stages and a.stages[-1].adversarial > a.adversarial.sum() for a in record.attacks):
            yield "stages that broke more than all together"
        if (recorded := record.provenance.get("classes")) and _by_class(record, evidence) != [
            recorded[key] for key in CLASSES
        ]:
            yield "counts by class that are not those of the outcomes"


def _by_class(record: Record, evidence: Evidence) -> list[list[int]]:
    flags: list[Flags | None] = [None, record.correct, record.robust]
    return [np.bincount(evidence.y, weights=each).astype(int).tolist() for each in flags]


def _inputs(row: Row) -> Check:
    """Every adversarial input, as `verify` has it; where only rounding speaks against one it is told."""
    look = verify(row.module, row.candidates)
    n, verified = len(look.fault), int((look.fault == 0).sum())
    text = f"{verified} of {n} are adversarial under {row.record.threat}"
    edge = f"{look.edge} so nearly that rounding decides" if look.edge else ""
    return Check("inputs", not look.wrong.any(), ", ".join(filter(None, (text, edge, describe_faults(look.wrong)))))


def _rounded(row: Row) -> Check:
    assert row.record.levels is not None
    look, evidence = verify_rounded(row.module, row.candidates, row.record.levels), row.evidence
    flags = [row.record.attacks[k].rounded for k in evidence.by]
    recorded = np.array([each is not None and each[at] for each, at in zip(flags, evidence.row, strict=True)], bool)
    other = int(((recorded != (look.fault == 0)) & ~look.near).sum())
    text = f"{np.count_nonzero(look.fault == 0)} of {len(recorded)} still are, rounded to {row.record.levels} levels"
    return Check("rounded", not other, text + (f"; {other} not as recorded" if other else ""))


def _pictures(row: Row, gallery: Gallery) -> Check:
    """Whether the page shows the samples as the originals that they are."""
    mine = to_images(row.samples.take(gallery.row).x[:], (row.dataset.lo, row.dataset.hi))
    alike = mine.shape == gallery.original.shape and np.array_equal(mine, gallery.original)
    return Check("pictures", alike, f"{len(mine)} originals are {'the' if alike else 'not all'} samples")


def _clean(row: Row) -> Check:
    answered, near = check_labels(row.module, row.samples.x, row.samples.y, row.batch)
    differ = answered != row.record.correct
    other = int((differ & ~near).sum())
    edge = f", {(differ & near).sum()} on the edge" if (differ & near).any() else ""
    text = f"{100 * answered.mean():.2f} %, recorded {100 * row.record.correct.mean():.2f} %{edge}"
    return Check("clean", not other, text + (f"; {other} samples are not answered as recorded" if other else ""))

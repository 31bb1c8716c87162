"""Check a published row against its evidence: recompute what the evidence allows, without an attack.

Whoever changes a record, its inputs or the model has to change what is checked here all at once, and the model still
has to answer so.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from robust.attacks.threats.threat import read_threat
from robust.commands.row_check import Check, Row
from robust.commands.verify_bounds import certify_again
from robust.commands.verify_corruptions import check_corruptions
from robust.commands.verify_curve import check_curve, check_radii
from robust.commands.verify_queries import find_wrong_queries
from robust.commands.verify_scores import compare_scores
from robust.evaluation.illustrate import to_images
from robust.flags import Flags
from robust.models.weights import count_parameters, hash_weights
from robust.records.certificate import Certificate
from robust.records.evidence import Evidence
from robust.records.gallery import Gallery
from robust.records.record import Record
from robust.verification.check import check_labels, describe_faults, verify
from robust.verification.rounding import verify_rounded

CLASSES = ("n", "correct", "robust")


def check_files(record: Record, content: bytes) -> Iterator[Check]:
    """Check the record and its evidence against each other; if the last check fails, no other can be believed."""
    digest = hashlib.sha256(content).hexdigest()
    try:
        evidence = Evidence.from_bytes(content)
        wrong = next(_find_contradictions(record, evidence), None)
    except Exception as error:  # a damaged archive raises anything
        wrong = f"not a sound file: {error}"
    if digest != record.evidence:
        yield Check("evidence", False, f"sha256 {digest[:8]}, recorded {(record.evidence or 'none')[:8]}")
    elif wrong:
        yield Check("evidence", False, wrong)
    else:
        adversarial = int((record.correct & ~record.robust).sum())
        yield Check(
            "evidence", True, f"sha256 {digest[:8]}, inputs of {len(evidence.row)} of {adversarial} adversarial samples"
        )


def check_row(row: Row) -> Iterator[Check]:
    """Check the row against the data and the model; the model is not asked if the data is another."""
    record, samples = row.record, row.samples
    alike = row.evidence.x_adv.shape[1:] == samples.x.shape[1:] and np.array_equal(
        samples.y, row.evidence.y, equal_nan=samples.y.dtype.kind == "f"
    )
    same = alike and samples.digest == record.data.digest
    yield Check("data", same, f"{record.data.name}, {len(samples)} samples, sha256 {samples.digest[:8]}")
    if not same:
        return
    weights, params = hash_weights(row.module), count_parameters(row.module)
    yield Check(
        "model",
        (weights, params) == (record.model.weights, record.model.params),
        f"sha256 {weights[:8]}, recorded {record.model.weights[:8]}",
    )
    yield _check_inputs(row)
    if record.levels is not None:
        yield _check_rounded(row)
    if row.evidence.gallery is not None:
        yield _check_images(row, row.evidence.gallery)
    if row.record.curve is not None and row.evidence.near is not None:
        yield check_curve(row, row.record.curve)
    yield _check_clean(row)
    if scores := compare_scores(row):
        yield scores
    if row.record.corrupted is not None:
        yield check_corruptions(row, row.record.corrupted)
    if record.certificate is not None:
        yield _check_bounds(row, record.certificate)
    if record.curve is not None and record.curve.proved is not None:
        yield check_radii(row, record.curve, record.curve.proved)


def bound_accuracy(row: Row) -> float:
    """Return the upper bound on the robust accuracy, in percent, that the evidence alone shows."""
    left = row.record.correct.copy()
    left[row.evidence.row] = False
    return 100 * float(left.mean())


def _find_contradictions(record: Record, evidence: Evidence) -> Iterator[str]:
    """Yield what contradicts between the record and its evidence, or within the record."""
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
            yield f"inputs of {missed} samples that the record says are robust"
        adversarial = int((record.correct & ~record.robust).sum())
        if inputs != record.provenance.get("inputs", adversarial):
            yield f"{inputs} inputs, recorded {record.provenance.get('inputs', adversarial)}"
        if (gallery := evidence.gallery) and not (
            (record.correct & ~record.robust)[gallery.row].all()
            and np.array_equal(evidence.y[gallery.row], gallery.label)
        ):
            yield "images of samples that are not adversarial, or have other labels"
        if any((attack.adversarial & ~record.correct).any() for attack in record.attacks):
            yield "samples that are adversarial, and not answered right without an attack"
        if any(a.rounded is not None and (a.rounded & ~a.adversarial).any() for a in record.attacks):
            yield "samples that are adversarial by rounded inputs alone"
        yield from filter(None, (find_wrong_queries(attack, record.threat) for attack in record.attacks))
        if any(a.stages and a.stages[-1].adversarial > a.adversarial.sum() for a in record.attacks):
            yield "stages that found more than all together"
        if (recorded := record.provenance.get("classes")) and _count_by_class(record, evidence) != [
            recorded[key] for key in CLASSES
        ]:
            yield "counts by class that are not those of the outcomes"


def _count_by_class(record: Record, evidence: Evidence) -> list[list[int]]:
    """Return the samples of each class: all, those answered right, and the robust ones."""
    weights: list[Flags | None] = [None, record.correct, record.robust]
    return [np.bincount(evidence.y, weights=flags).astype(int).tolist() for flags in weights]


def _check_inputs(row: Row) -> Check:
    """Check every adversarial input; name those about which only rounding errors decide."""
    verification = verify(row.module, row.candidates)
    n, verified = len(verification.fault), int((verification.fault == 0).sum())
    text = f"{verified} of {n} are adversarial under {row.record.threat}"
    edge = f"{verification.edge} so nearly that rounding decides" if verification.edge else ""
    faults = describe_faults(verification.wrong)
    return Check("inputs", not verification.wrong.any(), ", ".join(filter(None, (text, edge, faults))))


def _check_rounded(row: Row) -> Check:
    """Check which inputs are still adversarial once they are rounded to what an image file can hold."""
    assert row.record.levels is not None
    verification, evidence = verify_rounded(row.module, row.candidates, row.record.levels), row.evidence
    adversarial = verification.fault == 0
    by_attack = [row.record.attacks[k].rounded for k in evidence.by]
    recorded = np.array(
        [flags is not None and flags[at] for flags, at in zip(by_attack, evidence.row, strict=True)], bool
    )
    other = int(((recorded != adversarial) & ~verification.near).sum())
    text = f"{np.count_nonzero(adversarial)} of {len(recorded)} still are, rounded to {row.record.levels} levels"
    return Check("rounded", not other, text + (f"; {other} not as recorded" if other else ""))


def _check_images(row: Row, gallery: Gallery) -> Check:
    """Check that the originals in the gallery are the samples."""
    try:
        images = to_images(row.samples.take(gallery.row).x[:], (row.dataset.lo, row.dataset.hi), row.samples.layout)
    except ValueError as error:
        return Check("images", False, str(error))
    alike = images.shape == gallery.original.shape and np.array_equal(images, gallery.original)
    return Check("images", alike, f"{len(images)} originals are {'the' if alike else 'not all'} samples")


def _check_bounds(row: Row, certificate: Certificate) -> Check:
    """Compute the bounds of the certified samples again."""
    threat = read_threat(row.record.threat, row.dataset.lo, row.dataset.hi, row.dataset.layout)
    try:
        certified, near = certify_again(row.module, row.samples, threat, certificate)
    except ValueError as error:
        return Check("bounds", False, f"cannot be computed again: {error}")
    lost, contradicted = int((~certified & ~near).sum()), int(row.record.contradicted.sum())
    text = f"{certified.sum()} of {len(certified)} samples are certified again, by {certificate.method} or cheaper"
    edge = f", {near.sum()} so nearly that rounding decides" if near.any() else ""
    faults = [f"{lost} are not"] * bool(lost)
    faults += [f"{contradicted} are certified and broken, of which one is wrong"] * bool(contradicted)
    return Check("bounds", not faults, "; ".join([text + edge, *faults]))


def _check_clean(row: Row) -> Check:
    """Check the answers to the samples without an attack."""
    answered, near = check_labels(row.module, row.samples.x, row.samples.y, row.batch, row.samples.criterion)
    differ = answered != row.record.correct
    other = int((differ & ~near).sum())
    edge = f", {(differ & near).sum()} on the edge" if (differ & near).any() else ""
    text = f"{100 * answered.mean():.2f} %, recorded {100 * row.record.correct.mean():.2f} %{edge}"
    return Check("clean", not other, text + (f"; {other} samples are not answered as recorded" if other else ""))

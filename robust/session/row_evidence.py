"""The evidence of a row: the adversarial inputs that wait for it, and images of a few samples."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from robust.records.added import CURVE
from robust.records.evidence import Evidence
from robust.records.gallery import Gallery, join_galleries
from robust.records.record import Record
from robust.session.payload import AttackPayload, CurvePayload
from robust.session.record_builder import find_known, take_within
from robust.session.waiting_inputs import read_images, read_inputs

Numbers = NDArray[np.int64]


def collect_evidence(
    record: Record,
    attacks: Sequence[AttackPayload],
    curve: CurvePayload | None,
    labels: tuple[Numbers, Numbers],
    most: int | None,
    images: int,
) -> Evidence:
    """Collect the inputs of a row's attacks and of its curve, and images, each of at most so many samples.

    `labels` are those of the row's samples, (n,), and their numbers in the split, (n,).
    """
    outcomes = [outcome.adversarial for outcome in record.attacks if outcome.name != CURVE]
    inputs = [read_inputs(str(attack.inputs)) for attack in attacks]
    pairs = [*zip(outcomes, inputs, strict=True)]
    near = None if curve is None else read_inputs(str(curve.inputs))
    if curve is None or near is None:
        evidence = Evidence.of(*labels, pairs, most, record.seed)
        return replace(evidence, gallery=_join_images(attacks, record, images))
    place = [outcome.name for outcome in record.attacks].index(CURVE)
    pairs.insert(place, take_within(curve.curve, record, near))
    row = np.flatnonzero(find_known(curve.curve))
    kept = record.correct[row]
    evidence = Evidence.of(*labels, pairs, most, record.seed).add_nearest(near[kept], row[kept], most, record.seed)
    return replace(evidence, gallery=_take_nearest(curve, record, images))


def _take_nearest(payload: CurvePayload, record: Record, most: int) -> Gallery | None:
    """Return the images of the nearest inputs that are within the row's eps."""
    gallery = Gallery.of(read_images(str(payload.inputs), payload.images)) if payload.images and most else None
    if gallery is None:
        return None
    return gallery.take(np.flatnonzero((record.correct & ~record.robust)[gallery.row]))


def _join_images(attacks: Sequence[AttackPayload], record: Record, most: int) -> Gallery | None:
    """Join the images of all attacks of a row."""
    galleries = [Gallery.of(read_images(str(attack.inputs), attack.images)) for attack in attacks]
    return join_galleries(galleries, record.correct & ~record.robust, most, record.seed)

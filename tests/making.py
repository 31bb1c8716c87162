"""Small records and evidence. Outcomes are written as text, a digit a sample: "1101"."""

from dataclasses import replace

import numpy as np

from robust.data.dataset import Samples
from robust.records.attack_outcome import AttackOutcome
from robust.records.certificate import Certificate
from robust.records.evidence import Evidence
from robust.records.files import locked
from robust.records.record import Record
from robust.records.store import add
from robust.records.used import DataUsed, ModelUsed
from robust.report.folder import write_board


def flags(text):
    return np.array([digit == "1" for digit in text], bool)


def attacked(name, adversarial, *, options=None, seconds=1.5):
    return AttackOutcome(name, options or {}, flags(adversarial), forwards=30, backwards=20, seconds=seconds)


def record(
    correct="11111100",
    adversarial=None,
    *,
    name="net",
    training="as-is",
    weights="ab12" * 16,
    data="digits",
    split="test",
    digest=None,
    threat="linf:0.15",
    seed=0,
    date="2026-01-02",
):
    """`broken` holds each attack's; by default pgd breaks none. As many samples are the same samples."""
    adversarial = adversarial or {"pgd": "0" * len(correct)}
    return Record(
        data=DataUsed(data, split, len(correct), digest or f"{len(correct):04}" * 16),
        model=ModelUsed(name, training, weights, params=1234),
        threat=threat,
        seed=seed,
        correct=flags(correct),
        attacks=tuple(attacked(attack, which) for attack, which in adversarial.items()),
        provenance={"date": date},
    )


def certificate(certified, method="crown"):
    """Return a certificate of these samples, with a bound of 0.5 of each, and of -0.5 of the others."""
    certified = flags(certified)
    margin = np.where(certified, 0.5, -0.5).astype(np.float32)
    return Certificate(method, certified, margin, {method: int(certified.sum())}, seconds=1.5)


def stored(record, levels, rounded):
    """The record with what its first attack breaks by inputs that are rounded to so many levels."""
    return replace(record, levels=levels, attacks=(replace(record.attacks[0], rounded=flags(rounded)),))


def robust(k, n, name="net", **changes):
    """A record of a model that answers the first k of n samples right, and loses none to the attack."""
    return record("1" * k + "0" * (n - k), name=name, **changes)


def samples(n):
    return Samples(np.zeros((n, 2), np.float32), np.arange(n) % 10, 3 * np.arange(n))


def inputs(attack, adversarial):
    """Make the inputs that the attack of that number found: (its number, the sample's row) for each broken sample."""
    rows = np.flatnonzero(adversarial)
    return np.stack([np.full(len(rows), attack), rows], axis=1).astype(np.float32)


def evidence(record):
    found = [(attack.adversarial, inputs(k, attack.adversarial)) for k, attack in enumerate(record.attacks)]
    return Evidence.of(*(getattr(samples(record.data.n), part) for part in ("y", "index")), found)


def file(folder, *records):
    """Add the records as a run does, and make the board anew. Returns what became of them."""
    with locked(folder):
        fates = [add(folder, record, evidence(record)) for record in records]
        write_board(folder)
    return fates


def file_at_once(start, folder, *records):
    """`file`, when all who share the barrier `start` are there."""
    start.wait(60)
    file(folder, *records)

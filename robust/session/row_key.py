"""The key of a row, and the keys of what several rows share: a certificate, a curve."""

from typing import NamedTuple

from robust.session.payload import ItemPayload, RowPart


class RowKey(NamedTuple):
    """The key of a row: its results have this in common."""

    model_text: str
    training: str
    weights: str
    threat: str
    origin: str  # the user's test that reports it; "" for a shipped test
    suite: str
    samples: str  # the digest of those that were measured


def of_proof(key: RowKey) -> RowKey:
    """Return the key of the certificate that belongs to a row: what is certified is so whatever attacks there are."""
    return key._replace(suite="")


def of_curve(key: RowKey) -> RowKey:
    """Return the key of the curve that a row lies on."""
    return key._replace(suite="", threat=key.threat.partition(":")[0] if "+" not in key.threat else key.threat)


def key_of(payload: ItemPayload, row: RowPart) -> RowKey:
    """Return the key of the row that a payload belongs to."""
    setup = payload.setup
    model = setup.model
    return RowKey(setup.model_text, model.training, model.weights, row.threat, row.origin, row.suite, setup.data.digest)

"""Payloads come back from JSON as they were, whatever the test was."""

import json
from dataclasses import replace

import numpy as np
import pytest

from robust.records.groups import Groups
from robust.records.trust import Finding, TrustReport
from robust.session.payload import ItemPayload, TrainingCard, labels_of, read_groups, read_labels
from robust.verification.fresh_process import Source
from tests.session.making import attack, clean, samples, setup, trust

FINDING = Finding("zero-gradient", "suspect", 0.5, "half of the gradients are zero", "look at the model", weak=True)
SOURCE = Source("net.py:make", ".", None, ".", "0.5/0.25", (1, 8, 8), 10, None, 0, "cpu", ("net.py",))
PAYLOADS = {
    "clean": clean(),
    "an attack": attack(attacks=2, judged=True, levels=256, inputs="/x.npz"),
    "a stopped suite": attack("quick-1", suite="quick-1", partial="time", cache="/suites/quick"),
    "a user's test": attack(origin="test_own.py::test_own", floor=40.0),
    "trust": trust(),
    "trust with a mitigated attack": trust(TrustReport((FINDING,), (), (), (), 1.0), "11100000"),
    "a trained model": clean(trained=TrainingCard({"recipe": "standard", "notes": []}, "/weights.safetensors")),
    "a source": clean(source=SOURCE, notes=("x",), transforms=("resize",)),
}


def plain(payload):
    """Return the payload's JSON as text: arrays do not compare."""
    return json.dumps(payload.to_json(), sort_keys=True)


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_comes_back_from_json(name):
    payload = PAYLOADS[name]
    found = ItemPayload.from_json(json.loads(plain(payload)))

    assert plain(found) == plain(payload)
    assert (found.setup, found.row, found.trust) == (payload.setup, payload.row, payload.trust)
    assert (found.correct == payload.correct).all()
    if payload.attack is not None:
        assert (found.attack.outcome.adversarial == payload.attack.outcome.adversarial).all()
        assert replace(found.attack, outcome=None) == replace(payload.attack, outcome=None)


def test_payloads_are_small_since_labels_go_apart():
    """A flag for each of 10,000 samples is 1,668 characters; the labels would be 60,000."""
    text = plain(attack(correct="1" * 10_000, adversarial="0" * 10_000))

    assert len(text) < 5000
    assert "labels" not in text


def test_labels_are_by_the_digest_of_their_samples():
    ours = samples(4)

    assert labels_of(ours) == {ours.digest: [[0, 1, 0, 1], [0, 3, 6, 9]]}
    assert setup(n=4).data.digest in labels_of(ours)
    others = replace(ours, y=np.array([1, 1, 1, 1]))
    assert labels_of(others).keys() != labels_of(ours).keys()


def test_groups_go_with_the_labels_and_come_back():
    groups = Groups("sex", ("f", "m", "none"), np.array([1, 0, 0, 1]))
    (sent,) = json.loads(json.dumps(labels_of(samples(4), groups))).values()

    assert read_groups(sent).same(groups)
    assert [part.tolist() for part in read_labels(sent)] == [[0, 1, 0, 1], [0, 3, 6, 9]]
    (without,) = labels_of(samples(4)).values()
    assert read_groups(without) is None

"""The certificate of a record: its JSON, what is refused of a stranger's, and when it replaces another."""

import json
from dataclasses import replace

import numpy as np
import pytest

from robust.records.record import Record
from tests.making import certificate, file, flags, record


def certified(text="11010000", adversarial="00100000", **changes):
    made = record(adversarial={"pgd": adversarial})
    return replace(made, certificate=replace(certificate(text), **changes))


def damaged(**changes):
    content = json.loads(certified().to_json())
    content["certificate"] |= changes
    return json.dumps(content)


@pytest.mark.parametrize("partial", ["", "time"])
def test_a_certificate_comes_back_from_json_exactly(partial):
    made = certified(partial=partial)
    found = Record.from_json(made.to_json())

    assert found.to_json() == made.to_json()
    assert found.certificate.certified.tolist() == flags("11010000").tolist()
    assert np.array_equal(found.certificate.margin, made.certificate.margin)
    assert (found.certificate.method, found.certificate.by, found.certificate.partial) == (
        "crown",
        {"crown": 3},
        partial,
    )


def test_open_samples_are_the_robust_ones_that_are_not_certified():
    content = json.loads(certified().to_json())["certificate"]

    assert certified().open.tolist() == flags("00001100").tolist()
    assert (content["certified"], content["open"]) == (3, 2)
    assert record().open is None


def test_a_sample_that_is_certified_and_broken_is_a_contradiction():
    assert not certified().contradicted.any()
    assert certified(adversarial="01000000").contradicted.tolist() == flags("01000000").tolist()
    assert certified("11010001").contradicted.tolist() == flags("00000001").tolist()
    assert not record().contradicted.any()


@pytest.mark.parametrize(
    "changes",
    [
        {"certified": 4},
        {"open": 3},
        {"by": {"crown": 2}},
        {"partial": ""},
        {"columns": {}},
        {"columns": {"certified": {"bits": "0A=="}}},
        {"columns": {"certified": {"bits": "0A=="}, "lower": {"bits": "0A=="}}},
        {"columns": {"certified": {"bits": "0A=="}, "lower": {"float32": "AAAAAA=="}}},
        {"columns": {"certified": {"bits": "0A=="}, "lower": {"float32": "AAAA" * 14 + "AAAAAAA="}}},
        {"seconds": -1},
        {"method": ""},
        {"method": None},
    ],
    ids=str,
)
def test_a_certificate_that_is_damaged_or_does_not_agree_is_refused_in_one_line(changes):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        Record.from_json(damaged(**changes))


def test_what_a_newer_version_adds_to_a_certificate_is_kept():
    content = json.loads(damaged(slack=0.5))
    content["certificate"]["columns"]["by"] = {"int8": "AAAA"}

    assert json.loads(Record.from_json(json.dumps(content)).to_json()) == content


def test_a_record_with_another_certificate_replaces_the_older_and_one_without_does_not(tmp_path):
    """A certificate is no outcome of the attacks: the same run without it has measured nothing else."""
    plain, first, second = record(adversarial={"pgd": "00100000"}), certified(), certified("11010000", method="ibp")
    slower = certified(seconds=99.0, margin=certified().certificate.margin * 2)

    assert file(tmp_path, plain, first, plain, slower, second) == ["new", "replaced", "same", "same", "replaced"]
    assert first.same_outcomes(plain)

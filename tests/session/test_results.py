"""The way from payloads to rows: when a row is complete, what its record says, and which files it leaves."""

from dataclasses import replace

import numpy as np
import pytest

from robust.session.payload import TrainingCard
from robust.session.reverify import Reverified
from robust.session.waiting_inputs import write_inputs
from tests.making import flags
from tests.session.making import TRUSTED, attack, certified, clean, results, samples, setup, trust


def test_a_row_is_complete_with_its_last_attack():
    found = results(clean(), attack("pgd", attacks=2))

    assert found.list_records() == []
    assert found.describe_unfinished() == ["net (as-is), linf:0.15: 1 of 2 attacks were run, so there is no row"]
    (key,) = found.take(attack("fgsm", "00110000", attacks=2))
    record = found.get_record(key)
    assert [outcome.name for outcome in record.attacks] == ["fgsm", "pgd"]
    assert record.robust.tolist() == flags("00001100").tolist()
    assert found.describe_unfinished() == []


def test_a_model_without_a_row_is_shown_by_its_clean_accuracy():
    n, k = len(clean().correct), int(clean().correct.sum())
    (line,) = results(clean(), clean()).describe_clean()

    assert line.startswith(f"net (as-is): clean accuracy {100 * k / n:.1f} % (95 % interval ")
    assert line.endswith(f", {k}/{n})")
    assert results(clean(), attack()).describe_clean() == []


def test_a_judged_row_waits_for_its_trust_and_its_mitigated_attack_counts():
    found = results(attack(judged=True))

    assert found.describe_unfinished() == [
        "net (as-is), linf:0.15: 1 of 1 attacks were run, and test_trust was not, so there is no row"
    ]
    (key,) = found.take(trust(TRUSTED, "11110000"))
    record = found.get_record(key)
    assert record.trust == TRUSTED
    assert [outcome.name for outcome in record.attacks] == ["pgd", "mitigated"]
    assert record.robust.sum() == 2


@pytest.mark.parametrize("first", [True, False])
def test_a_row_waits_for_its_certificate_and_has_it_whichever_comes_first(first):
    payloads = [certified(), attack(certified=True, adversarial="00100000")]
    found = results(*(payloads if first else payloads[::-1]))

    (record,) = found.list_records()
    assert record.certificate.certified.tolist() == flags("11010000").tolist()
    assert found.describe_unfinished() == []


def test_a_row_without_the_certificate_that_is_to_come_is_unfinished():
    assert results(attack(certified=True)).describe_unfinished() == [
        "net (as-is), linf:0.15: 1 of 1 attacks were run, and test_certified was not, so there is no row"
    ]
    assert results(attack()).list_records()[0].certificate is None


def test_one_certificate_is_for_all_rows_of_its_model_and_threat_model_and_for_no_other():
    others = [{"threat": "l2:0.5"}, {"origin": "own.py::a"}]
    rows = [{"certified": True}, {"certified": True, "suite": "quick-1"}, *others]
    found = results(*(attack(adversarial=f"00{k:06b}", **row) for k, row in enumerate(rows)))

    keys = found.take(certified())
    assert [key.suite for key in keys] == ["", "quick-1"]
    assert [bool(record.certificate) for _, record in found.list_complete()] == [False, False, True, True]
    other = results(attack(certified=True), certified(weights="cd34" * 16))
    assert other.describe_unfinished()[0].endswith("between the tests: ab12ab12 and cd34cd34")


def test_a_row_that_its_certificate_contradicts_is_broken_whatever_the_checks_say():
    payloads = [attack(certified=True, judged=True, adversarial="11100000"), trust()]
    (record,) = results(*payloads, certified("11010000")).list_records()

    assert record.verdict == "broken"
    assert [(finding.name, finding.value) for finding in record.trust.findings] == [("contradicted", 2)]
    assert results(*payloads, certified("00010000")).list_records()[0].verdict == "trusted"


def test_a_certificate_that_comes_again_the_same_is_no_news():
    found = results(attack(certified=True), certified())

    assert found.take(certified()) == []
    assert len(found.take(certified("11000000"))) == 1


@pytest.mark.parametrize(
    ("payloads", "kept"),
    [
        ([{}], False),
        ([{}, {"suite": "quick-1"}], False),
        ([{}, {"suite": "quick-1", "attacks": 2}], True),
        ([], False),
    ],
)
def test_what_was_certified_is_kept_until_its_rows_are_made(tmp_path, payloads, kept):
    found = results(certified(cache=str(tmp_path)), *(attack(certified=True, **part) for part in payloads))
    found.clear()

    assert tmp_path.exists() == kept


def test_what_was_certified_before_the_time_was_up_is_kept(tmp_path):
    results(attack(certified=True), certified(cache=str(tmp_path), partial="time")).clear()

    assert tmp_path.exists()


def test_a_row_whose_tests_met_different_weights_is_unfinished_and_says_so():
    other = trust(TRUSTED)
    found = results(attack(judged=True), replace(other, setup=setup(weights="cd34" * 16)))

    assert found.describe_unfinished() == [
        "net (as-is), linf:0.15: 1 of 1 attacks were run, and test_trust was not, so there is no row; "
        "something changed its weights between the tests: ab12ab12 and cd34cd34"
    ]


def test_a_row_that_comes_again_the_same_is_no_news_and_another_replaces_it():
    found = results(attack())

    assert found.take(attack()) == []
    (key,) = found.take(attack(adversarial="11100000"))
    assert found.get_record(key).robust.sum() == 3
    assert len(found.list_records()) == len(found.list_complete()) == 1


def test_rows_are_apart_by_threat_model_suite_and_origin():
    parts = [{}, {"threat": "l2:0.5"}, {"suite": "quick-1"}, {"origin": "test_own.py::test_own"}]
    found = results(*(attack(adversarial=f"{k:08b}", **part) for k, part in enumerate(parts)))

    assert len(found.list_records()) == 4
    assert [record.robust.sum() for record in found.list_reported()] == [6]
    assert [bool(key.origin) for key in found.list_keys()] == [False, False, False, True]


def test_what_a_users_test_reports_again_is_one_row():
    found = results(attack(), attack(origin="test_own.py::test_own"))

    assert len(found.list_complete()) == 2
    assert len(found.list_records()) == 1


def test_a_sample_counts_as_correct_only_if_it_was_so_in_every_process():
    found = results(attack("pgd", "0" * 8, attacks=2), attack("fgsm", "0" * 8, attacks=2, correct="01111100"))

    assert found.list_records()[0].correct.tolist() == flags("01111100").tolist()


@pytest.mark.parametrize(("levels", "expected"), [((256, 256), 256), ((256, None), None), ((None, None), None)])
def test_levels_are_those_of_all_attacks_or_none(levels, expected):
    pairs = zip(("fgsm", "pgd"), levels, strict=True)
    payloads = [attack(name, attacks=2, levels=level) for name, level in pairs]

    assert results(*payloads).list_records()[0].levels == expected


def test_the_record_counts_its_classes():
    """The labels are 0 and 1 in turn: of class 0 the first is lost, of class 1 the second."""
    record = results(attack(adversarial="10010000")).list_records()[0]

    assert record.provenance["classes"] == {
        "n": [4, 4],
        "correct": [3, 3],
        "robust": [2, 2],
        "worst_robust": 0.5,
    }
    assert record.provenance["command"] == "pytest"
    assert record.provenance["model"] == {"text": "net.py:make", "arch": None, "normalize": None, "output": None}


def test_trainings_are_listed_once():
    card = TrainingCard({"recipe": "standard"}, "/weights.safetensors")

    assert results(clean(trained=card), clean(trained=card), clean()).list_trained() == [card]


@pytest.fixture
def filed(tmp_path):
    """Two attacks whose inputs wait in files: those of fgsm are 1, those of pgd are 2."""

    def payload(name, adversarial, value):
        x_adv = np.full((adversarial.count("1"), 2), value, np.float32)
        inputs = str(write_inputs(tmp_path, name, x_adv, {}))
        return attack(name, adversarial, attacks=2, inputs=inputs)

    return results(payload("fgsm", "11000000", 1), payload("pgd", "01100000", 2))


def test_evidence_has_one_input_a_sample_of_the_first_attack_that_found_one(filed):
    (key,) = filed.list_keys()
    evidence = filed.collect_evidence(key, None, 0)

    assert evidence.row.tolist() == [0, 1, 2]
    assert evidence.by.tolist() == [0, 0, 1]
    assert evidence.x_adv[:, 0].tolist() == [1, 1, 2]
    assert evidence.y.tolist() == samples().y.tolist()
    assert evidence.index.tolist() == samples().index.tolist()
    assert filed.get_record(key).provenance["inputs"] == 3
    assert len(filed.collect_evidence(key, 2, 0).row) == 2


def test_a_row_is_filed_with_what_the_fresh_process_says_and_its_inputs_are_removed(filed, tmp_path):
    (key,) = filed.list_keys()
    seen = []

    def reverify(payload, record, evidence, logits):
        seen.append((payload.attack.outcome.name, len(evidence.row)))
        return Reverified({"fresh": 3})

    filed.file(tmp_path / "board", key, None, 0, reverify)
    assert seen == [("fgsm", 3)]
    assert filed.list_fates() == ["new"]
    assert {path.name for path in filed.files} >= {"README.md", "results.csv"}
    assert [*(tmp_path / "board" / "results").rglob("*.npz")]
    assert [*(tmp_path / "parts").rglob("*.npz")]
    filed.clear()
    assert not [*(tmp_path / "parts").iterdir()]


def test_where_the_fresh_process_refutes_the_inputs_nothing_is_filed(filed, tmp_path):
    (key,) = filed.list_keys()

    def reverify(*_):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        filed.file(tmp_path / "board", key, None, 0, reverify)
    assert not (tmp_path / "board").exists()


def test_labels_of_two_sets_of_samples_are_apart():
    found = results(attack(correct="1111", adversarial="1000"), attack("fgsm", origin="test_own.py::test_own"))

    assert [record.provenance["classes"]["n"] for record in found.list_records()] == [[2, 2], [4, 4]]


def test_a_report_that_changes_is_another_record():
    found, doubted = results(attack(judged=True), trust()), replace(TRUSTED, accepted=("x",))
    found.take(trust(doubted))

    assert found.list_records()[0].trust == doubted


@pytest.mark.parametrize(("judged", "partial", "kept"), [(False, "", False), (True, "", True), (False, "time", True)])
def test_the_rounds_of_a_suite_are_removed_once_they_have_made_a_whole_row(tmp_path, judged, partial, kept):
    folder = tmp_path / "rounds"
    folder.mkdir()
    found = results(attack("quick-1", suite="quick-1", judged=judged, partial=partial, cache=str(folder)))

    assert [
        line.endswith("; its rounds are kept, and the same command goes on from them")
        for line in found.describe_unfinished()
    ] == [True] * judged
    found.clear()
    assert folder.exists() == kept


def test_a_suite_that_was_stopped_in_another_process_than_the_checks_is_suspect():
    cut = attack("quick-1", suite="quick-1", judged=True, partial="time")
    (record,) = results(cut, trust(suite="quick-1")).list_records()

    (finding,) = record.trust.findings
    assert (finding.name, record.verdict) == ("stopped", "suspect")
    (whole,) = results(attack("quick-1", suite="quick-1", judged=True), trust(suite="quick-1")).list_records()
    assert whole.verdict == "trusted"

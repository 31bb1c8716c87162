import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust.flags import pack, unpack
from robust.records.record import Record
from robust.records.trust import Part, TrustReport
from tests.making import attacked, flags, record

bits = st.text("01", min_size=1, max_size=40)
texts = st.text(max_size=20)
options = st.dictionaries(texts, st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts)
ODD_NAMES = ["../../etc/passwd", "a/b\\c", "..", ".", "/", "", "C:aux", "two\nlines", "nul\0", "模型", "x" * 300]


@st.composite
def made(draw):
    """Any record that a run could make, its seconds in whole milliseconds."""
    correct = draw(bits)
    same_length = st.text("01", min_size=len(correct), max_size=len(correct))
    found = [
        attacked(name, draw(same_length), options=draw(options), seconds=draw(st.integers(0, 10**7)) / 1000)
        for name in draw(st.lists(st.sampled_from(["fgsm", "pgd", "pgd:steps=40"]), min_size=1, unique=True))
    ]
    base = record(correct, name=draw(texts), seed=draw(st.integers(0, 2**64)), date=draw(texts))
    levels = draw(st.none() | st.integers(2, 256))
    if levels is not None:
        found = [replace(attack, rounded=flags(draw(same_length))) for attack in found]
    hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
    found_by = {"attacks": tuple(found), "evidence": draw(st.none() | hashes), "levels": levels}
    return replace(base, **found_by, draw=draw(st.none() | st.integers(0, 2**64)))


def plain(record):
    """The record with its arrays as lists, which can be compared."""
    attacks = [
        {**asdict(attack), "adversarial": attack.adversarial.tolist(), "rounded": str(attack.rounded)}
        for attack in record.attacks
    ]
    return {**asdict(record), "correct": record.correct.tolist(), "attacks": attacks}


def damaged(path, value):
    """A record's JSON with another value at the path."""
    content = json.loads(record(adversarial={"pgd": "11000000"}).to_json())
    *parents, last = path
    inner = content
    for key in parents:
        inner = inner[key]
    inner[last] = value
    return json.dumps(content)


@given(made())
def test_a_record_comes_back_from_json_exactly(record):
    assert plain(Record.from_json(record.to_json())) == plain(record)


@given(bits)
def test_flags_come_back_from_text(text):
    assert unpack(pack(flags(text)), len(text)).tolist() == flags(text).tolist()


def test_a_thousand_samples_are_168_characters():
    assert len(pack(flags("10" * 500))) == 168


@given(bits, st.integers(0, 60))
def test_text_of_another_number_of_bytes_is_refused(text, n):
    if -(-n // 8) == -(-len(text) // 8):
        return
    with pytest.raises(ValueError, match=f"do not fit {n} samples"):
        unpack(pack(flags(text)), n)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"text"', "{}", record().to_json()[:-9]])
def test_what_is_not_a_record_is_refused(text):
    with pytest.raises(ValueError, match=r"not a record|Expecting|delimiter|Unterminated"):
        Record.from_json(text)


@pytest.mark.parametrize("schema", [0, 3, "1", None, True, [2], 2.0, "\x1b[2J"])
def test_another_schema_is_refused(schema):
    with pytest.raises(ValueError, match=r"^not a record of a schema that this version knows: 1 or 2, got [^\x1b]*$"):
        Record.from_json(damaged(["schema"], schema))


@pytest.mark.parametrize(
    "key", ["identity", "data", "threat", "seed", "model", "clean", "columns", "attacks", "evidence", "provenance"]
)
def test_a_record_without_one_of_its_parts_is_refused(key):
    content = json.loads(record().to_json())
    del content[key]

    with pytest.raises(ValueError, match=f"not a record: Object missing required field `{key}`"):
        Record.from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["data", "n"], 9),
        (["data", "n"], 0),
        (["data", "n"], -8),
        (["data", "n"], "8"),
        (["data", "n"], None),
        (["data", "n"], float("inf")),
        (["data", "name"], None),
        (["model"], ["net"]),
        (["model", "name"], None),
        (["model", "weights"], 5),
        (["threat"], None),
        (["seed"], "0"),
        (["draw"], "0"),
        (["model", "weights"], "../../../x"),
        (["threat"], "linf:1e99999999"),
        (["suite"], "fgsm"),
        (["criterion"], {}),
        (["identity", "weights"], "12" * 32),
        (["columns"], {}),
        (["columns", "correct"], {"float32": "AAAA"}),
        (["columns", "correct", "bits"], "!!/A=="),
        (["columns", "correct", "bits"], "AAAA"),
        (["columns", "correct", "bits"], 5),
        (["columns", "score"], {"float32": "AAAA"}),
        (["clean", "correct"], 7),
        (["robust", "correct"], 7),
        (["rounded"], {"levels": 17, "correct": 6}),
        (["attacks"], []),
        (["attacks", 0, "broken"], 1),
        (["attacks", 0, "rounded"], {"broken": 0}),
        (["attacks", 0, "columns", "broken", "bits"], ""),
        (["attacks", 0, "columns", "broken", "bits"], "é"),
        (["attacks", 0, "name"], "mitigated"),
        (["attacks", 0, "seconds"], float("nan")),
        (["attacks", 0, "name"], ""),
        (["attacks", 0, "seconds"], None),
        (["provenance"], None),
    ],
    ids=str,
)
def test_a_record_with_a_wrong_part_is_refused(path, value):
    with pytest.raises(ValueError, match=r"^.+$"):
        Record.from_json(damaged(path, value))


def test_robust_is_right_and_broken_by_no_attack():
    measured = record("11110000", {"fgsm": "10001000", "pgd": "01000100"})

    assert measured.robust.tolist() == flags("00110000").tolist()


@given(made())
def test_more_attacks_never_make_a_model_more_robust(record):
    for attack in record.attacks:
        alone = replace(record, attacks=(attack,))
        assert record.robust.sum() <= alone.robust.sum() <= record.correct.sum()


def test_the_suite_is_the_attacks_in_any_order():
    names = ["pgd:steps=40:restarts=5", "fgsm", "torchattacks:PGD"]
    suites = {record(adversarial=dict.fromkeys(order, "0" * 8)).suite for order in (names, names[::-1])}

    assert suites == {"fgsm+pgd-restarts5-steps40+torchattacks-pgd"}


def test_the_stem_tells_data_threat_suite_and_model():
    measured = record(adversarial={"pgd": "0" * 8, "fgsm": "0" * 8}, threat="linf:8/255", training="pgd-at:steps=3")

    assert measured.stem == "digits/linf-8_255/fgsm+pgd/net-pgd-at-steps3-ab12ab12"


@pytest.mark.parametrize("field", ["name", "data"])
@pytest.mark.parametrize("odd", ODD_NAMES, ids=lambda name: ascii(name)[:20])
def test_a_stem_is_safe_in_file_names(field, odd):
    parts = record(**{field: odd}).stem.split("/")

    assert len(parts) == 4
    for part in parts:
        assert set(part) <= set("abcdefghijklmnopqrstuvwxyz0123456789.+_-")
        assert part not in ("", ".", "..")
        assert len(part) <= 200  # file systems take 255, and endings are to come


def test_a_long_suite_is_cut_and_still_its_own():
    shared = {f"pgd:steps={k}": "0" * 8 for k in range(10, 30)}
    a, b = (
        record(adversarial={**shared, last: "0" * 8}).stem.split("/")[2]
        for last in ("torchattacks:A", "torchattacks:B")
    )

    assert a != b
    assert a[:70] == b[:70]
    assert len(a) <= 80


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"training": "pgd-at"},
        {"weights": "ef56" * 16},
        {"data": "mnist"},
        {"split": "train"},
        {"digest": "ef56" * 16},
        {"threat": "linf:0.2"},
        {"seed": 1},
        {"adversarial": {"fgsm": "0" * 8}},
    ],
    ids=str,
)
def test_another_measurement_has_another_identity(changes):
    assert record(**changes).identity != record().identity
    assert not record(**changes).same_outcomes(record())


def test_outcomes_of_rounded_inputs_are_outcomes_too():
    """Check that a record without rounded outcomes is replaced by one that has them."""
    older = record()
    newer = replace(older, levels=256, attacks=(replace(older.attacks[0], rounded=flags("0" * 8)),))

    assert newer.identity == older.identity
    assert not newer.same_outcomes(older)


@pytest.mark.parametrize("changes", [{"correct": "11111000"}, {"adversarial": {"pgd": "10000000"}}], ids=str)
def test_other_outcomes_have_the_same_identity(changes):
    assert record(**changes).identity == record().identity
    assert not record(**changes).same_outcomes(record())


def test_the_date_and_the_time_taken_are_no_outcomes():
    again = record(date="2027-12-31")
    again = replace(again, attacks=(replace(again.attacks[0], seconds=99.0),), evidence="12" * 32)

    assert again.same_outcomes(record())


def test_other_options_are_another_measurement():
    a, b = (replace(record(), attacks=(attacked("pgd", "0" * 8, options={"steps": k}),)) for k in (10, 20))

    assert not a.same_outcomes(b)


def test_a_record_measured_the_same_as_itself_from_json():
    """Check options that are tuples, as those of torchattacks are."""
    measured = replace(record(), attacks=(attacked("pgd", "0" * 8, options={"options": (("steps", 4),)}),))

    assert measured.same_outcomes(Record.from_json(measured.to_json()))


def test_a_mitigated_attack_makes_no_other_measurement():
    plain = record("1110", {"pgd": "1000"})
    doubted = record("1110", {"pgd": "1000", "mitigated": "1100"})

    assert plain.identity == doubted.identity
    assert plain.same_outcomes(doubted)
    assert doubted.robust.sum() == 1


@pytest.mark.parametrize("not_run", [(), ("binarisation", "mitigations")])
def test_what_there_was_no_time_for_comes_back_and_a_row_without_it_is_as_before(not_run):
    trust = TrustReport((), (), ("guessing",), (), 0.5, not_run)
    text = replace(record(), trust=trust).to_json()

    assert Record.from_json(text).trust == trust
    assert ("not_run" in json.loads(text)["trust"]) == bool(not_run)


@pytest.mark.parametrize("parts", [(), (Part("binarisation", 0.25, 1441), Part("mitigations", 2.0, 0))])
def test_the_cost_of_each_part_comes_back_and_a_row_without_it_is_as_before(parts):
    trust = TrustReport((), (), ("guessing",), (), 0.5, parts=parts)
    text = replace(record(), trust=trust).to_json()

    assert Record.from_json(text).trust == trust
    assert ("parts" in json.loads(text)["trust"]) == bool(parts)
    assert trust.passes == sum(part.passes for part in parts)

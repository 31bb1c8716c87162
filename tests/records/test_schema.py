"""Records of both schemas, what another version may add to them, and what a stranger may write into them."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robust.baseline.matching import Wanted, find_match
from robust.baseline.store import read, read_inputs
from robust.cli import main
from robust.flags import pack
from robust.records.columns import read_columns, write_columns
from robust.records.evidence import Evidence
from robust.records.gallery import Gallery
from robust.records.npz import MAX_RATIO, SMALL
from robust.records.record import Record
from robust.records.store import records
from tests.making import evidence, file, record
from tests.records import mutations

OLD = Path(__file__).parent / "schema_1"  # as the version before schema 2 wrote them
FILES = sorted(OLD.rglob("results/**/*.json"))


def content_of(record):
    return json.loads(record.to_json())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_record_of_schema_1_is_read_and_written_as_schema_2_with_the_same_outcomes(path):
    old = json.loads(path.read_text())
    found = Record.from_json(path.read_text())
    new = content_of(found)

    assert (old["schema"], new["schema"], new["criterion"]) == (1, 2, {"name": "class"})
    assert {key: new[key] for key in ("data", "model", "trust", "provenance", "evidence")} == {
        key: old[key] for key in ("data", "model", "trust", "provenance", "evidence")
    }
    assert pack(found.correct) == old["clean"]["bits"] == new["columns"]["correct"]["bits"]
    for was, now in zip(old["attacks"], new["attacks"], strict=True):
        assert (was["bits"], was["broken"]) == (now["columns"]["broken"]["bits"], now["broken"])
        assert was["rounded"]["bits"] == now["columns"]["rounded"]["bits"]
    assert content_of(Record.from_json(json.dumps(new))) == new


def test_a_baseline_of_schema_1_is_compared_with_a_row_of_schema_2(tmp_path, capsys):
    baseline = read(OLD / "baseline")
    (path,) = baseline.rows
    now = tmp_path / "now.json"
    now.write_text(baseline.rows[path].to_json())

    match = find_match(baseline.records, Wanted.of(Record.from_json(now.read_text())))
    assert match.data.n == 16
    assert [len(rows) for _, rows in read_inputs(path)] == [13, 16]
    assert main(["compare", str(OLD / "baseline"), str(now), "--fail=robust_acc:0pp"]) == 0
    assert "+0.0" in capsys.readouterr().out


@pytest.mark.parametrize("damage", [{"clean": 3}, {"attacks": [5]}, {"data": None}, {"model": {}}], ids=str)
def test_damage_to_schema_1_is_one_line(damage):
    content = json.loads(FILES[0].read_text()) | damage

    with pytest.raises(ValueError, match=r"^not a record.*$"):
        Record.from_json(json.dumps(content))


def test_what_a_newer_version_added_is_kept():
    content = content_of(record(adversarial={"pgd": "11000000"}))
    newer = {"bits": "gA=="}
    content["folds"] = [1, 2]
    content["data"]["transforms"] = {"name": "rotate"}
    content["criterion"] = {"name": "within", "tolerance": 8}
    content["identity"] |= {"criterion": content["criterion"], "draws": 20}
    content["columns"] |= {"certified": newer, "theta": {"int16": "AAA="}}
    content["attacks"][0]["columns"]["found"] = newer
    content["attacks"][0]["smoothed"] = {"n": 5}
    found = Record.from_json(json.dumps(content))

    assert content_of(found) == content
    assert found.columns["certified"].tolist() == [True] + [False] * 7
    assert found.attacks[0].columns["found"].tolist() == [True] + [False] * 7
    assert found.identity["draws"] == 20
    assert found.identity != replace(found, unknown={}).identity
    assert content_of(replace(found, evidence="12" * 32)) == content | {"evidence": "12" * 32}


def test_rows_that_differ_in_what_a_newer_version_added_do_not_replace_each_other(tmp_path):
    first, second = (Record.from_json(json.dumps(content_of(record()))) for _ in range(2))
    second.unknown["identity"] = {"folds": 2}
    second = replace(second, correct=~second.correct)

    assert file(tmp_path, first, second) == ["new", "kept"]


@pytest.mark.parametrize("shape", [(8,), (8, 3)])
def test_columns_of_numbers_come_back_exactly(shape):
    column = np.random.RandomState(0).randn(*shape).astype(np.float32)
    made = replace(record(), columns={"distance": column})

    assert np.array_equal(read_columns(write_columns({"a": column}), 8)["a"], column)
    found = Record.from_json(made.to_json())
    assert np.array_equal(found.columns["distance"], column)
    assert found.same_outcomes(made)
    assert not found.same_outcomes(record())


def test_half_a_character_of_a_name_is_not_written():
    found = Record.from_json(record(name="a\udcff", date="\U0001f40d").to_json())

    assert (found.model.name, found.provenance) == ("a?", {"date": "\U0001f40d"})
    assert found.stem == record(name="a\udcff").stem


def test_a_record_that_could_not_be_read_again_is_not_filed(tmp_path):
    with pytest.raises(ValueError, match="weights"):
        file(tmp_path, record(weights="../x"))
    assert records(tmp_path) == []


@pytest.mark.parametrize("depth", [65, 900, 5000, 200_000])
def test_nested_json_is_one_line(depth):
    text = record().to_json().replace('"2026-01-02"', "[" * depth + "]" * depth)

    with pytest.raises(ValueError, match="nested deeper than 64"):
        Record.from_json(text)


def packed(**changes):
    """Evidence as a file, with other arrays."""
    own = {name: getattr(evidence(record("11", {"pgd": "11"})), name) for name in ("x_adv", "row", "by", "y", "index")}
    made = io.BytesIO()
    np.savez_compressed(made, **{key: array for key, array in (own | changes).items() if array is not None})
    return made.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        {"x_adv": np.zeros((2, 2))},
        {"x_adv": np.float32(0)},
        {"row": np.zeros(2)},
        {"row": np.zeros(3, int)},
        {"y": None},
        {"index": np.zeros((2, 2), int)},
        {"gallery_row": np.zeros(1, int)},
    ],
    ids=str,
)
def test_evidence_of_another_shape_is_refused(changes):
    with pytest.raises(ValueError, match=r"expected|no array"):
        Evidence.from_bytes(packed(**changes))


def test_evidence_that_unpacks_to_much_more_than_it_is_is_refused_before_it_is_unpacked(tmp_path):
    """The header alone is read: what is claimed need not be there."""
    made = io.BytesIO(packed(gallery_row=np.zeros(1, int)))
    with zipfile.ZipFile(made, "a") as archive:
        member = archive.getinfo("x_adv.npy")
        images = archive.getinfo("gallery_row.npy")
        member.file_size = images.file_size = max(SMALL, MAX_RATIO * member.compress_size) + 1
        archive.writestr("more.npy", b"")  # so that the table of contents is written anew
    (tmp_path / "a.npz").write_bytes(made.getvalue())

    with pytest.raises(ValueError, match=r"x_adv\.npy unpacks to 268435457 bytes"):
        Evidence.from_bytes(made.getvalue())
    with pytest.raises(ValueError, match=r"gallery_row\.npy unpacks to 268435457 bytes"):
        Gallery.read(tmp_path / "a.npz")


def test_a_strangers_record_in_another_place_than_its_own_is_refused(tmp_path, capsys):
    """Its evidence would not be found, and would be left behind in silence."""
    file(tmp_path / "theirs", record())
    (path,) = (tmp_path / "theirs" / "results").rglob("*.json")
    moved = path.rename(path.with_name("mine.json"))

    assert main(["board", str(tmp_path / "theirs"), "--into", str(tmp_path / "mine")]) == 4
    assert f"{moved}: by what it says it belongs at {path}" in capsys.readouterr().err


def test_what_cannot_be_rendered_is_named_and_none_is_filed(tmp_path, monkeypatch, capsys):
    file(tmp_path / "theirs", record(), record(name="b"))

    def fail(made, imported=()):
        if any(row.record.model.name == "b" for board in made for row in board.rows):
            raise ZeroDivisionError("by nothing")
        return ""

    monkeypatch.setattr("robust.report.folder.markdown", fail)
    assert main(["board", str(tmp_path / "theirs"), "--into", str(tmp_path / "mine")]) == 4
    assert "b-as-is-ab12ab12.json: no table or page can show it: by nothing" in capsys.readouterr().err
    assert records(tmp_path / "mine") == []


def test_changed_records_end_in_one_line_and_poison_no_board():
    """Check a few of the changes that `make mutate-records` makes, all of which Record.from_json alone meets here."""
    assert not any(mutations.run(every=797))
    for text in (mutations.make_text(), FILES[0].read_text()):
        assert mutations.find_tracebacks(text) == []

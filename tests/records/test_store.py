import hashlib
import io
import multiprocessing
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robust.flags import pack, union
from robust.records import files
from robust.records.evidence import Evidence
from robust.records.files import private, write
from robust.records.record import Record
from robust.records.store import GENERATED, check_folder, records
from tests.making import evidence, file, file_at_once, inputs, record, samples

WRITERS = 8


def own_evidence(path):
    """The record in that file; its evidence must be beside it."""
    record, content = Record.from_json(path.read_text()), path.with_suffix(".npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == record.evidence
    assert len(Evidence.from_bytes(content).row) == union(attack.adversarial for attack in record.attacks).sum()
    return record


def found(folder):
    """All records of a folder, in place or not, each with its own evidence."""
    paths = [path for part in ("results", "history") for path in (folder / part).rglob("*.json")]
    assert len([*folder.rglob("*.npz")]) == len(paths)
    return [own_evidence(path) for path in paths]


def count(folder, part):
    return len([*(folder / part).rglob("*.json")])


def outcomes(*records):
    return {(r.data.n, r.seed, pack(r.correct), *(pack(attack.adversarial) for attack in r.attacks)) for r in records}


@pytest.mark.parametrize(
    ("second", "fate", "in_results", "in_history"),
    [
        (record(), "same", 1, 0),
        (record(date="2027-12-31"), "same", 1, 0),
        (record(adversarial={"pgd": "10000000"}), "replaced", 1, 1),
        (record(seed=1), "kept", 1, 1),
        (record("1" * 9), "replaced", 1, 1),
        (record("1" * 7), "kept", 1, 1),
        (record(name="other"), "new", 2, 0),
    ],
    ids=["itself", "another-day", "other-outcomes", "another-seed", "more-samples", "fewer-samples", "another-model"],
)
def test_a_second_record_finds_its_place_and_nothing_is_lost(tmp_path, second, fate, in_results, in_history):
    assert file(tmp_path, record(), second) == ["new", fate]

    assert (count(tmp_path, "results"), count(tmp_path, "history")) == (in_results, in_history)
    assert outcomes(*found(tmp_path)) == outcomes(record(), second)


@pytest.mark.parametrize(("first", "second"), [("1" * 9, "1" * 8), ("1" * 8, "1" * 9)])
def test_the_record_of_more_samples_is_in_place(tmp_path, first, second):
    file(tmp_path, record(first), record(second))

    assert [in_place.data.n for in_place in records(tmp_path)] == [9]


def test_another_seed_never_replaces_a_row_so_nobody_can_draw_a_better_one(tmp_path):
    file(tmp_path, record(seed=0), record(seed=1))

    assert [in_place.seed for in_place in records(tmp_path)] == [0]


@given(st.lists(st.tuples(st.text("01", min_size=3, max_size=4), st.integers(0, 1)), max_size=5))
@settings(max_examples=20, deadline=None)
def test_any_sequence_of_records_loses_nothing(sequence):
    filed = [record(correct, {"pgd": correct[::-1]}, seed=seed) for correct, seed in sequence]
    with tempfile.TemporaryDirectory() as folder:
        file(Path(folder), *filed)

        assert outcomes(*found(Path(folder))) == outcomes(*filed)


BESIDE = files._beside


@pytest.fixture
def crash(monkeypatch):
    """A function: the k-th file that is written from now on meets a full disk."""

    def arm(k):
        count = iter(range(100))

        def write_or_crash(path, content):
            if next(count) == k:
                raise OSError("no space left on device")
            return BESIDE(path, content)

        monkeypatch.setattr(files, "_beside", write_or_crash)

    return arm


@pytest.mark.parametrize("k", range(4))
def test_a_crash_while_replacing_leaves_every_record_with_its_evidence(tmp_path, crash, k):
    first, second = record(), record(adversarial={"pgd": "10000000"})
    file(tmp_path, first)
    crash(k)
    with pytest.raises(OSError, match="no space"):
        file(tmp_path, second)

    paths = [path for part in ("results", "history") for path in (tmp_path / part).rglob("*.json")]
    assert outcomes(first) <= outcomes(*map(own_evidence, paths))


@pytest.mark.parametrize("k", range(4))
def test_a_replacement_that_crashed_can_be_repeated_and_nothing_is_lost(tmp_path, crash, k):
    first, second = record(), record(adversarial={"pgd": "10000000"})
    file(tmp_path, first)
    crash(k)
    with pytest.raises(OSError, match="no space"):
        file(tmp_path, second)
    crash(None)
    file(tmp_path, second)

    assert outcomes(*found(tmp_path)) == outcomes(first, second)


def test_many_processes_at_once_lose_nothing(tmp_path):
    """Half of them have a model of their own, the others measure the same one, each with another seed."""
    context = multiprocessing.get_context("forkserver")
    start = context.Barrier(WRITERS)
    rows = [record(name=f"own-{k}") if k % 2 else record(name="shared", seed=k) for k in range(WRITERS)]
    writers = [context.Process(target=file_at_once, args=(start, tmp_path, record)) for record in rows]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert len(found(tmp_path)) == WRITERS
    board = pd.read_csv(tmp_path / "results.csv")
    assert sorted(set(board.model)) == ["own-1", "own-3", "own-5", "own-7", "shared"]


def test_evidence_is_of_the_first_attack_that_broke_a_sample():
    got = evidence(record("11111111", {"fgsm": "01010000", "pgd": "11010001"}))

    assert got.row.tolist() == [0, 1, 3, 7]
    assert got.by.tolist() == [1, 0, 0, 1]
    assert got.x_adv.tolist() == [[1, 0], [0, 1], [0, 3], [1, 7]]


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=1)))
@settings(deadline=None)
def test_evidence_has_one_input_for_each_adversarial_sample(broken):
    masks = [np.array(mask) for mask in broken]
    n = len(masks[0])
    got = Evidence.of(samples(n).y, samples(n).index, [(mask, inputs(k, mask)) for k, mask in enumerate(masks)])

    firsts = {i: by.index(True) for i, by in enumerate(zip(*broken, strict=True)) if any(by)}
    assert dict(zip(got.row.tolist(), got.by.tolist(), strict=True)) == firsts
    assert got.x_adv.tolist() == [[by, i] for i, by in firsts.items()]


def test_evidence_of_no_broken_sample_is_empty_and_keeps_the_shape():
    got = Evidence.from_bytes(evidence(record()).to_bytes())

    assert got.x_adv.shape == (0, 2)
    assert len(got.row) == len(got.by) == 0


def test_evidence_knows_the_labels_and_numbers_of_all_samples():
    got = evidence(record())

    assert got.y.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert got.index.tolist() == [0, 3, 6, 9, 12, 15, 18, 21]


def test_evidence_comes_back_from_its_bytes():
    given = evidence(record(adversarial={"fgsm": "01010000", "pgd": "11010001"}))
    got = Evidence.from_bytes(given.to_bytes())

    for name in ("x_adv", "row", "by", "y", "index"):
        assert getattr(got, name).dtype == getattr(given, name).dtype
        assert getattr(got, name).tolist() == getattr(given, name).tolist()


def test_equal_evidence_gives_equal_bytes_at_any_time():
    content, again = (evidence(record(adversarial={"pgd": "11010001"})).to_bytes() for _ in range(2))

    assert content == again
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_evidence_with_pickles_is_refused():
    file = io.BytesIO()
    np.savez(file, **dict.fromkeys(("x_adv", "row", "by", "y", "index"), np.array([{}])))

    with pytest.raises(ValueError, match="pickles and can run code"):
        Evidence.from_bytes(file.getvalue())


def test_a_written_file_has_the_content_and_anybody_may_read_it(tmp_path):
    write(tmp_path / "a" / "b", b"new")

    assert (tmp_path / "a" / "b").read_bytes() == b"new"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("old", [{}, {"file": b"old"}], ids=["no-file", "old-file"])
def test_a_write_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch, call, old):
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)

    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path / "file", b"new")

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_writing_the_same_content_touches_nothing(tmp_path):
    path = tmp_path / "file"
    write(path, b"content")
    os.utime(path, ns=(0, 0))
    write(path, b"content")

    assert path.stat().st_mtime_ns == 0


@pytest.mark.parametrize("name", [*GENERATED])
@pytest.mark.parametrize("content", ["# My project\n", "", "model,accuracy\nnet,1\n"])
def test_a_file_of_somebody_else_is_not_overwritten(tmp_path, name, content):
    (tmp_path / name).write_text(content)

    with pytest.raises(ValueError, match=f"{name} is not a leaderboard of ours"):
        check_folder(tmp_path)


def test_a_folder_of_ours_is_taken_again(tmp_path):
    file(tmp_path, record())

    check_folder(tmp_path)


@pytest.mark.parametrize("folder", [".", "missing"])
def test_a_folder_without_a_board_is_free(tmp_path, folder):
    check_folder(tmp_path / folder)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ValueError, match="is a file, expected a folder"):
        check_folder(tmp_path / "file")


def test_records_are_those_in_place(tmp_path):
    file(tmp_path, record(seed=0), record(seed=1), record(name="other"))

    assert [(r.model.name, r.seed) for r in records(tmp_path)] == [("net", 0), ("other", 0)]


def test_a_missing_folder_holds_no_records(tmp_path):
    assert records(tmp_path / "missing") == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", record().to_json().encode()[:100]])
def test_a_damaged_record_is_named(tmp_path, content):
    file(tmp_path, record())
    path = tmp_path / "results" / "damaged.json"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=f"^{path}: .*; mend it or move it away$"):
        records(tmp_path)


def test_a_damaged_record_in_the_place_of_a_new_one_is_named_too(tmp_path):
    file(tmp_path, record())
    (path,) = (tmp_path / "results").rglob("*.json")
    path.write_text(f"<<<<<<< HEAD\n{path.read_text()}")

    with pytest.raises(ValueError, match=f"^{path}: .*; mend it or move it away$"):
        file(tmp_path, record())


def test_a_private_folder_keeps_itself_out_of_version_control(tmp_path):
    made = private(tmp_path / "a" / ".robust")

    assert made == tmp_path / "a" / ".robust"
    assert (made / ".gitignore").read_text().splitlines()[-1] == "*"


def test_a_private_folder_keeps_what_it_holds(tmp_path):
    (private(tmp_path) / "model").write_text("weights")
    private(tmp_path)

    assert (tmp_path / "model").read_text() == "weights"

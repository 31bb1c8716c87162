"""--robust-data=hf:DIR, in a whole run: read where it is indexed, and what was done to its images told."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from robust.data import lazy_inputs
from robust.records.evidence import Evidence
from tests.plugin.test_main_job import MODEL, records


def image(seed):
    file = io.BytesIO()
    Image.fromarray(np.random.RandomState(seed).randint(0, 256, (9, 12)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def tables(folder):
    (folder / "tables").mkdir()
    for split, n in (("test", 60), ("train", 90)):
        table = pa.table({"image": [image(1000 * n + i) for i in range(n)], "label": [i % 10 for i in range(n)]})
        pq.write_table(table, folder / "tables" / f"{split}.parquet")
    return folder


@pytest.mark.parametrize("most", [2**28, 0], ids=["in memory", "on disk"])
def test_a_run_on_it_files_a_row_and_trains(run, tables, monkeypatch, most):
    monkeypatch.setattr(lazy_inputs, "IN_MEMORY", most)
    data = "--robust-data=hf:tables:size=8:channels=1"
    result = run(MODEL, data, "--robust-train=as-is,standard:epochs=1:augment=crop-flip", "--robust-suite=quick-1")

    result.assert_outcomes(passed=8)
    adversarial = 0
    for path, record in records(tables / "leaderboard").items():
        assert (record.data.name, record.data.n) == ("tables", 60)
        assert record.provenance["transforms"] == [
            "turned as EXIF says",
            "grey",
            "shorter side scaled to 8, bilinear",
            "8x8 cut at the centre",
            "divided by 255",
        ]
        evidence = Evidence.from_bytes(path.with_suffix(".npz").read_bytes())
        assert evidence.x_adv.shape[1:] == (1, 8, 8)
        assert len(evidence.row) == (record.correct & ~record.robust).sum()
        adversarial += len(evidence.row)
    assert adversarial > 0


def test_a_damaged_file_ends_the_run_in_one_line(run, tables):
    (tables / "tables" / "test.parquet").write_bytes(b"PAR1 and no more")
    result = run(MODEL, "--robust-data=hf:tables:size=8")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --robust-data=hf:tables:size=8: test.parquet is not a sound file of *"])


def test_a_model_of_all_classes_is_tested_on_some_where_the_labels_stay(run, tables):
    result = run(MODEL, "--robust-data=digits:only=3+5")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*answer 2 samples of digits:only=3+5, 2 classes*got shape [[]2, 10[]]*"])
    run(MODEL, "--robust-data=digits:only=3+5:renumber=false").assert_outcomes(passed=3)


def test_few_classes_change_an_attack_and_a_suite_alike_and_the_row_says_so(run, pytester, folder):
    pytester.makefile(".toml", mine='[[stages]]\nattack = "apgd:loss=dlr:steps=3:targets=9"')
    data = ("--robust-model=net.py:two_classes", "--robust-data=digits:only=3+5", "--robust-threat=linf:0.1")
    given = ("--robust-attack=apgd:loss=dlr:steps=3:targets=9", "--robust-suite=mine.toml")
    result = run(*data, *given, "--robust-samples=60", fast=False)

    result.assert_outcomes(passed=3)
    alone, suite = sorted(records(folder / "leaderboard").values(), key=lambda record: record.suite)
    assert alone.attacks[0].name == "apgd:loss=dlr:steps=3:targets=9"
    assert (alone.robust == suite.robust).all()
    note = "under linf:0.1: for 2 classes: targets=1 in place of 9, loss=margin in place of dlr"
    for record in (alone, suite):
        assert any(note in text for text in record.provenance["notes"])
    result.stdout.fnmatch_lines([f"WARNING net-two_classes (as-is): apgd* {note}"])
    result.stdout.no_fnmatch_line("WARNING *mine*")  # a suite's stages are for any number of classes

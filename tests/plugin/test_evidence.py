"""--robust-evidence: of how many broken samples a row keeps the adversarial inputs."""

import pytest

from robust.records.evidence import Evidence
from tests.plugin.test_main_job import MODEL, records


def kept(folder):
    ((path, record),) = records(folder / "leaderboard").items()
    return record, Evidence.from_bytes(path.with_suffix(".npz").read_bytes())


def test_all_are_kept_by_default(run, folder):
    run(MODEL)
    record, evidence = kept(folder)

    assert len(evidence.row) == record.provenance["inputs"] == (record.correct & ~record.robust).sum()


def test_so_many_are_kept_each_with_its_sample(run, folder):
    run(MODEL, "--robust-evidence=5")
    record, evidence = kept(folder)

    assert record.provenance["inputs"] == len(evidence.row) == len(evidence.x_adv) == len(evidence.by) == 5
    adversarial = record.correct & ~record.robust
    assert adversarial.sum() > 5
    assert adversarial[evidence.row].all()
    assert all(record.attacks[by].adversarial[row] for row, by in zip(evidence.row, evidence.by, strict=True))


def test_a_repeat_finds_the_same(run, folder):
    run(MODEL, "--robust-evidence=5")
    run(MODEL, "--robust-evidence=5").stdout.fnmatch_lines(["leaderboard (1 measured the same as before):*"])


@pytest.mark.parametrize("seed", [5_000_000_000, 10**18 - 1])
def test_any_seed_that_is_taken_draws_evidence_a_gallery_baselines_and_batches(run, folder, seed):
    trained = (MODEL, f"--robust-seed={seed}", "--robust-train=pgd-at:epochs=1")
    run(*trained, "--robust-evidence=5", "--robust-gallery=3", "--robust-save=kept")
    record, evidence = kept(folder)

    assert record.seed == seed
    assert len(evidence.row) == 5
    run(*trained, "--robust-compare=latest").assert_outcomes(passed=4)

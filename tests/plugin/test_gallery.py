"""--robust-gallery: of how many broken samples a row keeps pictures for the page."""

import pytest

from robust.records.evidence import Evidence
from robust.records.store import galleries
from tests.plugin.test_main_job import MODEL, records


def kept(folder):
    ((path, record),) = records(folder / "leaderboard").items()
    return record, Evidence.from_bytes(path.with_suffix(".npz").read_bytes())


def page(folder):
    return (folder / "leaderboard" / "index.html").read_text()


def test_a_row_has_pictures_of_six_broken_samples(run, folder):
    run(MODEL)
    record, evidence = kept(folder)
    gallery = evidence.gallery

    assert len(gallery.row) == 6
    assert (record.correct & ~record.robust)[gallery.row].all()
    assert (gallery.label == evidence.y[gallery.row]).all()
    assert (gallery.answer != gallery.label).all()
    assert page(folder).count("data:image/png") == 4 * 5  # 24 at most, of five kinds
    assert galleries(folder / "leaderboard", [record]).keys() == {record.stem}


@pytest.mark.parametrize(("n", "pictures"), [(0, 0), (2, 2)])
def test_as_many_as_are_asked_for(run, folder, n, pictures):
    run(MODEL, f"--robust-gallery={n}")
    gallery = kept(folder)[1].gallery

    assert (len(gallery.row) if gallery else 0) == pictures
    assert page(folder).count("data:image/png") == 5 * pictures


def test_the_page_has_the_command_that_repeats_the_row(run, folder):
    run(MODEL, "--robust-gallery=0")

    assert kept(folder)[0].provenance["command"].startswith("pytest --robust-model=net.py:make")
    assert "pytest --robust-model=net.py:make" in page(folder)


def test_the_command_has_what_the_ini_file_says_too(run, pytester, folder):
    pytester.makeini("[pytest]\nrobust_evidence = 7\n")
    run(MODEL, "--robust-gallery=0")

    assert "--robust-evidence=7" in kept(folder)[0].provenance["command"].split()


def test_what_goes_wrong_with_pictures_costs_nothing_else(run, folder, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("no picture\nat all")

    monkeypatch.setattr("robust.session.payload_builder.illustrate", broken)
    result = run(MODEL)

    result.stdout.fnmatch_lines(["WARNING net (as-is): no images under linf:0.15: *no picture*"])
    assert kept(folder)[1].gallery is None

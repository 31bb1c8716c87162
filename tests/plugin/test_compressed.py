"""Folders of `robust compress` through the plugin: the road is told, and the checks know it."""

import pytest

from robust.cli import main
from tests.plugin.test_foreign import only_record
from tests.plugin.test_main_job import MODEL, records

QUICK = ("--robust-attack=pgd:steps=5", "--robust-samples=60")


@pytest.fixture
def packed(folder, capsys):
    """A function: a folder with the user's network, packed so."""

    def make(*args):
        assert main(["compress", MODEL.removeprefix("--robust-model="), *args, "--out=packed"]) == 0
        capsys.readouterr()

    return make


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_a_packed_network_is_attacked_through_its_twin_and_not_blamed_for_it(run, folder, packed, kind):
    packed(f"--int8={kind}")
    result = run("--robust-model=packed", *QUICK, fast=False, checked=True)
    record = only_record(folder)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines([f"loaded packed: compressed from net.py:make (int8-{kind}); it is attacked through *"])
    assert record.robust.sum() < record.correct.sum()
    assert {"wrong-gradient", "exploding-gradient", "shattered-gradient"} <= {*record.trust.skipped}
    assert {finding.name for finding in record.trust.doubts} <= {"few-samples"}
    assert any("float twin" in note for note in record.provenance["notes"])


def test_queries_find_less_than_the_twin(run, folder, packed):
    packed("--int8=static")
    counts = []
    for road in ("twin", "queries"):
        run("--robust-model=packed", *QUICK, f"--robust-road={road}", f"--robust-leaderboard={road}", fast=False)
        (record,) = records(folder / road).values()
        counts.append(int(record.robust.sum()))

    assert counts[0] <= counts[1]


def test_a_road_that_there_is_not_is_refused(run, packed):
    packed("--int8=static")
    result = run("--robust-model=packed", "--robust-road=own")

    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --robust-model=packed: passes no gradient of its own to the inputs; take *"])


def test_a_warning_of_torch_is_no_error_of_the_users(run, folder, packed):
    packed("--int8=static")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    run("--robust-model=packed", *QUICK, fast=False).assert_outcomes(passed=2)

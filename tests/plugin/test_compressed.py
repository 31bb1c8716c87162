"""Folders of `robust compress` through the plugin: the road is told, and the checks know it."""

import pytest
from safetensors.torch import load_file, save_file

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


@pytest.mark.parametrize(
    "packing",
    [["--int8=static"], ["--int8=dynamic"], ["--int8=static", "--form=export"], ["--prune=0.5", "--form=onnx"]],
)
def test_a_form_without_bounds_is_not_certified_and_told_in_plain_words(run, packed, packing):
    packed(*packing)
    result = run("--robust-model=packed", "--robust-certify=ibp")

    form = "packed cannot be certified: it is compressed to a form of which no bounds are known"
    told = f"{form}; certify the float network that it was made from; --robust-certify=none leaves it out"
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: --robust-certify=ibp: {told}"]


def test_a_pruned_network_is_certified(run, folder, packed):
    packed("--prune=0.5")
    run("--robust-model=packed", "--robust-certify=ibp", "--robust-threat=linf:0.001").assert_outcomes(passed=4)

    assert only_record(folder).certificate.certified.any()


def test_a_warning_of_torch_is_no_error_of_the_users(run, folder, packed):
    packed("--int8=static")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    run("--robust-model=packed", *QUICK, fast=False).assert_outcomes(passed=2)


COMPARE = ("--robust-compare=float", "--robust-verdict=none")


def test_a_compressed_network_is_compared_with_its_float_network_in_one_run(run, folder, packed):
    packed("--int8=static")
    result = run("--robust-model=packed", *QUICK, *COMPARE, fast=False)
    record = only_record(folder)

    result.assert_outcomes(passed=4)  # clean, attack, and a regression test of each
    result.stdout.re_match_lines(
        [
            r"compared with its float network: packed \(as-is\): clean accuracy .* p = .* \(size \d+ %, time of a for",
            r"compared with its float network: packed \(as-is\), linf:0.15, all attacks: robust .* \(size \d+ %",
        ]
    )
    told = record.provenance["compressed"]
    assert (told["how"], told["model"], told["road"]) == ("int8-static", "net.py:make", "twin")
    assert "compressed,size_percent,road" in (folder / "leaderboard" / "results.csv").read_text()
    assert "attacked by the road twin" in "".join(p.read_text() for p in (folder / "leaderboard").rglob("*.html"))


def test_compression_that_costs_too_much_fails_the_gate(run, folder, packed):
    packed("--prune=0.97")
    result = run("--robust-model=packed", *QUICK, *COMPARE, "--robust-compare-fail=clean_acc:2pp", fast=False)

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*more than clean_acc:2pp allows against its float network*"])


def test_the_float_model_of_the_run_is_measured_once(run, folder, packed):
    packed("--prune=0.5")
    result = run(MODEL, "--robust-model=packed", *QUICK, *COMPARE, fast=False)

    result.assert_outcomes(passed=6, skipped=2)
    assert len(records(folder / "leaderboard")) == 2


def test_a_float_network_that_has_changed_is_refused(run, folder, packed):
    packed("--int8=static")
    save_file({k: v + 1 for k, v in load_file(folder / "weights.safetensors").items()}, folder / "weights.safetensors")
    result = run("--robust-model=packed", *QUICK, *COMPARE, fast=False)

    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*net.py:make: has other weights than when it was compressed*"])


def test_without_a_compressed_model_nothing_is_compared(run):
    result = run(MODEL, "--robust-compare=float")

    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --robust-compare=float: no model of this run is of robust compress*"])


def test_a_row_of_a_compressed_model_is_verified_by_its_inputs(run, folder, packed, capsys, monkeypatch):
    packed("--int8=static")
    run("--robust-model=packed", *QUICK, "--robust-verdict=none", fast=False).assert_outcomes(passed=2)
    monkeypatch.chdir(folder)
    status = main(["verify", "packed", "--model=packed"])

    assert "verified" in capsys.readouterr().out
    assert status == 0


def test_a_curve_goes_along_the_twin(run, folder, packed):
    packed("--int8=static")
    attack, few = "--robust-attack=fgsm", "--robust-samples=20"
    given = ("--robust-model=packed", attack, few, "--robust-curve", "--robust-verdict=none")
    run(*given, fast=False).assert_outcomes(passed=3)

    assert only_record(folder).curve is not None


def test_nothing_is_certified_through_a_twin(run, packed):
    packed("--int8=static")
    result = run("--robust-model=packed", "--robust-certify=crown")

    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --robust-certify=crown: packed cannot be certified: *"])

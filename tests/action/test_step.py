"""The action's steps, run as GitHub runs them, on a small network for the digits.

Only `passed` installs the project, as a user's workflow does; the others skip that step and take what is installed.
"""

import json
import re
import shutil
import sysconfig
import venv

import pytest

from tests.action.composite import ROOT, run

MODELS = ROOT / "benchmarks" / "models"
SOURCE = ("action.yml", "attacks", "robust", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")
QUICK = "--robust-attack=fgsm\n--robust-verdict=none\n--robust-fresh=0\n--robust-gallery=0\n-pno:hypothesispytest"
GIVEN = {"model": "weights.safetensors", "arch": "net.py:make", "samples": "200", "args": QUICK}


def workspace(folder, weights="digits-pgd-at"):
    """A user's repository."""
    folder.mkdir()
    shutil.copy(ROOT / "examples" / "digits.py", folder / "net.py")
    shutil.copy(MODELS / f"{weights}.safetensors", folder / "weights.safetensors")
    return folder


@pytest.fixture
def gate(tmp_path):
    """Run the action on a user's repository, without its first step, which installs."""

    def call(inputs, *, cwd=None, **environment):
        where = cwd or workspace(tmp_path / "repository")
        return where, run(ROOT, {**GIVEN, **inputs}, cwd=where, folder=tmp_path, skip={0}, environment=environment)

    return call


@pytest.fixture(scope="module")
def passed(tmp_path_factory):
    """(the user's repository, what the whole action did there), in an environment that it installs itself into."""
    folder = tmp_path_factory.mktemp("passed")
    source = folder / "action"
    source.mkdir()
    for name in SOURCE:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source)
    venv.create(folder / "env", symlinks=True)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")  # what it depends on, without a network
    where = workspace(folder / "repository")
    (where / "robust").mkdir()  # a folder of that name is the user's, and not ours
    (where / "robust" / "__init__.py").write_text("raise RuntimeError('the wrong one')\n")
    # Build isolation is turned off by a 0: pip reads this variable the other way round.
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_IGNORE_INSTALLED": "1"}
    path = f"{folder / 'env' / 'bin'}:/usr/bin:/bin"
    inputs = {**GIVEN, "fail-under": "clean:90\n60"}
    return where, run(source, inputs, cwd=where, folder=folder, environment={"PATH": path, **offline})


@pytest.mark.slow
def test_a_model_above_its_floors_passes(passed):
    _, ran = passed

    assert ran.status == 0, ran.log
    assert ran.commands == []
    assert (ran.outputs["passed"], ran.outputs["regressed"]) == ("true", "")
    assert ran.outputs["report-dir"] == "robust-report"
    names = "clean-accuracy", "robust-accuracy", "robust-accuracy-low"
    clean, robust, low = (float(ran.outputs[name]) for name in names)
    assert 60 < low < robust < clean <= 100
    assert ran.summary.startswith("### Robustness: passed\n")
    figures = f"{clean:.1f} | {robust:.1f} | {low:.1f} to "
    assert f"| 1 | weights | as-is | digits | linf:0.15 | fgsm | {figures}" in ran.summary


@pytest.mark.slow
def test_the_report_has_the_leaderboard_a_badge_numbers_and_sarif(passed):
    where, ran = passed
    report = where / "robust-report"
    figure = f"{float(ran.outputs['robust-accuracy']):.1f} %"

    expected = {"index.html", "README.md", "leaderboard.csv", "results.csv", "groups.csv", "badges", "results"}
    expected |= {"badge.json", "badge.svg", "numbers.json", "results.sarif"}
    assert {path.name for path in report.glob("[!.]*")} == expected
    assert json.loads((report / "badge.json").read_text())["message"] == figure
    assert figure in (report / "badge.svg").read_text()
    assert json.loads((report / "results.sarif").read_text())["runs"][0]["results"] == []
    (row,) = json.loads((report / "numbers.json").read_text())["rows"]
    assert (row["n"], row["floor"], row["threat"]) == (200, 60.0, [{"norm": "linf", "eps": 0.15}])
    assert f"{100 * row['robust'] / 200:.2f}" == ran.outputs["robust-accuracy"]


def test_a_model_below_its_floor_fails_with_an_annotation(gate):
    where, ran = gate({"fail-under": "clean:90\n95"}, GITHUB_WORKFLOW_REF="o/r/.github/workflows/gate.yml@refs/pull/1")

    assert ran.status == 1, ran.log
    assert (ran.outputs["passed"], ran.outputs["regressed"]) == ("false", "")
    ((name, properties, text),) = ran.commands
    assert name == "error"
    assert properties == "file=weights.safetensors,title=weights.safetensors%3A%3Atest_attack[fgsm-linf-0.15]"
    assert re.match(
        r"robust accuracy [\d.]+ %25 \(95 %25 interval .*is below the required 95 %25%0Arepeat: pytest ", text
    )
    assert ran.summary.startswith("### Robustness: failed\n")
    assert "| fails |" in ran.summary
    (result,) = json.loads((where / "robust-report" / "results.sarif").read_text())["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("robust-accuracy", "error")
    assert "is below the required 95 %" in result["message"]["text"]


@pytest.mark.slow
def test_a_floor_inside_the_interval_is_inconclusive_and_what_did_not_change_has_not_regressed(passed, gate):
    baseline, _ = passed

    _, ran = gate({"fail-under": "80", "compare": str(baseline / "robust-report")})

    assert ran.status == 0, ran.log
    assert (ran.outputs["passed"], ran.outputs["regressed"]) == ("true", "false")
    assert float(ran.outputs["robust-accuracy-low"]) < 80 < float(ran.outputs["robust-accuracy"])
    assert ran.summary.startswith("### Robustness: passed, inconclusive\n")
    assert "| inconclusive |" in ran.summary
    ((name, properties, text),) = ran.commands
    assert (name, properties) == ("warning", "title=pytest-robust")
    assert "inconclusive: robust accuracy" in text


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"data": "digits\nmnist"}, "input data: expected one line, got 2: digits / mnist"),
        ({"args": "--robust-attack=pdg"}, "--robust-attack=pdg: unknown attack 'pdg', did you mean 'pgd'?*"),
        pytest.param({"model": "missing.safetensors"}, "--robust-model=missing.safetensors: *", marks=pytest.mark.slow),
        pytest.param({"args": "--no-such-option"}, "unrecognized arguments: --no-such-option", marks=pytest.mark.slow),
    ],
    ids=["lines", "attack", "model", "option"],
)
def test_a_wrong_input_is_one_line_and_status_4(gate, inputs, told):
    where, ran = gate(inputs)

    assert ran.status == 4, ran.log
    ((name, properties, text),) = ran.commands
    assert (name, properties) == ("error", "title=pytest-robust")
    pattern = re.escape(told).replace(r"\*", ".*")
    assert re.fullmatch(pattern, text)
    assert ran.summary.startswith("### Robustness: not measured\n")
    assert re.search(pattern, ran.summary)
    assert ran.outputs == {name: "false" if name == "passed" else "" for name in ran.outputs}
    assert not (where / "robust-report").exists()


HOSTILE = "x|y<script>alert(1)<!--`$(id)${{ github.token }}\u202e::error::owned%0A"


def test_a_hostile_model_obtains_nothing(gate, tmp_path):
    """Its name, what it prints and what it raises; it commands nothing, and forges neither table nor output."""
    where = workspace(tmp_path / "repository")
    (where / f"{HOSTILE}.safetensors").write_bytes((where / "weights.safetensors").read_bytes())
    net = (where / "net.py").read_text()
    noise = (
        'print("\\n::error::forged\\n::set-output name=passed::true\\n::stop-commands::mine\\n::mine::", flush=True)\n'
    )
    noise += 'import os, sys\nsys.__stderr__.write("\\n::warning::forged\\n")\nos.write(1, b"\\n::add-mask::a\\n")\n'
    (where / "net.py").write_text(f"{noise}{net}")

    _, ran = gate({"model": f"{HOSTILE}.safetensors", "fail-under": "99", "args": f"{QUICK}\n-s"}, cwd=where)

    assert ran.status == 1, ran.log
    assert "::error::forged" in ran.log
    kinds = {name: text for name, _, text in ran.commands}
    assert kinds.keys() <= {"error", "warning"}
    assert kinds["error"].startswith("robust accuracy")
    assert kinds.get("warning", "--robust-fail-under").startswith("--robust-fail-under")  # the floor cannot be settled
    (row,) = (line for line in ran.summary.split("\n") if line.startswith("| 1 |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 14
    assert "<script>" not in row
    assert "\u202e" not in ran.summary
    assert ran.outputs["passed"] == "false"
    page = (where / "robust-report" / "index.html").read_text()
    assert "<script>alert" not in page
    told = (where / "robust-report" / "numbers.json").read_text()
    assert "script" not in told
    assert "owned" not in told


@pytest.mark.slow
def test_a_model_worse_than_the_baseline_is_told(passed, gate, tmp_path):
    baseline, _ = passed
    where = workspace(tmp_path / "worse", "digits-standard")
    given = {"compare": str(baseline / "robust-report"), "compare-fail": "robust_acc:2pp\nclean_acc:50pp"}

    _, ran = gate(given, cwd=where)

    assert ran.status == 1, ran.log
    assert (ran.outputs["passed"], ran.outputs["regressed"]) == ("false", "true")
    ((name, properties, text),) = ran.commands
    assert name == "error"
    assert "test_regression[linf-0.15]" in properties
    assert "more than robust_acc:2pp allows" in text
    assert re.search(r"\| robust accuracy \| [\d.]+ \| [\d.]+ \| \d+ \| \d+ \| [\de.-]+ \| 2 \| fails \|", ran.summary)
    found = json.loads((where / "robust-report" / "numbers.json").read_text())["compared"]
    assert {each["metric"]: each["ruling"] for each in found} == {"clean_acc": "holds", "robust_acc": "fails"}


def test_a_run_that_dies_is_told_with_its_status(gate, tmp_path):
    where = workspace(tmp_path / "repository")
    (where / "net.py").write_text("import os\n\nos._exit(7)\n")

    _, ran = gate({}, cwd=where)

    assert ran.status == 7
    assert ran.commands == [("error", "title=pytest-robust", "the run ended with exit status 7; the log tells why")]
    assert ran.outputs["passed"] == "false"
    assert ran.outputs["robust-accuracy"] == ""

"""--robust-fresh: some inputs of a row are shown to the model loaded anew in a fresh process."""

import json
import subprocess
import sys
from fnmatch import fnmatch

import numpy as np
import pytest

from robust.verification import fresh_process
from robust.verification.candidates import Candidates
from tests.plugin.conftest import NET
from tests.plugin.test_main_job import MODEL, records

FRESH = "--robust-fresh=3"


def verified(folder):
    return [record.provenance["verified"] for record in records(folder / "leaderboard").values()]


@pytest.fixture
def here(monkeypatch):
    """Let this process answer as a fresh one would, which takes no second."""

    def answer(command, *, input, **options):
        return subprocess.CompletedProcess(command, 0, json.dumps(fresh_process._answer_request(input)).encode(), b"")

    monkeypatch.setattr(fresh_process.subprocess, "run", answer)


def test_another_process_confirms_the_inputs(run, folder):
    (folder / "robust.py").write_text("raise RuntimeError('not the package')")
    (folder / "net.py").write_text((folder / "net.py").read_text() + "\n\nprint('what is printed is no answer')\n")
    result = run(MODEL, FRESH)

    assert verified(folder) == [{"fresh": 3, "edge": 0}]
    result.stdout.fnmatch_lines(
        ["verified: adversarial inputs, in other batches, 3 also in a fresh process; robust samples cannot be verified"]
    )


@pytest.mark.parametrize(
    "given",
    [
        ["--robust-model=weights.pt", "--robust-arch=net.py:bare"],
        ["--robust-model=package.part:make(2)"],
        ["--robust-model=net.py:bare"],
        ["--robust-model=zoo:mlp(width=8)", "--robust-train=standard:epochs=1"],
        [MODEL, "--robust-train=standard:epochs=1"],
    ],
    ids=["weights", "module", "drawn weights", "zoo", "trained"],
)
@pytest.mark.usefixtures("here")
def test_however_a_model_is_named_it_is_loaded_anew(run, pytester, folder, given):
    pytester.mkpydir("package").joinpath("part.py").write_text("import net\n\ndef make(n):\n    return net.make()\n")
    run(*given, FRESH)

    assert verified(folder) == [{"fresh": 3, "edge": 0}]


def test_0_shows_none(run, folder):
    run(MODEL, "--robust-fresh=0").stdout.fnmatch_lines(
        ["verified: adversarial inputs, in other batches; robust samples cannot be verified"]
    )

    assert verified(folder) == [{"fresh": 0}]


CHANGED = """
import os

import torch

class Net(torch.nn.Module):
    '''Fragile in the process that made this variable, and nowhere else.'''
    slope = 1 if os.environ.setdefault("{name}", str(os.getpid())) == str(os.getpid()) else 0.1
    def forward(self, x):
        first = self.slope * x.flatten(1)[:, :1]
        return torch.cat([0.05 + 0 * first, first, *[0 * first - 1] * 8], 1)
"""


def test_what_holds_in_the_runs_own_process_only_is_not_filed(pytester, monkeypatch):
    monkeypatch.delenv("ROBUST_TEST_FRAGILE", raising=False)
    pytester.makepyfile(net=CHANGED.format(name="ROBUST_TEST_FRAGILE"))
    result = pytester.runpytest_inprocess(
        "--robust-model=net.py:Net", "--robust-attack=pgd:steps=5", "--robust-fresh=5", "--robust-accept=guessing"
    )
    monkeypatch.delenv("ROBUST_TEST_FRAGILE")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["FAILED net-net (as-is), linf:0.15: of * inputs * shown to the model loaded again * 5 answered right;*"]
    )
    assert not (pytester.path / "leaderboard" / "results").exists()


HOOK = """
import pytest

@pytest.hookimpl(optionalhook=True)
def pytest_robust_load_model(path):
    import net
    return net.make()
"""
ONCE = """
made = []
first = make

def make():
    net = first()
    if made:
        {act}
    made.append(net)
    return net
"""
OWN_MODEL = """
import net, pytest

@pytest.fixture
def robust_model():
    return net.make().eval()

def test_own(robust_attack, robust_report):
    robust_report.add(robust_attack("pgd:steps=5"))
"""
OWN_DATA = """
import pytest

@pytest.fixture
def robust_data(robust_data):
    import numpy as np
    return robust_data.take(np.arange(50))

def test_own(robust_attack, robust_report):
    robust_report.add(robust_attack("pgd:steps=5"))
"""


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"conftest": HOOK}, "the model is loaded by pytest_robust_load_model"),
        ({"test_own": OWN_MODEL}, "the model is the test's own"),
        ({"test_own": OWN_DATA}, "the samples are the test's own"),
        ({"net": NET + ONCE.format(act="raise OSError('made before')")}, "net.py:make failed: OSError: made before*"),
        ({"net": NET + ONCE.format(act="net[1].weight.data *= 2")}, "loaded again, the model has other weights"),
    ],
    ids=["hook", "fixture", "samples", "not loadable", "other weights"],
)
@pytest.mark.usefixtures("here")
def test_where_it_cannot_be_done_the_row_says_so(run, pytester, folder, files, reason):
    pytester.makepyfile(**files)
    result = run(MODEL, FRESH, "-k", "own" if "test_own" in files else "test_attack")

    (said,) = verified(folder)
    assert said["fresh"] == 0
    result.stdout.fnmatch_lines([f"not in a fresh process: net (as-is), linf:0.15: {reason}"])


@pytest.mark.usefixtures("here")
def test_a_checked_row_is_suspect_if_its_model_does_not_load_again(run, pytester, folder):
    pytester.makepyfile(net=NET + ONCE.format(act="raise OSError('made before')"))
    result = run(MODEL, FRESH, "--robust-verdict=trusted", checked=True)

    (record,) = records(folder / "leaderboard").values()
    assert record.verdict == "suspect"
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        [
            "net (as-is), linf:0.15: suspect: fresh-process: no input was shown *: net.py:make failed: *made before*",
            "FAILED net (as-is), linf:0.15: suspect, and --robust-verdict=trusted: no input *; --robust-fresh=0 *",
        ]
    )


def test_without_a_leaderboard_no_input_is_kept_to_be_shown(run):
    result = run(MODEL, FRESH, "--robust-leaderboard=none")

    result.stdout.fnmatch_lines(["not in a fresh process: net (as-is), linf:0.15: there is no leaderboard*"])


@pytest.mark.parametrize(
    ("command", "reason"),
    [("sys.exit('no more memory')", "no more memory"), ("sys.exit(3)", "exit status 3"), ("time.sleep(60)", "*end*")],
)
def test_a_process_that_gives_no_answer_is_told(monkeypatch, command, reason):
    monkeypatch.setattr(fresh_process, "SECONDS", 0.5)
    monkeypatch.setattr(fresh_process, "COMMAND", [sys.executable, "-c", f"import sys, time; {command}"])
    source = fresh_process.Source("net.py:make", ".", None, ".", None, (64,), 10, "", None, 0, "cpu")
    x = np.zeros((1, 64))

    with pytest.raises(fresh_process.NotDoneError) as raised:
        fresh_process.verify_afresh(source, Candidates(x, x, np.zeros(1, int), "linf:0.1", (0, 1), 5), "")
    assert fnmatch(str(raised.value), reason)


def test_both_accuracies_stand_in_the_row(run, folder):
    run(MODEL)

    ((path, record),) = records(folder / "leaderboard").items()
    content = json.loads(path.read_text())
    assert content["rounded"] == {"levels": 17, "correct": record.robust_rounded.sum()}
    assert record.robust.sum() <= record.robust_rounded.sum() <= record.correct.sum()
    assert all((attack.rounded <= attack.adversarial).all() for attack in record.attacks)

"""Installed but unused, the plugin costs nothing; while collecting, it imports no torch."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "torchattacks", "numpy", "pandas", "scipy", "rich", "safetensors", "pytest_benchmark"}

REPORT = """
import sys

def pytest_unconfigure():
    print("imported:", *sorted({"torch", "torchvision", "torchattacks", "pandas"} & set(sys.modules)))
"""

AUDIT = """
import sys

def hook(event, args):
    if event in ("subprocess.Popen", "os.mkdir", "os.system", "os.fork", "os.posix_spawn", "socket.connect"):
        seen.append(event)

seen = []
sys.addaudithook(hook)
import robust.plugin
import pytest

status = pytest.main(["-p", "no:cacheprovider", "-q", "test_own.py"])
assert status == 0, status
assert not seen, seen
"""


def python(*args, cwd=None):
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=True, cwd=cwd).stdout


def test_importing_the_plugin_imports_nothing_heavy():
    code = f"import robust.plugin, sys; print(*sorted({HEAVY} & set(sys.modules)))"

    assert python("-c", code).split() == []


def test_an_idle_run_starts_no_process_and_makes_no_folder(pytester):
    pytester.makepyfile(test_own="def test_own(): pass")
    before = {*pytester.path.iterdir()}

    python("-B", "-c", AUDIT, cwd=pytester.path)

    assert {*pytester.path.iterdir()} == before


@pytest.mark.parametrize("args", [["test_own.py"], ["--help"], ["--robust-model=net.py:make", "--collect-only"]])
def test_idle_runs_help_and_collection_import_no_torch(pytester, args):
    pytester.makeconftest(REPORT)
    pytester.makepyfile(test_own="def test_own(): pass", net="def make(): raise RuntimeError('not while collecting')")

    result = pytester.runpytest_subprocess(*args)

    assert result.ret == 0
    result.stdout.re_match_lines([r"imported:\s*$"])


def test_the_imports_of_the_plugin_take_under_15_ms():
    def took():
        err = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import pytest, robust.plugin"],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        lines = [line.removeprefix("import time:").split("|") for line in err.splitlines() if "| " in line]
        return sum(int(own) for own, _, name in lines if name.strip().startswith("robust"))

    assert min(took() for _ in range(3)) < 15_000


def test_help_tells_every_option(pytester):
    result = pytester.runpytest_inprocess("--help")

    for name in (
        "model",
        "arch",
        "data",
        "threat",
        "attack",
        "suite",
        "time",
        "train",
        "samples",
        "seed",
        "fail-under",
        "leaderboard",
        "only",
    ):
        result.stdout.fnmatch_lines([f"  --robust-{name}*"])
        assert f"robust_{name.replace('-', '_')} (" in result.stdout.str()

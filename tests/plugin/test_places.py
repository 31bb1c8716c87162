"""A failure points at the user's file, and never the package in site-packages."""

import xml.etree.ElementTree as ET

import pytest

from tests.plugin.conftest import NET
from tests.plugin.test_main_job import MODEL

TOLD = """
def pytest_runtest_logreport(report):
    if report.failed:
        crash = report.longrepr.reprcrash
        file, line, _ = report.location
        print("PLACE", report.nodeid.partition("[")[0], file, line, crash.path, crash.lineno)
"""


def line_of(name):
    """Return the line of the factory in the user's file, from 1."""
    return next(k for k, line in enumerate(NET.strip().splitlines(), 1) if line.startswith(f"def {name}("))


def places(result):
    return [line.partition("PLACE ")[2].split() for line in result.outlines if "PLACE " in line]


@pytest.mark.parametrize(
    ("args", "test", "factory"),
    [
        ((MODEL, "--robust-fail-under=clean:99"), "net.py::test_clean", "make"),
        (("--robust-model=net.py:nan", "-k", "preflight"), "net.py::test_preflight", "nan"),
        ((MODEL, "--robust-model=net.py:nan", "-k", "preflight"), "net.py::test_preflight", "nan"),
    ],
    ids=["floor", "preflight", "one of two models"],
)
def test_a_shipped_test_points_at_the_factory(run, pytester, folder, args, test, factory):
    pytester.makeconftest(TOLD)
    result = run(*args, "-s", "--robust-leaderboard=none", f"--junitxml={folder / 'junit.xml'}",
                 "-ojunit_family=xunit1", checked="preflight" in test)  # fmt: skip

    line = line_of(factory)
    found = [place for place in places(result) if place[0] == test]
    assert found == [[test, "net.py", str(line - 1), str(folder / "net.py"), str(line)]]
    cases = [case for case in ET.parse(folder / "junit.xml").iter("testcase") if case.find("failure") is not None]
    assert {(case.get("file"), case.get("line")) for case in cases} == {("net.py", str(line - 1))}


def test_a_librarys_model_has_no_file(run, pytester):
    pytester.makeconftest(TOLD)
    result = run("--robust-model=zoo:mlp(width=8)", "--robust-fail-under=clean:99", "-s", "--robust-leaderboard=none")

    ((_, file, line, *crash),) = [place for place in places(result) if "clean" in place[0]]
    assert (file, line, crash) == ("zoo:mlp-width8", "None", ["zoo:mlp-width8", "1"])


def test_a_test_of_the_users_points_at_itself(run, pytester, folder):
    pytester.makeconftest(TOLD)
    pytester.makepyfile(test_own="def test_own(robust_attack):\n    robust_attack('nosuch')\n")
    result = run(MODEL, "-s", "-k", "own", "--robust-leaderboard=none")

    (place,) = places(result)
    assert place[:2] == ["test_own.py::test_own", "test_own.py"]
    assert place[3].endswith("test_own.py")

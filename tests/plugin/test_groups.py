"""xdist's --dist=loadgroup: a row in one worker, a model loaded once in each, and trained once in all."""

import re
from collections import Counter

import pytest

MODELS = ("--robust-model=net.py:make", "--robust-model=net.py:bare", "--robust-only")
GROUPED = ("-n", "2", "--dist=loadgroup")
LOGGED = """
import os
from robust.session import models
import robust.train.cache as cache

def logged(name, real):
    def call(*args, **named):
        with open(f"{name}.log", "a") as file:
            file.write(f"{os.getpid()}\\n")
        return real(*args, **named)
    return call

if "PYTEST_XDIST_WORKER" in os.environ:
    models.load = logged("load", models.load)
    cache.fit = logged("fit", cache.fit)
"""
GROUPS = """
import pytest

@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    with open("groups.log", "a") as file:
        for item in session.items:
            name = item.nodeid.partition("@")[0]
            file.write(" ".join([name, *(mark.args[0] for mark in item.iter_markers("xdist_group"))]) + "\\n")
"""

# pytest 9.2 does not read what xdist 3.8 writes a group into, and so hears of none.
HEARD = hasattr(pytest.Item, "_nodeid") or pytest.version_tuple < (9, 2)


def test_the_tests_of_a_row_are_one_workers(run):
    result = run(*MODELS, "--robust-threat=linf:0.1,l2:0.5", *GROUPED, "-v")
    ran = re.findall(r"\[(gw\d)\].* PASSED net.py::test_attack\[.*\](@row-\d)?", result.stdout.str())

    result.assert_outcomes(passed=10)
    if HEARD:
        assert Counter(row for _, row in ran) == {f"@row-{k}": 2 for k in range(1, 5)}
        assert len({*ran}) == 4


def test_only_a_rows_tests_are_a_group(pytester, run, folder):
    pytester.makeconftest(GROUPS)
    run(MODELS[0], *GROUPED, checked=True)
    groups = [line.split() for line in (folder / "groups.log").read_text().splitlines()]

    assert groups[: len(groups) // 2] == [
        ["net.py::test_preflight"],
        ["net.py::test_clean"],
        ["net.py::test_attack[fgsm-linf-0.15]", "row-1"],
        ["net.py::test_attack[pgd-steps5-linf-0.15]", "row-1"],
        ["net.py::test_trust[linf-0.15]", "row-1"],
    ]


def test_a_model_is_loaded_once_a_worker_and_trained_once_in_all(pytester, run, folder, monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # where this test runs in a worker itself
    pytester.makeconftest(LOGGED)
    words = ("--robust-train=as-is,standard:epochs=1", "--robust-threat=linf:0.1,l2:0.5,l1:1")
    run(MODELS[0], *words, *GROUPED).assert_outcomes(passed=14)
    loads = Counter((folder / "load.log").read_text().splitlines())

    assert 1 <= len(loads) <= 2
    assert {*loads.values()} == {1}
    assert len((folder / "fit.log").read_text().splitlines()) == 1


def test_what_fails_is_repeated_by_its_own_id(run):
    result = run(MODELS[0], "--robust-fail-under=100", "-k", "fgsm", *GROUPED)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*repeat: pytest * 'net.py::test_attack[[]fgsm-linf-0.15[]]'"])

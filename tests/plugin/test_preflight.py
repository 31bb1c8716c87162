"""test_preflight, as a user meets it: what it says, what is accepted, and what stays in sight."""

import numpy as np
import pytest

from robust.data.dataset import DATA
from robust.records.record import Record

FAULTS = """
import random
import torch
from net import Detached, Nan, bare, make
from torch import nn

class Unstable(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = make()

    def forward(self, x):
        return self.net(nn.functional.dropout(x, 0.1) + random.SystemRandom().random()).softmax(1)

def detached():
    return Detached(*make())

def nan():
    return Nan(*make())
"""


@pytest.fixture
def faults(folder):
    (folder / "faults.py").write_text(FAULTS)


def preflight(run, name, *more):
    return run(f"--robust-model=faults.py:{name}", "-k", "preflight", *more, checked=True)


def test_each_finding_is_one_line_with_its_hint_and_then_how_to_accept_them(run, faults):
    result = preflight(run, "Unstable")

    result.assert_outcomes(failed=1)
    lines = result.outlines
    first = next(k for k, line in enumerate(lines) if line.startswith("nondeterministic: "))
    assert [line.partition(":")[0] for line in lines[first : first + 2]] == [
        "nondeterministic",
        "wrong-mode",
    ]
    accept = "or accept what is meant to be so: --robust-accept=nondeterministic,wrong-mode"
    assert lines[first + 2] == accept
    preflight(run, "Unstable", accept.rpartition(" ")[2]).assert_outcomes(passed=1)
    result = preflight(run, "Unstable", "--robust-accept=wrong-mode")
    result.stdout.fnmatch_lines(["*--robust-accept=nondeterministic"])


@pytest.mark.parametrize(
    ("name", "finding", "told"),
    [
        ("detached", "no-gradient", "fgsm under linf:0.15 could not be run: no gradient leads from *"),
        (
            "nan",
            "not-finite",
            "not attacked, *: not-finite: 60 of 60 clean samples *--robust-accept=not-finite,guessing",
        ),
    ],
)
def test_what_no_figure_can_be_had_of_is_named_and_fails_each_attack_in_one_line(run, faults, name, finding, told):
    result = run(f"--robust-model=faults.py:{name}", "-k", "preflight or fgsm", checked=True)

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([f"{finding}: *", told])
    result.stdout.no_fnmatch_line("*Traceback*")


BARE = ("--robust-model=net.py:bare", "--robust-fail-under=0")
REASON = "not attacked, since no figure could mean anything: guessing: *; or attack it *: --robust-accept=guessing"


def test_an_untrained_model_is_told_to_guess_and_is_not_attacked(run, folder):
    result = run(*BARE, "--robust-suite=quick-1", checked=True)

    result.assert_outcomes(passed=1, failed=6)
    assert len([line for line in result.outlines if line.startswith("guessing: ")]) == 1
    assert len([line for line in result.outlines if line.startswith("not attacked, ")]) == 5
    result.stdout.fnmatch_lines([REASON, "FAILED --robust-fail-under=0: no attack was run, *"])
    assert not [*folder.glob("leaderboard/results/**/*.json")]


@pytest.mark.parametrize("more", [(), ("-n", "2")], ids=["alone", "workers"])
def test_it_is_not_attacked_either_where_the_attack_alone_is_selected(run, more):
    result = run(*BARE, "-k", "fgsm", *more, checked=True)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([REASON])


def test_a_trained_variant_is_attacked_beside_it(run):
    given = ("--robust-model=net.py:bare", "--robust-train=as-is,standard:epochs=4", "-k", "fgsm")
    result = run(*given, checked=True)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_attack[[]bare-as-is-fgsm-linf-0.15] *", REASON])


@pytest.mark.parametrize("way", ["--robust-accept=guessing", "--robust-verdict=none"])
def test_who_accepts_what_was_found_has_it_attacked(run, way):
    run(*BARE, "-k", "fgsm", way, checked=True).assert_outcomes(passed=1)


def test_a_test_of_the_users_attacks_what_it_likes(run, pytester):
    pytester.makepyfile(test_own="def test_own(robust_attack): assert robust_attack('fgsm').n == 60")

    run("--robust-model=net.py:bare", "-k", "test_own", checked=True).assert_outcomes(passed=1)


def test_the_last_failed_are_run_again_and_workers_find_the_same(pytester, run, faults):
    preflight(run, "Unstable")
    args = ("--robust-model=faults.py:Unstable", "--robust-samples=60", "--robust-attack=fgsm", "-n", "2", "--lf")
    result = pytester.runpytest_inprocess(*args, "-k", "preflight")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["nondeterministic: *", "*--robust-accept=nondeterministic,wrong-mode"])


@pytest.fixture
def pixels(folder):
    """Two pictures of digits from 0 to 255, as most files have them, and what the run is to be told of them."""
    test = DATA.get("digits").load("test", 60)
    np.savez(folder / "pixels.npz", x=np.rint(255 * test.x).astype(np.float32), y=test.y)
    return ("--robust-data=npz:pixels.npz:lo=0:hi=255", "--robust-normalize=255", "--robust-attack=fgsm")


def test_eps_of_another_range_is_told_and_stays_with_its_row(run, folder, pixels):
    threats = "--robust-threat=linf:8/255,linf:8"
    result = run("--robust-model=net.py:make", *pixels, threats, checked=True)

    header = "robust: pixels*; linf:8/255 = 0.012 % of 0..255 (*), linf:8 = 3.1 % of 0..255 (8/255 of 0..1); *"
    told = "eps-units: linf:8/255 is 0.012 % of *; did you mean linf:8 (8 of 255 levels)?"
    result.stdout.fnmatch_lines([header, told, "or accept what is meant to be so: --robust-accept=eps-units"])
    assert result.ret == 1
    rows = [Record.from_json(path.read_text()) for path in (folder / "leaderboard" / "results").rglob("*.json")]
    assert {row.threat: [f.name for f in row.trust.findings] for row in rows} == {
        "linf:8/255": ["eps-units"],
        "linf:8": [],
    }
    assert {row.verdict for row in rows} == {"suspect", "trusted"}


def test_eps_of_another_range_is_accepted_by_its_name(run, pixels):
    args = ("--robust-model=net.py:make", *pixels, "--robust-threat=linf:8/255,linf:7/255", "-k", "preflight")

    result = run(*args, checked=True)
    result.stdout.fnmatch_lines(["eps-units: linf:8/255 *", "eps-units: linf:7/255 *", "*--robust-accept=eps-units"])
    run(*args, "--robust-accept=eps-units", checked=True).assert_outcomes(passed=1)

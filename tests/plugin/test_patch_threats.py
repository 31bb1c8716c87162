"""Patches through the plugin: a row, its page, its verification, and what is refused in one line."""

import pytest

from robust.cli import main
from tests.plugin.test_main_job import records

NETS = """
import torch
from pathlib import Path
from torch import nn
from robust.data.factory import open_data

def make():
    x, y = open_data("digits", Path()).read("train")
    z, wanted = torch.tensor(x).flatten(1).double(), 2.0 * nn.functional.one_hot(torch.tensor(y), 10).double() - 1
    weight = torch.linalg.lstsq(z.T @ z + torch.eye(64), z.T @ wanted).solution
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False))
    with torch.no_grad():
        net[1].weight.copy_(weight.T.round(decimals=2) + 0.0)
    return net

def answer():
    net = make()
    return lambda x: net(torch.as_tensor(x)).detach().numpy()
"""


@pytest.fixture
def patched(pytester, monkeypatch):
    """A linear model of digits, of 8x8 pixels."""
    (pytester.path / "patch_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(pytester.path)

    def run(*args, model="patch_nets.py:make", threat="patch:1x2"):
        options = [f"--robust-threat={threat}", f"--robust-model={model}", "--robust-samples=60", "--robust-only"]
        return pytester.runpytest_inprocess(*options, *args)

    run.folder = pytester.path
    return run


def test_a_patch_goes_from_its_word_to_a_row_that_can_be_verified(patched, monkeypatch, capsys):
    result = patched("--robust-suite=quick-1", "--robust-fail-under=patch:1x2:0,patch-1x2:0")
    result.assert_outcomes(passed=4)
    (record,) = records(patched.folder / "leaderboard").values()
    (path,) = (patched.folder / "leaderboard").rglob("patch_nets-*.npz")

    assert record.threat == "patch:1x2"
    assert [stage.attack for stage in record.attacks[0].stages] == ["lavan:steps=100", "patch-rs:steps=300"]
    assert 0 < record.robust.sum() < record.correct.sum()
    assert "within one window of 1x2" in (patched.folder / "leaderboard" / "index.html").read_text()
    monkeypatch.chdir(patched.folder)
    words = ["verify", "patch_nets", "--model=patch_nets.py:make"]
    assert main(words) == 0, capsys.readouterr().out
    row = path.with_suffix(".json")
    row.write_text(row.read_text().replace('"patch:1x2"', '"patch:1x1"'))
    assert main(words) == 1
    assert "larger than eps" in capsys.readouterr().out


def test_a_run_that_names_no_attack_gets_those_for_patches(patched):
    patched().assert_outcomes(passed=5)
    (record,) = records(patched.folder / "leaderboard").values()

    assert [attack.name for attack in record.attacks] == ["lavan", "patch-rs"]


def test_a_black_box_is_searched_by_queries(patched):
    result = patched("--robust-suite=quick-1", "--robust-verdict=none", model="blackbox:patch_nets.py:answer")
    result.assert_outcomes(passed=2)
    (record,) = records(patched.folder / "leaderboard").values()

    assert [stage.attack for stage in record.attacks[0].stages] == ["patch-rs:steps=300"]
    assert record.attacks[0].backwards == 0


def test_a_union_with_a_ball_runs_the_stages_of_both(patched):
    patched("--robust-suite=quick-1", threat="linf:0.05+patch:1x2").assert_outcomes(passed=4)
    patched("--robust-suite=quick-1").assert_outcomes(passed=4)
    patch, union = sorted(records(patched.folder / "leaderboard").values(), key=lambda record: len(record.threat))

    assert union.threat == "linf:0.05+patch:1x2"
    assert {"lavan:steps=100", "pgd:last=0.01:loss=margin:steps=10:stride=1"} <= {
        stage.attack for stage in union.attacks[0].stages
    }
    assert union.robust.sum() <= patch.robust.sum()


# By name: changes of the run, and what the line says.
WRONG = {
    "too large": (
        {"threat": "patch:9x2"},
        "*--robust-threat=patch:9x2: patch:9x2 is 9x2 pixels, and the inputs have 8x8*",
    ),
    "no images": (
        {"data": "breast-cancer"},
        "*--robust-threat=patch:1x2: *a patch is for images, whose last two axes are rows*",
    ),
    "another attack": (
        {"attack": "square"},
        "*--robust-attack=square: square is for linf, l2, l1, the threat is patch; use*",
    ),
    "a ball": (
        {"attack": "lavan", "threat": "linf:0.1"},
        "*--robust-attack=lavan: lavan is for patch, the threat is linf*",
    ),
    "certificates": (
        {"certify": "crown"},
        "*--robust-certify=crown: no bounds are known for patch:1x2; certificates are*",
    ),
    "a curve": (
        {"curve": "patch:4x4"},
        "*--robust-curve=patch:4x4: a curve is of linf, l2, l1, and the threat model is*",
    ),
    "a recipe": ({"train": "free"}, "*--robust-train=free: it is not for the threat model patch:1x2*pgd-at*"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(patched, name):
    changes, line = WRONG[name]
    named = {key: value for key, value in changes.items() if key == "threat"}
    result = patched(*(f"--robust-{key}={value}" for key, value in changes.items() if key not in named), **named)

    assert result.ret == 4
    result.stderr.fnmatch_lines([line.replace("[", "[[]")])


def test_a_universal_patch_is_a_row_of_its_own_and_learnt_on_other_samples(patched, monkeypatch, capsys):
    one = "patch:1x2:universal=true"
    result = patched("--robust-suite=quick-1", f"--robust-fail-under={one}:0", threat=f"patch:1x2,{one}")
    result.assert_outcomes(passed=6)
    told = "one patch is learnt first, on 200 training samples: at most 322 passes of each"
    assert told in "".join([*result.outlines, *result.errlines])
    each, shared = sorted(records(patched.folder / "leaderboard").values(), key=lambda record: len(record.threat))
    (path,) = (patched.folder / "leaderboard").rglob("*universal*/**/patch_nets-*.npz")
    (note,) = (note for note in shared.provenance["notes"] if "learnt" in note)

    assert shared.threat == one
    assert each.robust.sum() < shared.robust.sum() < shared.correct.sum()
    assert [stage.attack for stage in shared.attacks[0].stages] == ["universal-patch:samples=200:steps=150"]
    assert "of the training split, sha256" in note
    assert "one place, every pixel becomes the same" in (patched.folder / "leaderboard" / "index.html").read_text()
    monkeypatch.chdir(patched.folder)
    words = ["verify", str(path.with_suffix(".json").relative_to(patched.folder)), "--model=patch_nets.py:make"]
    assert main(words) == 0, capsys.readouterr().out


def test_patches_that_differ_are_no_universal_patch(patched, monkeypatch, capsys):
    patched("--robust-suite=quick-1").assert_outcomes(passed=4)
    (row,) = (patched.folder / "leaderboard").rglob("patch_nets-*.json")
    row.write_text(row.read_text().replace('"patch:1x2"', '"patch:1x2:universal=true"'))
    monkeypatch.chdir(patched.folder)

    assert main(["verify", "patch_nets", "--model=patch_nets.py:make"]) == 1
    assert "larger than eps" in capsys.readouterr().out


def test_a_universal_patch_is_learnt_from_a_black_box_too(patched):
    threat = "patch:1x2:universal=true"
    result = patched("--robust-verdict=none", model="blackbox:patch_nets.py:answer", threat=threat)
    result.assert_outcomes(passed=2)
    (record,) = records(patched.folder / "leaderboard").values()

    assert [attack.name for attack in record.attacks] == ["universal-patch"]
    assert record.attacks[0].backwards == 0
    assert record.robust.sum() < record.correct.sum()


def test_without_a_training_split_no_universal_patch_is_learnt(patched):
    (patched.folder / "few.py").write_text(
        "from pathlib import Path\nfrom robust.data.factory import open_data\n\n"
        "def load():\n    return open_data('digits', Path()).read('test')\n"
    )
    result = patched("--robust-data=few.py:load", "--robust-suite=quick-1", threat="patch:1x2:universal=true")

    result.stdout.fnmatch_lines(["*a patch for all is learnt on the training split of few*or leave universal=true out"])


SHARED = {
    "two attacks": (
        ["attack=universal-patch,universal-patch:steps=9"],
        "*one patch serves all, and universal-*",
    ),
    "another attack": (
        ["attack=pgd"],
        "*pgd is for *the threat is universal-patch; use universal-*",
    ),
    "restarts": (
        ["attack=universal-patch:restarts=2"],
        "*universal-patch takes no restarts: it is one patch*",
    ),
    "two stages": (["suite=two.toml"], "*two-* has 2 stages for universal-patch, and one patch serves all; leave one*"),
    "a curve": (["curve"], "*a curve is of linf, l2, l1, and the threat model is patch:1x2:universal=true*"),
    "certificates": (["certify=crown"], "*no bounds are known for patch:1x2:universal=true; certificates are*"),
    "a recipe": (["train=pgd-at"], "*--robust-train=pgd-at: it is not for the threat model patch:1x2:universal=true*"),
}


@pytest.mark.parametrize("name", SHARED)
def test_a_mistake_with_a_universal_patch_is_one_line(patched, name):
    options, line = SHARED[name]
    stage = '[[stages]]\nattack = "universal-patch"\nthreats = ["universal-patch"]\n'
    (patched.folder / "two.toml").write_text(stage + stage.replace('h"\nt', 'h:steps=9"\nt'))
    result = patched(*(f"--robust-{option}" for option in options), threat="patch:1x2:universal=true")

    assert result.ret == 4
    result.stderr.fnmatch_lines([line.replace("[", "[[]")])

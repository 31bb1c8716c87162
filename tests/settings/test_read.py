"""Settings from plain values: what each option says, what holds without it, and where relative paths start."""

import argparse
from pathlib import Path

import pytest

from robust.data.dataset import Dataset
from robust.options import OPTIONS
from robust.settings.parsing import SettingsError
from robust.settings.read import FRESH, GALLERY
from robust.settings.sources import options_of_namespace
from tests.settings.making import options, read

NET = "model=net.py:make"

# By option: what is given, and what the settings then hold.
GOOD = {
    "model": (["model=zoo:cnn"], lambda s: [spec.name for spec in s.models], ["net", "cnn"]),
    "arch": (["model=weights.pt", "arch=zoo:cnn"], lambda s: s.arch, "zoo:cnn"),
    "normalize": (["normalize=.50/.250"], lambda s: s.normalize, "0.5/0.25"),
    "output": (["output=0:probability"], lambda s: s.output, "0:probability"),
    "road": (["road=twin"], lambda s: s.road, "twin"),
    "run-code": (["run-code=weights.pt"], lambda s: [Path(path).name for path in s.permissions.code], ["weights.pt"]),
    "safe-globals": (["safe-globals=a.B,c.D"], lambda s: s.permissions.safe_globals, ("a.B", "c.D")),
    "data": (["data=mnist"], lambda s: (s.data, s.dataset.name, s.threats), ("mnist", "mnist", ("linf:0.3",))),
    "criterion": (["data=diabetes", "criterion=within:5e1"], lambda s: s.dataset.criterion, "within:50"),
    "attacked": (["attacked=3,1"], lambda s: (s.dataset.attacked, s.dataset.name), ((1, 3), "digits:attacked=1+3")),
    "goal": (
        ["data=breast-cancer", "goal=malignant->benign"],
        lambda s: (s.criterion, s.dataset.attacked),
        ("goal:1", (0,)),
    ),
    "draws": (["draws=mean:010"], lambda s: s.draws, "mean:10"),
    "groups": (["groups=sex"], lambda s: (s.groups.column, s.groups.path), ("sex", None)),
    "download": (["download"], lambda s: s.download, True),
    "threat": (["threat=linf:8/255,l2:.5", "threat=linf:8/255"], lambda s: s.threats, ("linf:8/255", "l2:0.5")),
    "attack": (["attack=fgsm,pgd:steps=5", "attack=fgsm"], lambda s: s.attacks, ("fgsm", "pgd:steps=5")),
    "queries": (
        ["model=http://a.example/", "queries=500"],
        lambda s: (s.queries, s.attacks, s.named),
        (500, ("square:steps=498", "noise"), False),
    ),
    "suite": (["suite=quick-1"], lambda s: ([suite.name for suite in s.suites], s.attacks), (["quick-1"], ())),
    "time": (["suite=quick-1", "time=1.5m"], lambda s: s.seconds, 90.0),
    "search": (["suite=quick-1", "search=bf16,fold"], lambda s: s.search, ("bf16", "fold")),
    "certify": (["certify=crown"], lambda s: (s.certify, s.tests[2]), ("crown", "test_certified")),
    "curve": (
        ["curve", "threat=linf:8/255,l2:0.5"],
        lambda s: (s.curves.ends, s.tests[-2]),
        (("linf:32/255", "l2:2"), "test_curve"),
    ),
    "eps": (
        ["curve=64/255", "threat=linf:8/255", "eps=4/255,linf:2/255"],
        lambda s: s.curves.eps,
        ("linf:4/255", "linf:2/255"),
    ),
    "train": (["train=as-is,trades+ema+awp"], lambda s: s.trainings, ("as-is", "trades+awp+ema")),
    "folds": (
        ["folds=2", "train=trades"],
        lambda s: ([data.name for data in s.folds], s.dataset.name, s.ids(s.models[0].path)),
        (["digits:fold=1of2", "digits:fold=2of2"], "digits:fold=1of2", ["trades-fold1", "trades-fold2"]),
    ),
    "samples": (["samples=20"], lambda s: s.samples, 20),
    "seed": (["seed=100000000000000000"], lambda s: s.seed, 10**17),
    "draw": (["seed=7", "draw=0"], lambda s: (s.seed, s.draw), (7, 0)),
    "batch-size": (["batch-size=7"], lambda s: s.batch_size, 7),
    "device": (["device=cuda:1"], lambda s: s.device, "cuda:1"),
    "fail-under": (
        ["fail-under=clean:85,40%,robust:30"],
        lambda s: [*map(str, s.gates.floors)],
        ["clean:85", "40", "30"],
    ),
    "fail-on": (["fail-on=ci"], lambda s: s.gates.fail_on, "ci"),
    "verdict": (["verdict=trusted"], lambda s: s.verdict, "trusted"),
    "accept": (["accept=nondeterministic"], lambda s: s.accepted, ("nondeterministic",)),
    "save": (["save=main"], lambda s: s.baselines.save, "main"),
    "compare": (
        ["compare=auto"],
        lambda s: (s.baselines.compare, [*map(str, s.baselines.margins)]),
        ("auto", ["robust_acc:0pp"]),
    ),
    "compare-fail": (
        ["compare=latest", "compare-fail=clean_acc:1pp,robust_acc:0.5pp"],
        lambda s: [*map(str, s.baselines.margins)],
        ["clean_acc:1pp", "robust_acc:0.5pp"],
    ),
    "leaderboard": (["leaderboard=made/board"], lambda s: s.leaderboard.parts[-2:], ("made", "board")),
    "evidence": (["evidence=9"], lambda s: s.evidence, 9),
    "gallery": (["gallery=0"], lambda s: s.gallery, 0),
    "fresh": (["fresh=0"], lambda s: s.fresh, 0),
    "only": (["only"], lambda s: s.only, True),
}


def test_every_option_is_looked_at_here():
    assert [*GOOD] == [option.name for option in OPTIONS]


@pytest.mark.parametrize(("typed", "look", "expected"), GOOD.values(), ids=GOOD)
def test_an_option_is_read(folder, typed, look, expected):
    assert look(read(folder, NET, *typed)) == expected


def test_the_seed_draws_unless_it_is_said_otherwise(folder):
    assert read(folder, NET, "seed=7").draw == 7


def test_without_options_the_defaults_hold(folder):
    settings = read(folder, NET)

    assert (settings.data, settings.threats, settings.attacks) == ("digits", ("linf:0.15",), ("fgsm", "pgd"))
    assert (settings.suites, settings.search, settings.trainings, settings.seconds) == ((), (), ("as-is",), None)
    assert (settings.samples, settings.seed, settings.batch_size, settings.device) == (None, 0, None, "auto")
    assert (settings.gates.floors, settings.gates.fail_on, settings.verdict) == ((), "figure", "suspect")
    assert (settings.evidence, settings.gallery, settings.fresh) == (None, GALLERY, FRESH)
    assert (settings.leaderboard, settings.home) == (folder / "leaderboard", folder / ".robust")
    assert (settings.download, settings.only, settings.accepted, settings.baselines.margins) == (False, False, (), ())


@pytest.mark.parametrize(
    ("typed", "look"),
    [
        (["samples=all"], lambda s: s.samples == "all"),
        (["leaderboard=none"], lambda s: s.leaderboard is None and not s.files),
        (["verdict=none"], lambda s: s.verdict is None),
        (["normalize=none"], lambda s: s.normalize == "none"),
        (["save="], lambda s: s.baselines.save == ""),
        (["run-code=sha256:" + "0" * 64], lambda s: s.permissions.code == ("sha256:" + "0" * 64,)),
        (["suite=none"], lambda s: s.attacks == ("fgsm", "pgd")),
        (["suite=none", "time=5m", "search=fold"], lambda s: s.suites == () and s.search == ("fold",)),
        (["suite=quick-1", "attack=pgd"], lambda s: s.rows == ("", "quick-1")),
        (["model=http://127.0.0.1:8000/predict"], lambda s: s.attacks == ("square", "noise")),
        (["threat=linf:8/255+l2:0.5"], lambda s: s.threats == ("linf:8/255+l2:0.5",)),
        (["suite=mine.toml", "threat=l2:1"], lambda s: s.suites[0].name.startswith("mine-")),
        (["compare=latest"], lambda s: [check.slug for check in s.regression_checks] == ["linf-0.15"]),
        (
            ["compare=latest", "compare-fail=robust_acc:2pp,clean_acc:1pp", "threat=linf:0.1,l2:1", "suite=quick-1"],
            lambda s: [check.slug for check in s.regression_checks] == ["clean", "quick-1-linf-0.1", "quick-1-l2-1"],
        ),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, list) else "",
)
def test_a_word_of_its_own_is_read(folder, typed, look):
    assert look(read(folder, NET, *typed))


def test_what_is_typed_wins_over_the_ini_file(folder):
    settings = read(
        folder, "threat=l2:1", "seed=2", ini=["model=net.py:make", "threat=linf:0.1", "seed=3", "samples=9"]
    )

    assert (settings.threats, settings.seed, settings.samples) == (("l2:1",), 2, 9)


def test_relative_paths_are_below_the_working_folder_or_the_ini_file(folder):
    here, project = folder / "package", folder
    said = [
        "model=net.py:make",
        "model=weights.pt",
        "arch=net.py:bare",
        "attack=fgsm",
        "leaderboard=board",
        "compare=runs",
    ]
    settings = read(here, ini=said, project=project)
    assert settings.models[0].path == project / "net.py"
    assert (settings.folder, settings.models_below, settings.attacks_below) == (project,) * 3
    assert (settings.leaderboard, settings.baselines.folder) == (project / "board", project)

    settings = read(here, "model=../net.py:make", "leaderboard=board", "compare=runs", ini=said, project=project)
    assert settings.models[0].path == project / "net.py"
    assert (settings.leaderboard, settings.baselines.folder) == (here / "board", here)
    assert (settings.models_below, settings.attacks_below) == (here, project)


def test_weights_of_an_ini_file_may_be_absent_and_typed_ones_not(folder):
    assert read(folder, ini=["model=absent.pt"]).models[0].path == folder / "absent.pt"
    with pytest.raises(SettingsError, match="no such file"):
        read(folder, "model=absent.pt")


def test_a_tolerance_in_an_ini_file_waits_for_a_comparison(folder):
    assert read(folder, NET, ini=["compare-fail=robust_acc:2pp"]).regression_checks == []


def test_a_hook_declares_data_and_changes_attacks_in_place(folder):
    data = Dataset("scans", None, 0.0, 1.0, 3, (1, 64, 64), read=lambda split: None)

    def hooks(hook, /, **arguments):
        if hook == "pytest_robust_load_data":
            return data if arguments["name"] == "scans" else None
        arguments["attacks"].append("pgd:steps=9")
        arguments["threats"].append("linf:0.2")
        return []

    settings = read(folder, NET, "data=scans", hooks=hooks)
    assert settings.dataset is data
    assert (settings.attacks, settings.threats) == (("fgsm", "pgd", "pgd:steps=9"), ("linf:0.2",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda attacks, threats: attacks.clear(), "--robust-attack: there is no attack left"),
        (lambda attacks, threats: threats.clear(), "--robust-threat: there is no threat model left"),
        (lambda attacks, threats: attacks.append(3), "pytest_robust_attacks: 3 is no text"),
        (lambda attacks, threats: attacks.append("pgdd"), "--robust-attack=pgdd: unknown attack"),
        (lambda attacks, threats: ["fgsm"], "pytest_robust_attacks returned a str; change the lists in place"),
    ],
)
def test_a_hook_that_leaves_nonsense_is_refused(folder, change, message):
    def hooks(hook, /, **arguments):
        return change(**arguments) if hook == "pytest_robust_attacks" else None

    with pytest.raises(SettingsError) as caught:
        read(folder, NET, hooks=hooks)
    assert caught.value.line("--robust-").startswith(message)


def test_a_command_gives_the_options_that_it_has(folder, monkeypatch):
    monkeypatch.chdir(folder)
    args = argparse.Namespace(model="net.py:make", seed=3, download=True, train=["pgd-at"], wait=5.0, batch_size=None)
    given = options_of_namespace(args)

    assert given.keys() == options(folder).keys()
    assert {name: value.texts for name, value in given.items() if value.texts} == {
        "model": ("net.py:make",),
        "seed": ("3",),
        "download": ("",),
        "train": ("pgd-at",),
    }
    assert given["model"].folder == folder
    assert (given["model"].typed, given["batch-size"].typed) == (True, False)

"""`robust tune`, as a person at a terminal uses it: on digits, with trials of one epoch."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import robust
from robust.cli import main
from robust.commands import tune
from robust.commands.tune import DEFAULTS
from robust.tuning import trial as trials

NET = """
from torch import nn

def make(width=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

class Broken(nn.Sequential):
    def forward(self, x):
        if self.training:
            raise RuntimeError("no such kernel")
        return super().forward(x)

def broken():
    return Broken(*make())
"""
DATA = """
from robust.data.dataset import DATA

def load(split):
    if split == "test":
        raise RuntimeError("the test split was read")
    return DATA.get("digits").read(split)
"""
GIVEN = ("net.py:make", "--recipe=fgsm-rs", "--epochs=1", "--space=tune.toml", "--trials=3")


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """A function: the exit status, output and errors of `robust tune` with these arguments, in a user's folder."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "data.py").write_text(DATA)
    (tmp_path / "tune.toml").write_text("lr = {low = 0.05, high = 0.3, log = true}\narch.width = [4, 8]\n")
    monkeypatch.chdir(tmp_path)

    def run(*argv, command="tune"):
        return main([command, *argv]), *capsys.readouterr()

    return run


def study(tmp_path, name="net-fgsm-rs"):
    return json.loads((tmp_path / ".robust" / "tune" / name / "study.json").read_text())


def test_it_tells_the_cost_and_each_trial_and_where_the_best_is(call, tmp_path):
    status, out, err = call(*GIVEN)
    cost, *lines = err.splitlines()
    found = study(tmp_path)
    best = max(found["trials"], key=lambda trial: trial["figures"]["robust"])

    assert status == 0
    assert re.fullmatch(r"robust tune: 3 trials of at most 1 epoch: at most \S+ passes, about .* take less", cost)
    assert [re.sub(r"\d[\d.]*", "N", line).partition("%")[0] for line in lines] == [
        "robust tune: trial N/N: arch.width = N, lr = N: clean N"
    ] * 3
    assert out.startswith("3 of 3 trials: 3 finished\n  trial  robust %  clean %  seconds  arch.width")
    assert found["best"] == [best["number"]]
    assert (
        f"trial {best['number']}: clean {best['figures']['clean']:.1%}, robust {best['figures']['robust']:.1%}" in out
    )
    assert (tmp_path / ".robust" / "models" / best["weights"]).is_file()
    page = (tmp_path / ".robust" / "tune" / "net-fgsm-rs" / "page.html").read_text()
    assert all(f"<h2 id={name}>" in page for name in ("history", "importance", "front", "trials", "settings"))


def test_robust_train_takes_the_recipe_and_comes_to_the_same_figures(call, tmp_path):
    _, out, _ = call(*GIVEN)
    (line,) = re.findall(r"^  train:   robust (.*)$", out, re.MULTILINE)
    best = study(tmp_path)["trials"][study(tmp_path)["best"][0] - 1]
    options = tomllib.loads((tmp_path / ".robust" / "tune" / "net-fgsm-rs" / "best.toml").read_text())
    command, *words = line.replace("'", "").split(" ")
    status, out, _ = call(*words, command=command)

    assert options == {"epochs": 1, "lr": best["values"]["lr"]}
    assert words[0] == f"net.py:make(width={best['values']['arch.width']})"
    assert status == 0
    assert f"clean {best['figures']['clean']:.1%}, PGD-10 {best['figures']['robust']:.1%}, " in out


def test_the_same_command_trains_nothing_again_and_more_trials_are_added(call, tmp_path):
    _, out, _ = call(*GIVEN)
    first = study(tmp_path)["trials"]
    _, again, err = call(*GIVEN)
    assert (again, err) == (out, "robust tune: goes on in .robust/tune/net-fgsm-rs, where 3 trials are done\n")

    _, out, err = call(*GIVEN[:-1], "--trials=4")
    assert study(tmp_path)["trials"][:3] == first
    assert "1 trial of 4 left: about " in err
    assert out.startswith("4 of 4 trials: 4 finished")


def test_another_space_is_refused_until_the_study_has_another_name(call, tmp_path):
    call(*GIVEN[:-1], "--trials=1")
    (tmp_path / "tune.toml").write_text("lr = {low = 0.05, high = 0.2, log = true}\narch.width = [4, 8]\n")
    status, out, err = call(*GIVEN)

    assert (status, out, err.count("\n")) == (4, "", 1)
    assert "net-fgsm-rs was begun with another space (lr), so its trials cannot be compared" in err
    assert call(*GIVEN[:-1], "--trials=1", "--name=narrow")[0] == 0
    assert len(study(tmp_path, "narrow")["trials"]) == 1


def test_the_test_split_is_never_read(call):
    assert call(*GIVEN[:-1], "--trials=1", "--data=data.py:load", "--threat=linf:0.1")[0] == 0


def test_two_objectives_have_a_front(call, tmp_path):
    status, out, _ = call(*GIVEN, "--objectives=clean,robust", "--sampler=random")
    front = study(tmp_path)["best"]

    assert status == 0
    assert "  * no other trial is as good in clean and robust: the front\n" in out
    assert [f"trial {number}: " in out for number in front] == [True] * len(front)
    tomls = {path.name for path in (tmp_path / ".robust/tune/net-fgsm-rs").glob("*.toml")}
    assert tomls == {f"front-{number}.toml" for number in front}


def test_what_is_interrupted_goes_on_with_the_same_command(call, tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    call(*GIVEN, "--name=whole")
    with monkeypatch.context() as pressing:
        taught = []

        def interrupt(*given, **named):
            taught.append(1)
            if len(taught) == 2:
                raise KeyboardInterrupt
            return train(*given, **named)

        train = trials.train
        pressing.setattr(trials, "train", interrupt)
        status, out, err = call(*GIVEN)
    assert (status, out) == (130, "")
    assert err.endswith("interrupted; the trials that are done are kept, and the same command goes on\n")
    assert len(study(tmp_path)["trials"]) == 1

    assert call(*GIVEN)[0] == 0
    cut, whole = study(tmp_path)["trials"], study(tmp_path, "whole")["trials"]
    assert [{**trial, "seconds": 0} for trial in cut] == [{**trial, "seconds": 0} for trial in whole]


def test_a_time_that_is_over_is_told_and_the_same_command_goes_on(call):
    status, _, err = call(*GIVEN, "--time=0.001s")
    assert status == 1
    assert "the time is over after 0 of 3 trials; the same command goes on" in err
    assert call(*GIVEN[:-1], "--trials=1", "--time=1h")[0] == 0


def test_if_no_trial_finished_one_line_says_so(call, tmp_path):
    (tmp_path / "tune.toml").write_text("lr = [0.1]\n")
    status, out, err = call("net.py:broken", *GIVEN[1:])

    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == (
        "robust tune: no trial finished (3 of 3 trials: 3 failed); trial 1: RuntimeError: no such kernel (net.py, "
        "line 10); narrow the space, or take another recipe"
    )


MISTAKES = {
    "no model": (["nix.py:make"], "nix.py:make: no such file"),
    "weights": (["tune.toml"], "tune.toml: is no Python file"),
    "no space": (["--space=nix.toml"], "--space=nix.toml: no such file"),
    "no trials": (["--trials=0"], "--trials: expected a whole number, 1 or more, got '0'"),
    "no jobs": (["--jobs=two"], "--jobs: expected a whole number, 1 or more, got 'two'"),
    "no time": (["--time=5"], "--time: expected a time above 0, as 30s, 5m or 1h, got '5'"),
    "sampler": (["--sampler=tep"], "--sampler=tep: unknown sampler 'tep', did you mean 'tpe'? Known: random, tpe"),
    "objective": (["--objectives=robst"], "--objectives=robst: unknown objective 'robst', did you mean 'robust'?"),
    "three objectives": (["--objectives=clean,robust,clean"], "--objectives=clean,robust,clean: clean is given twice"),
    "not measured": (
        ["--objectives=certified"],
        "fgsm-rs selects its epochs by the robust accuracy, not certified; take robust, clean or clean,robust",
    ),
    "of standard": (
        ["--recipe=standard", "--objectives=robust"],
        "standard selects its epochs by the clean accuracy, not robust; take clean",
    ),
    "recipe": (["--recipe=trdes"], "--recipe=trdes: unknown training recipe 'trdes', did you mean 'trades'"),
    "several recipes": (["--recipe=trades,mart"], "--recipe=trades,mart: "),
    "epochs twice": (["--recipe=trades:epochs=2"], "says its epochs, and --epochs=1 says them, too; leave one out"),
    "fixed and varied": (
        ["--recipe=fgsm-rs:lr=1"],
        "--space=tune.toml: lr: fgsm-rs:lr=1 fixes it, and the space lets it",
    ),
    "argument fixed": (["net.py:make(width=4)"], "arch.width: net.py:make(width=4) fixes it, and the space lets it"),
    "another function": (["net.py:broken"], "the model's function has no argument 'width'. Known: none"),
    "threat": (["--threat=linf:8"], "--threat=linf:8: linf:8 is wider than the inputs' range"),
    "data": (["--data=digts"], "--data=digts: unknown data set 'digts', did you mean 'digits'"),
}
SPACES = {
    "an unknown option": ("bta = [1]", "unknown option 'bta'"),
    "an unknown argument": ("arch.widht = [4]", "the model's function has no argument 'widht', did you mean 'width'"),
    "empty": ("", "it names no option"),
    "no TOML": ("lr = [", "is not TOML: "),
    "below what the loop takes": ("lr = {low = -1, high = 1}", "lr = -1.0: "),
    "a word that is none": ('optimiser = ["sgd", "adm"]', "optimiser = adm: "),
    "for no layer": ("dropout = [0.1, 0.2]", "dropout = 0.1: dropout: the module has no dropout layer"),
    "not for the others": ('warmup = [1]\nschedule = ["one-cycle"]', "schedule = one-cycle: "),
}


def told(call, tmp_path, *argv):
    """The one line of errors of a command with status 4, before which no study was begun."""
    status, out, err = call(*argv)
    assert (status, out) == (4, "")
    assert not (tmp_path / ".robust" / "tune").exists()
    return err


@pytest.mark.parametrize(("words", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_status_4(words, line, call, tmp_path):
    given = [words[0], *GIVEN[1:]] if not words[0].startswith("--") else [*GIVEN, *words]
    err = told(call, tmp_path, *given)
    assert line in err
    assert err.startswith("robust tune: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("content", "line"), SPACES.values(), ids=SPACES)
def test_a_space_that_could_not_be_trained_in_is_one_line(content, line, call, tmp_path):
    (tmp_path / "tune.toml").write_text(content)
    err = told(call, tmp_path, *GIVEN)
    assert err.startswith(f"robust tune: --space=tune.toml: {line}")
    assert err.count("\n") == 1


def test_under_torchrun_it_says_what_to_take(call, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")

    assert "to train several at once take --jobs=N" in told(call, tmp_path, *GIVEN)


def test_a_value_that_suits_some_of_the_others_is_taken(call, tmp_path):
    (tmp_path / "tune.toml").write_text('warmup = [0, 1]\nschedule = ["one-cycle", "cosine"]\n')
    assert call(*GIVEN[:-1], "--trials=1", "--sampler=random")[0] in (0, 1)


def test_without_optuna_it_says_what_to_install(call, monkeypatch):
    monkeypatch.setattr("robust.user_code.is_installed", lambda name: name != "optuna")

    assert call(*GIVEN) == (
        4,
        "",
        "robust tune: Optuna and scikit-learn are needed; pip install 'pytest-robust[tune]'\n",
    )


def test_without_optuna_the_function_says_what_to_install(monkeypatch):
    def lack(name):
        raise ModuleNotFoundError("No module named 'optuna'", name="optuna")

    monkeypatch.setattr(robust, "import_module", lack)
    with pytest.raises(ImportError, match=r"robust\.tune needs optuna; pip install 'pytest-robust\[tune\]'"):
        robust.tune("net.py:make", {"lr": [0.1]})


def test_in_python_it_is_a_function_that_returns_the_study(call, tmp_path):
    found = robust.tune("net.py:make", {"lr": [0.1, 0.2]}, recipe="fgsm-rs:epochs=1", trials=2, sampler="random")

    assert [trial.state for trial in found.trials] == ["finished"] * 2
    assert found.best.figures["robust"] == max(trial.figures["robust"] for trial in found.trials)
    assert json.loads(found.to_json()) == study(tmp_path)
    with pytest.raises(ValueError, match=r"robust\.tune has no option 'trails', did you mean 'trials'"):
        robust.tune("net.py:make", {"lr": [0.1]}, trails=2)
    with pytest.raises(ValueError, match=r"^--space=\{\.\.\.\}: lr: the list is empty"):
        robust.tune("net.py:make", {"lr": []})


def test_its_defaults_are_those_of_the_command(monkeypatch):
    seen = []
    monkeypatch.setattr(tune, "main", lambda args: seen.append(vars(args)) or 0)
    main(["tune", "net.py:make", "--space=tune.toml"])

    assert seen == [{"command": "tune", "model": "net.py:make", "space": "tune.toml", **DEFAULTS}]


@pytest.mark.slow
def test_parallel_processes_train_the_trials_and_end_with_the_command(call, tmp_path):
    given = (*GIVEN[:-1], "--trials=6", "--sampler=random")
    call(*given, "--name=one")
    status, out, err = call(*given, "--name=two", "--jobs=2")
    one, two = study(tmp_path, "one")["trials"], study(tmp_path, "two")["trials"]

    assert status == 0, err
    assert [trial["values"] for trial in one] == [trial["values"] for trial in two]
    assert "6 of 6 trials: " in out


@pytest.mark.slow
def test_a_command_that_is_killed_leaves_a_study_that_goes_on(call, tmp_path):
    given = (*GIVEN[:2], "--epochs=4", "--space=tune.toml", "--trials=4")
    call(*given, "--name=whole")
    words = [sys.executable, "-c", "import sys; from robust.cli import main; sys.exit(main())", "tune", *given]
    killed = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    for line in killed.stderr:
        if "trial 2/4: " in line:
            break
    killed.kill()
    killed.wait()
    killed.stderr.close()
    status, _, err = call(*given)
    cut, whole = study(tmp_path)["trials"], study(tmp_path, "whole")["trials"]

    assert status == 0
    assert "where 2 trials are done" in err
    assert [{**trial, "seconds": 0} for trial in cut] == [{**trial, "seconds": 0} for trial in whole]


def test_the_folder_is_kept_out_of_version_control(call, tmp_path):
    call(*GIVEN[:-1], "--trials=1")
    assert (tmp_path / ".robust" / ".gitignore").is_file()
    assert Path(".robust/tune/net-fgsm-rs/journal.log").is_file()

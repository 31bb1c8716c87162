"""A study as lines, as TOML and as a page, of trials that are made up here."""

import tomllib

import pytest

from robust.records.tuning import Study, Trial, find_front
from robust.report.page.tuning import tuning_page
from robust.report.tuning import describe_none, describe_trial, table, write_toml


def trial(number, clean=0.8, robust=0.4, state="finished", reason=None, **values):
    figures = {"clean": clean, "robust": robust} if state == "finished" else {}
    epochs = [{"number": 1, "loss": 2.0, "clean": clean / 2, "robust": robust / 2}] if state != "failed" else []
    recipe = "trades:" + ":".join(f"{key}={value}" for key, value in values.items())
    return Trial(number, state, values, recipe, "net.py:make", figures, epochs, 12.0, None, reason)


TRIALS = (
    trial(1, 0.80, 0.40, lr=0.1, beta=3),
    trial(2, 0.90, 0.30, lr=0.2, beta=1),
    trial(3, 0.80, 0.40, lr=0.1, beta=6),
    trial(4, 0.70, 0.20, "pruned", "after epoch 1", lr=0.01, beta=3),
    trial(5, state="failed", reason="training diverged: <b>", lr=9.0, beta=3),
    trial(6, 0.85, 0.35, lr=0.15, beta=3),
    trial(7, 0.84, 0.34, lr=0.15, beta=1),
)


def study(objectives=("robust",), trials=TRIALS, importance=None):
    space = {"lr": {"low": 0.01, "high": 10.0, "log": True, "step": None}, "beta": [1, 3, 6]}
    settings = {"objectives": [*objectives], "space": space, "recipe": "trades", "seed": 0}
    return Study("net-trades", trials, 8, settings, importance or {})


def test_the_best_is_the_first_of_equal_ones_and_the_front_is_what_no_other_matches_in_both():
    assert study().best.number == 1
    assert [trial.number for trial in study().front] == [1]
    assert [trial.number for trial in study(("robust", "clean")).front] == [1, 6, 2]
    assert [trial.number for trial in study(("clean", "robust")).front] == [2, 6, 1]
    assert find_front([], ("robust",)) == []
    assert study(trials=TRIALS[3:5]).best is None


def test_the_table_has_the_best_first_and_says_what_failed_and_what_mattered():
    shown = table(study(importance={"robust": {"beta": 0.25, "lr": 0.75}}))

    assert shown.splitlines() == [
        "7 of 8 trials: 5 finished, 1 pruned, 1 failed",
        "  trial  robust %  clean %  seconds    lr  beta",
        "      1      40.0     80.0       12   0.1     3",
        "      3      40.0     80.0       12   0.1     6",
        "      6      35.0     85.0       12  0.15     3",
        "      7      34.0     84.0       12  0.15     1",
        "      2      30.0     90.0       12   0.2     1",
        "  trial 5 failed: training diverged: <b>",
        "  importance for robust: lr 75%, beta 25%",
    ]
    marked = [line.split()[0] for line in table(study(("robust", "clean"))).splitlines() if line.lstrip()[1:2] == "*"]
    assert marked == ["1*", "6*", "2*"]
    assert "  and 2 more; the page and the JSON have all" in table(study(trials=TRIALS[:1] * 12))


@pytest.mark.parametrize(
    ("number", "end"),
    [
        (1, "clean 80.0%, robust 40.0%, 12 s"),
        (4, "pruned after epoch 1, 12 s"),
        (5, "failed: training diverged: <b>, 12 s"),
    ],
)
def test_a_line_on_a_trial_tells_how_it_ended(number, end):
    line = describe_trial(TRIALS[number - 1], 8)

    assert line.startswith(f"trial {number}/8: lr = ")
    assert line.endswith(f": {end}")


def test_if_none_finished_the_line_has_the_first_reason():
    assert describe_none(study(trials=TRIALS[3:5])) == (
        "no trial finished (2 of 8 trials: 1 pruned, 1 failed); trial 4: after epoch 1; narrow the space, or take "
        "another recipe"
    )
    assert describe_none(study(trials=())) == (
        "no trial finished (0 of 8 trials: none yet); narrow the space, or take another recipe"
    )


def test_toml_is_read_back_as_it_was():
    options = {"lr": 1e-05, "epochs": 3, "nice": True, "pretrained": 'C:\\a "b".pt'}

    assert tomllib.loads(write_toml(options, "robust train\nnet.py")) == options
    assert write_toml(options, "robust train\nnet.py").startswith("# robust train net.py\nepochs = 3\n")


@pytest.mark.parametrize("objectives", [("robust",), ("clean", "robust"), ("clean",)], ids="-".join)
def test_the_page_has_all_sections_all_trials_and_nothing_unescaped(objectives):
    page = tuning_page(study(objectives, importance={objectives[0]: {"lr": 0.9, "beta": 0.1}}))

    assert all(f"<h2 id={name}>" in page for name in ("history", "importance", "trials", "settings"))
    assert ("<h2 id=front>" in page) is ("robust" in objectives)
    assert all(f"<td>{trial.number}<td>" in page for trial in TRIALS)
    assert "training diverged: &lt;b&gt;" in page
    assert "0.01 to 10, log" in page
    assert page.count("class=hollow") == len(objectives)


def test_a_page_of_no_finished_trial_is_whole():
    page = tuning_page(study(trials=TRIALS[4:5]))

    assert "No trial has a figure for robust." in page
    assert "<h2 id=front>" not in page
    assert "Too few finished trials" in tuning_page(study(trials=()))


def test_a_trial_whose_process_was_killed_before_it_told_its_values_has_a_row():
    lost = Trial(1, "failed", {}, "", "", {}, [], 0.0, None, "its process ended by signal 9")

    assert "lr  beta" in table(study(trials=(lost, *TRIALS[1:])))
    assert "its process ended by signal 9" in tuning_page(study(trials=(lost, *TRIALS[1:])))

"""The trials of a study that is killed and goes on are those of one that is not; nothing is trained here."""

import json

import pytest
from optuna.trial import TrialState

from robust.tuning.journal import DEAD, FILE, alone
from tests.tuning.making import SPACE, journal


def finish(study, trials, most=1000, first=0):
    """Give trials a value that only their values decide, some after epochs that fall behind; return what was drawn."""
    for _ in range(most):
        ask = study.claim(trials)
        if ask is None:
            break
        values = study.read_values(ask)
        value = values["lr"] - values["smoothing"] + values["batch"] / 1000
        pruned = False
        for epoch in (1, 2):
            ask.report(value * epoch, epoch)
            pruned = pruned or ask.should_prune()
        study.study.tell(ask, None if pruned else value, state=TrialState.PRUNED if pruned else None)
    return [(trial.state, study.read_values(trial)) for trial in study.finished()]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_killed_anywhere_and_begun_again_the_same_trials_stand(tmp_path, sampler):
    whole = finish(journal(tmp_path / "whole", sampler), 20)

    for done in (0, 3, 9, 3):  # so many more, then a kill in the middle of the next
        study = journal(tmp_path / "cut", sampler)
        study.set_dead_aside()
        finish(study, 20, most=done)
        left = study.claim(20)
        left.report(0.0, 1)
    study = journal(tmp_path / "cut", sampler)
    assert study.set_dead_aside() == 1
    cut = finish(study, 20)

    assert len(whole) == 20
    assert cut == whole
    assert {state for state, _ in whole} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert sum(DEAD in trial.user_attrs for trial in study.study.trials) == 4


def test_more_trials_begin_with_those_that_are_there(tmp_path):
    few = finish(journal(tmp_path / "study"), 12)
    more = finish(journal(tmp_path / "study"), 15)

    assert more[:12] == few
    assert more == finish(journal(tmp_path / "whole"), 15)


def test_values_depend_on_the_seed_and_differ_from_trial_to_trial(tmp_path):
    first = finish(journal(tmp_path / "a", "random"), 8)
    other = finish(journal(tmp_path / "b", "random", seed=1), 8)

    assert len({values["lr"] for _, values in first + other}) == 16
    assert {values["batch"] for _, values in first} == {32, 64}
    assert all(0.01 <= values["lr"] <= 0.3 for _, values in first)


def test_trials_that_run_at_once_have_places_of_their_own(tmp_path):
    one, other = journal(tmp_path / "study", "random"), journal(tmp_path / "study", "random")
    asked = [one.claim(3), other.claim(3), one.claim(3)]

    assert [ask.user_attrs["place"] for ask in asked] == [0, 1, 2]
    assert other.claim(3) is None


def test_a_process_that_ended_fails_its_trial_which_counts(tmp_path):
    study = journal(tmp_path / "study")
    ask = study.claim(2)
    assert study.fail_of(ask.user_attrs["process"], "its process ended by signal 9")
    assert not study.fail_of(ask.user_attrs["process"], "twice")

    assert [trial.user_attrs["reason"] for trial in study.finished()] == ["its process ended by signal 9"]
    assert study.claim(2).user_attrs["place"] == 1


SETTINGS = {"recipe": "trades", "seed": 0, "space": {"lr": [1], "beta": [2]}}
OTHERS = [
    ({**SETTINGS, "seed": 1}, "another seed, "),
    ({**SETTINGS, "space": {"lr": [2], "beta": [2]}}, r"another space \(lr\), "),
    ({**SETTINGS, "recipe": "mart", "space": {"beta": [2], "batch": [1]}}, r"another recipe, space \(batch, lr\), "),
]


@pytest.mark.parametrize(("other", "told"), OTHERS, ids=["seed", "space", "both"])
def test_another_space_or_other_settings_are_refused_in_one_line(tmp_path, other, told):
    journal(tmp_path / "study").agree(SETTINGS)
    journal(tmp_path / "study").agree(SETTINGS)

    with pytest.raises(ValueError, match=rf"study was begun with {told}.*--name=NAME"):
        journal(tmp_path / "study").agree(other)


def test_a_line_that_a_kill_cut_short_is_dropped_and_a_journal_that_is_none_is_told(tmp_path):
    finish(journal(tmp_path / "study"), 3)
    path = tmp_path / "study" / FILE
    content = path.read_text()
    path.write_text(content + '{"op_code":4,"stu')
    assert len(finish(journal(tmp_path / "study"), 4)) == 4

    path.write_text("no journal\n" + content)
    with pytest.raises(ValueError, match=r"journal.log is damaged \(.*\); remove it, or give --name=NAME"):
        journal(tmp_path / "study")


def test_one_command_at_a_time_works_on_a_study(tmp_path):
    told = r"another process tunes in .*; wait for it, or give --name=NAME"
    with alone(tmp_path), pytest.raises(ValueError, match=told), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_the_importance_tells_which_option_made_the_difference(tmp_path):
    study = journal(tmp_path / "study", "random")
    finish(study, 12)
    (shares,) = study.rank_importance().values()

    assert shares.keys() == SPACE.keys()
    assert max(shares, key=shares.get) != "batch"
    assert sum(shares.values()) == pytest.approx(1)
    assert journal(tmp_path / "empty").rank_importance() == {}


def test_nothing_but_the_journal_and_locks_is_in_the_folder(tmp_path):
    finish(journal(tmp_path / "study"), 2)

    assert {path.name for path in (tmp_path / "study").iterdir() if path.suffix != ".lock"} == {FILE}
    assert all(isinstance(json.loads(line), dict) for line in (tmp_path / "study" / FILE).read_text().splitlines())

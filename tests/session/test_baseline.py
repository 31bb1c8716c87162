"""The baseline and the row that a run is compared with, what is saved, and what is compared at the end."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from robust.attacks.factory import make
from robust.baseline.replay import Replay
from robust.baseline.store import read, save
from robust.baseline.tolerance import read_tolerance
from robust.evaluation.measure import options_of
from robust.records.used import ModelUsed
from robust.session import baseline as module
from robust.session.baseline import SelectedBaseline, find_row, save_rows, select
from robust.session.regression_tests import _describe_replayed
from robust.session.reported_regressions import compare_reported
from robust.session.waiting_inputs import write_inputs
from robust.settings.baseline import Baselines, RegressionCheck
from tests.making import attacked, certificate, evidence, flags, record
from tests.session.making import attack, data, results, samples, settings

MODELS = SimpleNamespace(load_surrogate=None, find_draws=lambda variant: None)
ATTACKS = ("fgsm", "pgd:steps=5")
DIGEST = samples().digest
ROBUST = RegressionCheck(read_tolerance("robust_acc:0pp"), "", "linf:0.15")


def measured(**changes):
    """Return a record of what a run of `settings` measures."""
    broken = dict.fromkeys(ATTACKS, "11000000")
    found = record(adversarial=broken, name="mlp", digest=DIGEST, **changes)
    options = (options_of(make(name, MODELS.load_surrogate)) for name in ATTACKS)
    attacks = (attacked(name, "11000000", options=given) for name, given in zip(ATTACKS, options, strict=True))
    return replace(found, attacks=tuple(attacks))


def saved(folder, *records, name="main", commit=None):
    return save(folder / ".robust", name, commit, [(each, evidence(each), None) for each in records])


def asked(folder, compare, *margins, **changes):
    tolerances = tuple(map(read_tolerance, margins or ("robust_acc:0pp",)))
    return settings(folder, baselines=Baselines(compare, folder, tolerances, None), **changes)


def selected(given):
    return select(given, data(), MODELS)


@pytest.mark.parametrize(
    ("strict", "proof", "told"),
    [
        (True, None, "has no certificate"),
        (True, certificate("11111100", "ibp"), "was certified by ibp, not crown"),
        (True, certificate("11111100"), None),
        (False, None, None),
    ],
)
def test_a_baseline_without_a_certificate_is_refused_where_that_is_to_be_compared(tmp_path, strict, proof, told):
    saved(tmp_path, replace(measured(), certificate=proof))
    margins = tuple(map(read_tolerance, ("robust_acc:0pp", "certified_acc:0pp")))
    given = settings(tmp_path, baselines=Baselines("latest", tmp_path, margins, None, strict), certify="crown")

    if told is None:
        assert selected(given).baseline is not None
    else:
        with pytest.raises(pytest.UsageError, match=f"compare=latest: .*{told}"):
            selected(given)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "none is saved here; make one with --robust-save"),
        (["main", "old", "main"], "what was saved as main is .robust/baselines/0003_main"),
        (["old", "mainly"], "newest first: .robust/baselines/0002_mainly, .robust/baselines/0001_old"),
        (["a"] * 6, "0006_a, .robust/baselines/0005_a, .*0002_a, \\.\\.\\."),
    ],
)
def test_a_name_that_is_no_path_is_told_which_baselines_there_are(tmp_path, names, told):
    for name in names:
        saved(tmp_path, measured(), name=name)
    expected = f"main\\); expected latest, auto, or the path of a baseline, a leaderboard or a row's .json; .*{told}$"

    with pytest.raises(pytest.UsageError, match=rf"^--robust-compare=main: there is no such file .*{expected}"):
        selected(asked(tmp_path, "main"))


@pytest.mark.parametrize("compare", ["latest", "auto"])
def test_the_newest_baseline_is_selected(tmp_path, compare):
    saved(tmp_path, measured())
    newest = saved(tmp_path, measured())

    found = selected(asked(tmp_path, compare))
    assert found.baseline.path == newest
    again = SelectedBaseline.from_json(found.to_json())
    assert again.baseline.path == newest


def test_auto_passes_over_what_does_not_fit_and_latest_is_one_line(tmp_path):
    fits = saved(tmp_path, measured())
    saved(tmp_path, measured(seed=1), name="seed")

    assert selected(asked(tmp_path, "auto")).baseline.path == fits
    with pytest.raises(
        pytest.UsageError, match=r"--robust-compare=latest: 0002_seed: its row of mlp .* has seed 1, not 0"
    ):
        selected(asked(tmp_path, "latest"))


def test_auto_without_a_baseline_says_why(tmp_path):
    given = asked(tmp_path, "auto")
    none = selected(given)
    assert none.baseline is None
    assert none.why == (
        f"no baseline was compared with: there is none in {given.home / 'baselines'}; make one with --robust-save"
    )
    assert SelectedBaseline.from_json(none.to_json()) == none
    saved(tmp_path, measured(seed=1), name="seed")
    assert "0001_seed: its row of mlp" in selected(given).why


@pytest.mark.parametrize(("precedes", "fits"), [(True, True), (None, True), (False, False)])
def test_auto_passes_over_a_commit_that_this_one_did_not_come_from(tmp_path, monkeypatch, precedes, fits):
    place = saved(tmp_path, measured())
    (place / "baseline.json").write_text('{"commit": "abababababab", "dirty": false}')
    monkeypatch.setattr(module, "precedes", lambda *_: precedes)

    found = selected(asked(tmp_path, "auto"))
    assert bool(found.baseline) == fits
    assert fits or "what is checked out did not come from its commit abababab" in found.why
    assert selected(asked(tmp_path, "latest")).baseline  # whoever names it means it


def test_latest_without_a_baseline_and_a_path_that_is_none_are_one_line(tmp_path):
    with pytest.raises(pytest.UsageError, match=r"--robust-compare=latest: there is no baseline in .*baselines"):
        selected(asked(tmp_path, "latest"))
    with pytest.raises(pytest.UsageError, match="--robust-compare=nope: there is no such file or folder"):
        selected(asked(tmp_path, "nope"))


def found_row(folder, baseline, given=None, check=ROBUST):
    given = given or asked(folder, "latest")
    return find_row(read(baseline), check, given.everything[0], samples(), given, data(), MODELS)


def test_the_row_has_the_model_the_threat_model_and_the_attacks_of_the_run(tmp_path):
    other = replace(measured(), threat="l2:0.5")
    baseline = saved(tmp_path, measured(), other)

    assert found_row(tmp_path, baseline).threat == "linf:0.15"
    with pytest.raises(LookupError, match=r"it has no row of mlp \(as-is\), digits, l1:1, fgsm\+pgd-steps5"):
        found_row(tmp_path, baseline, check=replace(ROBUST, threat="l1:1"))
    with pytest.raises(LookupError, match="of other options"):
        found_row(tmp_path, saved(tmp_path, replace(measured(), attacks=tuple(attacked(a, "0" * 8) for a in ATTACKS))))


def test_a_row_of_another_name_is_found_by_its_file_alone(tmp_path):
    renamed = replace(measured(), model=ModelUsed("before", "as-is", "ab" * 32, 1))
    baseline = saved(tmp_path, renamed)

    with pytest.raises(LookupError, match="it has no row of mlp") as refused:
        found_row(tmp_path, baseline)
    (file,) = re.findall(r"--robust-compare=(\S+)", str(refused.value))
    assert found_row(tmp_path, tmp_path / file, asked(tmp_path, file)).model.name == "before"


@pytest.fixture
def whole(tmp_path):
    """A row whose inputs wait in a file, of a model that is not the run's own."""

    def payload(**changes):
        inputs = str(write_inputs(tmp_path / ".robust", "pgd", np.zeros((2, 2), np.float32), {}))
        return attack(inputs=inputs, **changes)

    return payload


def resources(folder, **changes):
    given = settings(folder, baselines=Baselines(None, folder, (), "main"), **changes)
    model = SimpleNamespace(module=SimpleNamespace(state_dict=dict))
    models = SimpleNamespace(load=lambda variant: model)
    return SimpleNamespace(settings=given, data=data(), models=models, answers=None)


def test_a_baseline_is_saved_with_its_rows(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(module, "read_commit", lambda *_: None)
    monkeypatch.setattr(module, "_hardest_of_row", lambda *_: None)
    found = results(whole())

    assert save_rows(resources(tmp_path), found) == "baseline saved: .robust/baselines/0001_main"
    (kept,) = read(tmp_path / ".robust" / "baselines" / "0001_main").records
    assert kept.same_outcomes(found.list_records()[0])


def test_a_run_without_a_whole_row_saves_nothing(tmp_path, whole):
    with pytest.raises(LookupError, match="no row was measured to its end"):
        save_rows(resources(tmp_path), results(whole(attacks=2)))
    with pytest.raises(LookupError, match="was stopped by the time"):
        save_rows(resources(tmp_path), results(whole(partial="time")))
    assert not (tmp_path / ".robust" / "baselines").exists()


# At the end of a run

OWN = {"origin": "test_own.py::test_own"}
LOST = "1" * 12 + "0" * 12  # of 24 samples, all answered right; McNemar's p of 12 lost and none won is 2 ** -11


def own(adversarial, **changes):
    return attack(adversarial=adversarial, correct="1" * len(adversarial), **OWN | changes)


def before(adversarial="0" * 24, **changes):
    ours = record("1" * len(adversarial), {"pgd": adversarial}, digest=samples(len(adversarial)).digest, **changes)
    return SimpleNamespace(records=[ours], __str__=lambda self: "0001_main")


@pytest.mark.parametrize(
    ("adversarial", "margin", "failing", "warned"),
    [
        ("0" * 24, "robust_acc:0pp", False, False),
        (LOST, "robust_acc:2pp", True, False),
        (LOST, "robust_acc:50pp", False, False),
        ("1" + "0" * 23, "robust_acc:2pp", False, True),
        (LOST, "clean_acc:0pp", False, False),
    ],
)
def test_a_row_of_the_users_own_test_is_compared_with_the_baselines(adversarial, margin, failing, warned):
    found = results(own(adversarial))
    lines = compare_reported(found, before(), (read_tolerance(margin),))

    assert bool(lines) == failing
    assert bool(found.warnings) == warned
    assert len(found.compared) == (margin != "clean_acc:0pp")
    if failing:
        assert lines[0].startswith("net (as-is), linf:0.15, pgd: robust accuracy 100.0 to 50.0 %, -50.0 points")
        (figures,) = found.compared.values()
        assert (figures["lost"], figures["won"], figures["ruling"]) == (12, 0, "fails")
        assert figures["p"] == pytest.approx(2**-11)


def with_scores(ours, score, criterion="within:2"):
    """Return a record by a criterion, with scores without an attack and, for each attack, under it."""
    columns = {"score": np.asarray(score, np.float32)}
    attacks = tuple(replace(attack, columns=columns) for attack in ours.attacks)
    return replace(ours, criterion={"name": criterion}, columns=columns, attacks=attacks)


@pytest.mark.parametrize(("margin", "failing"), [("mean:+2", True), ("mean:+3", False)])
def test_a_row_of_the_users_own_test_is_compared_by_its_mean_score_too(margin, failing):
    ours = record("1" * 24, {"pgd": "0" * 24}, digest=samples(24).digest)
    found = SimpleNamespace(list_reported=lambda: [with_scores(ours, np.arange(24) + 2.5)], compared={}, warnings={})
    baseline = SimpleNamespace(records=[with_scores(ours, np.arange(24))], __str__=lambda self: "0001_main")
    lines = compare_reported(found, baseline, (read_tolerance(margin),))

    assert bool(lines) == failing
    (figures,) = found.compared.values()
    assert (figures["metric"], figures["before"], figures["after"], figures["lost"]) == ("mean", 11.5, 14, 24)
    assert figures["margin"] == margin


@pytest.mark.parametrize("scored", [True, False])
def test_a_baseline_without_scores_is_refused_where_the_mean_score_is_to_be_compared(tmp_path, scored):
    row = replace(measured(), criterion={"name": "within:2"})
    saved(tmp_path, with_scores(row, np.zeros(8)) if scored else row)
    given = asked(tmp_path, "latest", "mean:+2")
    run = data()
    object.__setattr__(run.samples, "criterion", "within:2")

    if scored:
        assert select(given, run, MODELS).baseline is not None
    else:
        with pytest.raises(pytest.UsageError, match=r"compare=latest: .* has no scores"):
            select(given, run, MODELS)


def test_a_row_of_the_users_that_is_new_is_not_compared_and_one_that_does_not_fit_is_told():
    found, margins = results(own("0" * 24)), (read_tolerance("robust_acc:0pp"),)

    assert compare_reported(found, before(threat="l2:0.5"), margins) == []
    assert not found.warnings
    assert compare_reported(found, before(seed=1), margins) == []
    (warning,) = found.warnings
    assert warning.startswith("net (as-is), linf:0.15, pgd: not compared with ")
    assert "has seed 1, not 0" in warning
    assert not found.compared


@pytest.mark.parametrize(
    ("replayed", "told"),
    [
        ("0000", ""),
        ("0001", ""),  # the attacks of the row have found it, too
        (
            "1001",
            " (1 sample is adversarial by the baseline's inputs alone, which the row with its 75.0 % does not count)",
        ),
        (
            "1100",
            " (2 samples are adversarial by the baseline's inputs alone, which the row with its 75.0 % does not count)",
        ),
    ],
)
def test_what_the_row_does_not_count_is_told(replayed, told):
    assert _describe_replayed(flags("1110"), Replay(flags(replayed), np.zeros(4, np.float32))) == told

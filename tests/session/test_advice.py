"""The advice below a failed floor: a command that can be typed, and a training where one would help."""

from dataclasses import replace
from pathlib import Path

import pytest

from robust.gates import Floor
from robust.models.spec import ModelSpec
from robust.session.advice import advise, advise_certified
from tests.making import certificate, flags, record
from tests.session.making import settings

TRAIN = "--robust-train=pgd-at trains the architecture anew, with :pretrained=FILE from weights"
TRAINED = "the recipes ibp and crown-ibp train for certificates"
SHOW = "writes the adversarial inputs"


def test_a_row_is_shown_by_its_name_and_its_architecture_trained():
    row = record(name="net", weights="ab12" * 16)

    told = advise(settings(leaderboard=Path("leaderboard").absolute()), row.model, row.model.stem)

    assert told == f"robust show net-as-is-ab12ab12 --out=DIR {SHOW}; {TRAIN}"
    assert row.model.stem in row.stem


@pytest.mark.parametrize(
    ("changes", "training", "told"),
    [
        ({"leaderboard": None}, "as-is", TRAIN),
        ({"leaderboard": None}, "standard:epochs=2", TRAIN),
        ({"leaderboard": None}, "pgd-at:epochs=2", "robust list names more recipes"),
        ({"leaderboard": Path("my board").absolute()}, "as-is", f"'--leaderboard=my board' --out=DIR {SHOW}; {TRAIN}"),
        ({"data": "data.py:load"}, "as-is", f"--data=data.py:load --out=DIR {SHOW}; {TRAIN}"),
    ],
    ids=str,
)
def test_the_command_fits_the_run(changes, training, told):
    given = {"leaderboard": Path("leaderboard").absolute()} | changes

    assert advise(settings(**given), replace(record().model, training=training), "row").endswith(told)


def test_a_model_that_only_answers_is_not_to_be_trained(tmp_path):
    (tmp_path / "forest.py").touch()
    forest = ModelSpec.parse("blackbox:forest.py:make", tmp_path)
    given = settings(leaderboard=Path("leaderboard").absolute(), models=(forest,))

    assert advise(given, replace(record().model, name=forest.name), "row") == f"robust show row --out=DIR {SHOW}"


@pytest.mark.parametrize(
    ("method", "partial", "percent", "told"),
    [
        ("ibp", "", 30, "--robust-certify=crown may certify more, in more time"),
        ("crown", "", 40, "--robust-certify=alpha-crown may certify more, in more time"),
        ("alpha-crown", "", 40, TRAINED),
        ("crown", "time", 40, "give it more time, with --robust-time"),
        ("crown", "", 41, f"no bound can reach it: 40.0 % are answered right and not broken; {TRAINED}"),
        ("crown", "time", 60, f"no bound can reach it: 40.0 % are answered right and not broken; {TRAINED}"),
    ],
)
def test_what_may_certify_more_is_told_where_it_can(method, partial, percent, told):
    proof = replace(certificate("1000000000", method), partial=partial)

    assert advise_certified(proof, flags("1111000000"), Floor(percent, "certified")) == told

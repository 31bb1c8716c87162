"""The advice below a failed floor: a command that can be typed, and a training where one would help."""

from dataclasses import replace
from pathlib import Path

import pytest

from robust.models.spec import ModelSpec
from robust.session.advice import advise
from tests.making import record
from tests.session.making import settings

TRAIN = "--robust-train=pgd-at trains the architecture anew, with :pretrained=FILE from weights"
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

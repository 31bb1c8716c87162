"""The inputs of the action become the arguments of pytest, one text each."""

import pytest

from robust.action.inputs import read_inputs


def arguments(**given):
    return read_inputs({f"INPUT_{name.upper()}": text for name, text in given.items()}).arguments


def test_what_is_not_given_is_left_to_the_ini_file():
    assert arguments(model="", download="") == ["--robust-only", "--robust-leaderboard=robust-report"]


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ({"normalize": "0.5/0.25"}, ["--robust-normalize=0.5/0.25"]),
        ({"accept": "guessing\n\n no-gradient "}, ["--robust-accept=guessing", "--robust-accept=no-gradient"]),
        ({"download": "true"}, ["--robust-download"]),
        ({"download": "True\n"}, ["--robust-download"]),
        ({"download": "false"}, []),
        ({"args": "-n\n2"}, ["-n", "2"]),
    ],
    ids=str,
)
def test_an_input_is_the_option_of_its_name(given, typed):
    assert sorted(arguments(**given)) == sorted([*arguments(), *typed])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"normalize": "a\nb"}, "input normalize: expected one line, got 2: a / b"),
        ({"download": "yes"}, "input download: expected true or false, got yes"),
    ],
    ids=str,
)
def test_a_wrong_input_is_one_line(given, told):
    with pytest.raises(ValueError, match=f"^{told}$"):
        arguments(**given)

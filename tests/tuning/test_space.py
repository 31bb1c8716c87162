"""Ranges and lists of a space's file, and what is wrong with one, in one line on the option."""

import re

import pytest

from robust.tuning.problem import list_types
from robust.tuning.space import Choice, Range, flatten, read_file, read_space

TYPES = list_types("trades+ema")


def read(content, arguments=("width", "depth")):
    return read_space(flatten(content), TYPES, arguments)


def test_a_file_gives_ranges_and_lists_in_the_order_of_their_names(tmp_path):
    path = tmp_path / "tune.toml"
    path.write_text(
        "lr = {low = 0.01, high = 0.3, log = true}\nbeta = [1, 3, 6]\nbatch = {low = 32, high = 128, step = 32}\n"
        'arch.width = [4, 8]\noptimiser = ["sgd", "adam"]\nchannels_last = [true, false]\nclip = {low = 0, high = 1}\n'
    )
    assert read_space(read_file(path), TYPES, ("width",)) == {
        "arch.width": Choice((4, 8)),
        "batch": Range(32, 128, step=32, whole=True),
        "beta": Choice((1, 3, 6)),
        "channels_last": Choice((True, False)),
        "clip": Range(0.0, 1.0),
        "lr": Range(0.01, 0.3, log=True),
        "optimiser": Choice(("sgd", "adam")),
    }
    assert [*read_space(read_file(path), TYPES, ("width",))][:2] == ["arch.width", "batch"]


def test_a_table_and_a_dotted_key_name_the_same_argument():
    assert read({"arch": {"width": [1]}}) == read({"arch.width": [1]}) == {"arch.width": Choice((1,))}


@pytest.mark.parametrize(
    ("entry", "whole"),
    [({"low": 1, "high": 9}, True), ({"low": 1, "high": 9.5}, False), ({"low": 1.0, "high": 9}, False)],
)
def test_an_argument_of_the_model_is_whole_if_its_ends_are(entry, whole):
    assert read({"arch.width": entry})["arch.width"].whole is whole


def test_an_argument_of_the_model_may_be_a_list_and_an_option_may_not():
    assert read({"arch.width": [[32, 64], [64, 64]]})["arch.width"].values == ([32, 64], [64, 64])
    with pytest.raises(ValueError, match=r"^beta: \[1\] is not a number$"):
        read({"beta": [[1]]})


def test_a_number_that_was_drawn_has_few_digits_and_stays_within_its_range():
    assert Range(0.01, 0.3).round(0.123456789) == 0.123457
    assert Range(0.1, 0.1234567).round(0.1234567) == 0.1234567
    assert Range(0.0, 1.0, step=0.1).round(0.30000000000000004) == 0.3
    assert Range(32, 128, whole=True).round(64) == 64


WRONG = {
    "nothing": ({}, "it names no option; expected a range, as {low = 0.01, high = 0.3, log = true}, or a list"),
    "an unknown option": ({"bta": [1]}, "unknown option 'bta', did you mean 'beta'?"),
    "an unknown argument": ({"arch": {"widht": [1]}}, "the model's function has no argument 'widht', did you mean"),
    "an option of another recipe": ({"kappa": [1]}, "unknown option 'kappa'"),
    "a value alone": ({"beta": 3}, "beta: expected a range"),
    "an empty list": ({"beta": []}, "beta: the list is empty"),
    "a value twice": ({"beta": [1, 3, 1.0]}, "beta: 1.0 is given twice"),
    "a word for a number": ({"beta": [1, "many"]}, 'beta: "many" is not a number'),
    "a number for a word": ({"optimiser": [1]}, "optimiser: 1 is not a word"),
    "true for a number": ({"beta": [True]}, "beta: true is not a number"),
    "a fraction for a whole number": ({"batch": [32, 48.5]}, "batch: 48.5 is not a whole number"),
    "not finite in a list": ({"beta": [float("inf")]}, "beta: inf is not finite"),
    "an unknown key": ({"lr": {"low": 0.1, "hihg": 1}}, "lr: a range has no 'hihg', did you mean 'high'?"),
    "one end alone": ({"lr": {"low": 0.1}}, "lr: a range needs high: {low = 0.01, high = 0.3}"),
    "no end": ({"lr": {"log": True}}, "lr: a range needs low and high"),
    "the ends the wrong way round": ({"lr": {"low": 0.3, "high": 0.1}}, "lr: low = 0.3 is above high = 0.1"),
    "log from 0": ({"lr": {"low": 0, "high": 0.1, "log": True}}, "lr: a log range is above 0, got low = 0"),
    "log of a word": ({"lr": {"low": 0.1, "high": 1, "log": "yes"}}, 'lr: log must be true or false, got "yes"'),
    "log and step": ({"lr": {"low": 0.1, "high": 1, "log": True, "step": 0.1}}, "lr: step and log exclude each other"),
    "a step of 0": ({"batch": {"low": 1, "high": 9, "step": 0}}, "batch: step must be above 0, got 0"),
    "a step that misses high": ({"batch": {"low": 32, "high": 100, "step": 32}}, "batch: steps of 32 from 32 reach 96"),
    "a fraction in a whole range": ({"batch": {"low": 0.5, "high": 9}}, "batch: low must be a whole number, got 0.5"),
    "a word in a range": ({"lr": {"low": "a", "high": 1}}, 'lr: low must be a finite number, got "a"'),
    "not a number in a range": ({"lr": {"low": float("nan"), "high": 1}}, "lr: low must be a finite number, got NaN"),
    "a range of words": ({"optimiser": {"low": 1, "high": 2}}, "optimiser: takes a word, so name its values in a list"),
    "a range of true and false": ({"channels_last": {"low": 0, "high": 1}}, "channels_last: takes true or false"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_line_on_the_option(content, told):
    with pytest.raises(ValueError, match=rf"^{re.escape(told)}[^\n]*$"):
        read(content)


def test_a_file_that_is_missing_or_no_toml_is_told(tmp_path):
    (tmp_path / "bad.toml").write_text("lr = {low = 1\n")
    with pytest.raises(ValueError, match="is not TOML: "):
        read_file(tmp_path / "bad.toml")
    with pytest.raises(ValueError, match=r"no such file \(looked for /.*tune.toml\)"):
        read_file(tmp_path / "tune.toml")

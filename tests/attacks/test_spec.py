import re
from dataclasses import dataclass

import pytest

from robust.attacks.spec import Spec, configure, parse_value
from robust.attacks.text import brief, printable, slug


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("40", 40),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-3", 1e-3),
        ("1/4", 0.25),
        ("true", True),
        ("false", False),
        ("ce", "ce"),
    ],
)
def test_a_value_is_read_as_what_it_looks_like(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@pytest.mark.parametrize("text", ["1/0", "nan", "inf", "-inf", "1e999"])
def test_what_is_no_finite_number_is_a_word(text):
    assert parse_value(text) == text


def test_a_spec_has_name_arguments_and_options():
    spec = Spec.parse("torchattacks:PGD:steps=40:random_start=false")

    assert spec == Spec("torchattacks", ("PGD",), (("random_start", False), ("steps", 40)))


@pytest.mark.parametrize("text", ["pgd", "pgd:restarts=5:steps=40", "torchattacks:PGD:alpha=0.01", "a:b=true"])
def test_a_spec_is_spelled_as_it_was_written(text):
    assert str(Spec.parse(text)) == text


def test_the_order_of_options_means_nothing():
    assert Spec.parse("pgd:steps=4:restarts=2") == Spec.parse("pgd:restarts=2:steps=4")


def test_a_value_may_have_colons_of_its_own():
    spec = Spec.parse("pgd:surrogate=net.py:wide(width=2):steps=3")

    assert spec.options == (("steps", 3), ("surrogate", "net.py:wide(width=2)"))
    assert Spec.parse(str(spec)) == spec


@pytest.mark.parametrize("text", ["", ":", "pgd:", "pgd::steps=1", "pgd:steps=1:steps=2"])
def test_a_malformed_spec_is_refused(text):
    with pytest.raises(ValueError, match=r"form NAME|twice"):
        Spec.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pgd", "pgd"),
        ("pgd:steps=40:restarts=5", "pgd-restarts5-steps40"),
        ("torchattacks:PGD:alpha=0.01", "torchattacks-pgd-alpha0.01"),
        ("pgd:loss=margin", "pgd-lossmargin"),
    ],
)
def test_a_spec_as_one_word(text, expected):
    assert Spec.parse(text).slug == expected


def test_a_slug_is_safe_in_file_names_and_node_ids():
    assert slug("../Über net [1]::x") == "uber_net_1_x"
    assert slug("Модель v2\u202e") == "v2"
    assert slug("Модель") != slug("Сеть")
    assert slug("../..") == "unnamed"


@dataclass(frozen=True)
class Options:
    steps: int = 3
    stride: float = 0.5
    loss: str = "ce"
    fast: bool = False


def test_options_fill_the_fields_and_an_int_serves_for_a_float():
    made = configure(Options, Spec.parse("x:steps=7:stride=1:loss=margin:fast=true"))

    assert made == Options(7, 1.0, "margin", True)
    assert type(made.stride) is float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x:step=3", "x:step=3: x has no option 'step', did you mean 'steps'? Known: fast, loss, steps, stride"),
        ("x:steps=0.5", "x:steps=0.5: steps must be of type int, got '0.5'"),
        ("x:steps=true", "x:steps=true: steps must be of type int, got 'true'"),
        ("x:stride=far", "x:stride=far: stride must be of type float, got 'far'"),
        ("x:fast=1", "x:fast=1: fast must be of type bool, got '1'"),
        ("x:word", "x:word: x takes options as key=value, not the bare word 'word'"),
    ],
)
def test_a_wrong_option_is_one_clear_line(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        configure(Options, Spec.parse(text))


def test_somebody_elses_text_is_one_line_without_controls_and_of_an_error_the_beginning():
    assert printable("a\nb\x1b[31m" + "x" * 4402) == "a?b?[31m" + "x" * 4402
    assert brief("a\nb\x1b[31m") == "a?b?[31m"
    assert brief("x" * 4402) == "x" * 1000 + "..."

from fractions import Fraction

import pytest

from robust.attacks.grammar.norms import parse_threat, threat_text
from robust.attacks.words import canonical_threat, describe_threat, threat_slug
from robust.verification.distances import read_balls


@pytest.mark.parametrize(
    ("text", "norm", "eps"),
    [("linf:8/255", "linf", Fraction(8, 255)), ("l2:0.5", "l2", Fraction(1, 2)), ("l1:12", "l1", Fraction(12))],
)
def test_a_threat_is_a_norm_and_an_exact_radius(text, norm, eps):
    assert parse_threat(text) == (norm, eps)


WRITTEN = ["linf:8/255", "linf:6/255", "linf:0.15", "l2:0.5", "l1:12", "linf:0.031", "l2:7/11", "linf:0.5/255"]


@pytest.mark.parametrize("text", [*WRITTEN, "linf:1.5/255"])
def test_a_threat_comes_back_as_written(text):
    assert threat_text(*parse_threat(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lin:0.1", "did you mean 'linf'"),
        ("linf", "eps must be a number"),
        ("linf:", "eps must be a number"),
        ("linf:x", "eps must be a number"),
        ("linf:1/0", "eps must be a number"),
        ("linf:0.5/x", "eps must be a number"),
        ("linf:8/2/5", "eps must be a number"),
        ("l2:1e400", "eps must be a number"),
        ("l2:nan", "eps must be a number"),
        ("linf:0", "above 0"),
        ("l2:-1", "above 0"),
        ("l1:1e-999", "above 0"),  # no float is that small
    ],
)
def test_a_wrong_threat_is_reported(text, message):
    with pytest.raises(ValueError, match=message):
        parse_threat(text)


def test_every_part_of_a_union_is_spelled_canonically():
    assert canonical_threat("linf:2/51+l2:1/2") == "linf:10/255+l2:0.5"
    with pytest.raises(ValueError, match="unknown norm"):
        canonical_threat("linf:8/255+")


@pytest.mark.parametrize(
    ("text", "bounds", "described"),
    [
        ("linf:8/255", (0, 1), "linf:8/255"),
        ("linf:8/255", (-0.5, 0.5), "linf:8/255"),
        ("linf:8/255", (0, 255), "linf:8/255 = 0.012 % of 0..255 (0.0314/255 of 0..1)"),
        ("linf:8", (0, 255), "linf:8 = 3.1 % of 0..255 (8/255 of 0..1)"),
        ("linf:8/255", (-1, 1), "linf:8/255 = 1.6 % of -1..1 (4/255 of 0..1)"),
        ("linf:255", (0, 255), "linf:255 = 100 % of 0..255 (255/255 of 0..1)"),
        ("linf:8/255+l2:0.5", (-1, 1), "linf:8/255 = 1.6 % of -1..1 (4/255 of 0..1) + l2:0.5"),
        ("l2:0.5", (-1, 1), "l2:0.5"),
    ],
)
def test_eps_is_described_in_shares_of_the_range(text, bounds, described):
    assert describe_threat(text, *bounds) == described


def test_a_threat_as_one_word():
    assert threat_slug("linf:8/255") == "linf-8_255"


@pytest.mark.parametrize("eps", ["1e99999999", "1e-99999999", "1e99999999/255", "8/1e99999", "9" * 100])
def test_a_number_whose_exact_fraction_would_fill_the_memory_is_refused(eps):
    with pytest.raises(ValueError, match="eps must be a number such as 8/255"):
        parse_threat(f"linf:{eps}")
    with pytest.raises(ValueError, match="eps of more than"):
        read_balls(f"linf:{eps}")

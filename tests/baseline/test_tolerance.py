from fractions import Fraction

import pytest

from robust.baseline.tolerance import DEFAULT, Tolerance, read_tolerance, refuse_twice


@pytest.mark.parametrize(
    ("text", "margin"),
    [
        ("robust_acc:2pp", Tolerance("robust_acc", Fraction(2))),
        ("clean_acc:0.5pp", Tolerance("clean_acc", Fraction(1, 2))),
        ("robust_acc:0pp", Tolerance("robust_acc", Fraction(0))),
        ("robust_acc:100pp", Tolerance("robust_acc", Fraction(100))),
        ("certified_acc:2pp", Tolerance("certified_acc", Fraction(2))),
        (DEFAULT, Tolerance("robust_acc", Fraction(0))),
    ],
)
def test_a_margin_is_read_and_written(text, margin):
    assert read_tolerance(text) == margin
    assert str(margin) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("robust_acc", "expected percentage points from 0 to 100, as robust_acc:2pp, got none"),
        ("robust_acc:2", "as robust_acc:2pp, got 2"),
        ("clean_acc:2%", "as clean_acc:2pp, got 2%"),
        ("robust_acc:-1pp", "got -1pp"),
        ("robust_acc:101pp", "got 101pp"),
        ("robust_acc:nanpp", "got nanpp"),
        ("robust:2pp", "unknown accuracy 'robust', did you mean 'robust_acc'"),
        ("", "unknown accuracy ''"),
    ],
)
def test_what_is_no_margin_is_refused(text, told):
    with pytest.raises((ValueError, LookupError), match=told.replace("?", r"\?")):
        read_tolerance(text)


def test_two_margins_of_one_accuracy_are_refused():
    refuse_twice((read_tolerance("robust_acc:1pp"), read_tolerance("clean_acc:1pp")))
    with pytest.raises(ValueError, match="robust_acc is given twice"):
        refuse_twice((read_tolerance("robust_acc:1pp"), read_tolerance("robust_acc:2pp")))

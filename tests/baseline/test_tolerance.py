from fractions import Fraction

import pytest

from robust.baseline.tolerance import DEFAULT, Tolerance, read_tolerance, refuse_corrupted, refuse_mean, refuse_twice


@pytest.mark.parametrize(
    ("text", "margin"),
    [
        ("robust_acc:2pp", Tolerance("robust_acc", Fraction(2))),
        ("clean_acc:0.5pp", Tolerance("clean_acc", Fraction(1, 2))),
        ("robust_acc:0pp", Tolerance("robust_acc", Fraction(0))),
        ("robust_acc:100pp", Tolerance("robust_acc", Fraction(100))),
        ("certified_acc:2pp", Tolerance("certified_acc", Fraction(2))),
        ("mean:+2.5", Tolerance("mean", Fraction(5, 2), "+")),
        ("mean:-2", Tolerance("mean", Fraction(2), "-")),
        ("mean:0", Tolerance("mean", Fraction(0))),
        ("miou:2pp", Tolerance("miou", Fraction(2))),
        ("mean:2.5pp", Tolerance("mean_corrupted", Fraction(5, 2))),
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
        ("mean", "how much worse the mean score may be, in its units, as mean:\\+2, got none"),
        ("mean:+2pp", "as mean:\\+2, got \\+2pp"),
        ("mean:nan", "got nan"),
        ("mean:101pp", "expected percentage points from 0 to 100, as mean:2pp, got 101pp"),
        ("mean_corrupted:2pp", "unknown accuracy 'mean_corrupted'"),
        ("miou:-2", "expected percentage points from 0 to 100, as miou:2pp, got -2"),
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


@pytest.mark.parametrize(
    ("margin", "criterion", "told"),
    [
        ("mean:+2", "class", "by class is the accuracy; give robust_acc:2pp, or under corruptions mean:2pp"),
        ("mean:-2", "within:5", r"the mean of error by within:5 gets worse as it rises; write mean:\+2"),
        ("miou:2pp", "labels", "mIoU is of maps of classes, and the criterion is labels; leave it out"),
        ("mean:+2", "labels", "the mean of labels by labels gets worse as it falls; write mean:-2"),
    ],
)
def test_a_margin_of_the_mean_score_that_does_not_fit_the_criterion_is_refused(margin, criterion, told):
    with pytest.raises(ValueError, match=told):
        refuse_mean(read_tolerance(margin), criterion)


@pytest.mark.parametrize(
    ("margin", "criterion"),
    [
        ("mean:+2", "within:5"),
        ("mean:2", "labels"),
        ("mean:-2", "labels"),
        ("miou:2pp", "pixels:0.9"),
        ("clean_acc:2pp", "class"),
    ],
)
def test_a_margin_that_fits_the_criterion_is_taken(margin, criterion):
    refuse_mean(read_tolerance(margin), criterion)


def test_a_margin_of_the_mean_over_corruptions_is_for_runs_with_some():
    refuse_corrupted(read_tolerance("mean:2pp"), ["linf:0.1", "linf:0.1+corruption:3:fog"])
    refuse_corrupted(read_tolerance("mean:+2"), ["linf:0.1"])
    with pytest.raises(ValueError, match=r"no threat model has any; add one, as corruption:3, or .*, as mean:2$"):
        refuse_corrupted(read_tolerance("mean:2pp"), ["linf:0.1"])

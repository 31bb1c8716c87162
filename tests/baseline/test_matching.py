"""The row of a baseline that is compared with, and the rows that are refused."""

import re
from dataclasses import replace

import pytest

from robust.baseline.matching import UncertifiedError, UnfitError, Wanted, certified_flags, find_match, robust_flags
from robust.baseline.tolerance import CERTIFIED
from robust.records.trust import Finding, TrustReport
from tests.making import attacked, certificate, flags, record

ROW = record()


def test_the_row_of_the_same_measurement_fits_whatever_the_weights():
    other = record("11111111", weights="cd34" * 16)

    assert find_match([record(threat="linf:0.3"), ROW], Wanted.of(other)) is ROW


@pytest.mark.parametrize(
    ("today", "why"),
    [
        (record(seed=1), "has seed 0, not 1: take --robust-seed=0"),
        (replace(record(digest="12" * 32), draw=3), "has draw 0, not 3: take --robust-draw=0"),
        (record("1111"), "has 8 samples, not 4: take --robust-samples=8"),
        (record(digest="12" * 32), "is of other samples"),
        (replace(ROW, attacks=(attacked("pgd", "0" * 8, options={"steps": 9}),)), "is of another version of pgd"),
        (
            record(threat="linf:0.2"),
            "no row of net (as-is), digits, linf:0.2, pgd; it has net (as-is), digits, linf:0.15",
        ),
        (record(adversarial={"fgsm": "0" * 8}), "no row of net (as-is), digits, linf:0.15, fgsm"),
        (record(data="mnist"), "no row of net (as-is), mnist"),
        (record(name="other"), "no row of other (as-is)"),
        (record(training="pgd-at"), "no row of net (pgd-at)"),
    ],
)
def test_another_measurement_is_refused_with_what_is_other(today, why):
    with pytest.raises(UnfitError) as refused:
        find_match([ROW], Wanted.of(today))
    assert why in refused.value.args[0]


def test_of_one_model_each_the_names_need_not_agree():
    today = Wanted.of(record(name="other", training="pgd-at"))

    assert find_match([ROW], today, alone=True) is ROW
    with pytest.raises(UnfitError):
        find_match([ROW, record(name="third")], today, alone=True)


def test_the_same_model_trained_otherwise_will_do_where_that_is_allowed_and_nothing_else_fits():
    today = Wanted.of(record(training="pgd-at"))
    same = record(training="pgd-at", weights="cd34" * 16)

    assert find_match([ROW], today, any_training=True) is ROW
    assert find_match([ROW, same], today, any_training=True) is same
    for rows in ([ROW, record(training="trades")], [record(name="other")], [record(threat="linf:0.3")]):
        with pytest.raises(UnfitError):
            find_match(rows, today, any_training=True)


def test_two_rows_that_fit_are_refused():
    with pytest.raises(UnfitError, match=r"2 rows of net .*, of weights ab12ab12, cd34cd34; name the row's own"):
        find_match([ROW, record(weights="cd34" * 16)], Wanted.of(ROW))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (replace(ROW, attacks=(replace(ROW.attacks[0], partial="time"),)), "was stopped by the time"),
        (
            replace(
                ROW, trust=TrustReport((Finding("zero-gradient", "broken", 1.0, "told", "hint"),), (), (), (), 0.0)
            ),
            "is broken",
        ),
    ],
)
def test_figures_that_are_none_are_refused(row, why):
    with pytest.raises(UnfitError, match=why):
        find_match([row], Wanted.of(ROW))


def test_what_a_mitigated_search_broke_was_not_asked_for():
    row = replace(ROW, attacks=(ROW.attacks[0], attacked("mitigated", "11000000")))

    assert (robust_flags(row, "robust_acc") == flags("11111100")).all()
    assert (robust_flags(row, "clean_acc") == row.correct).all()


def certified(certificate):
    return replace(record("1" * 8), certificate=certificate)


def test_what_a_row_certifies_is_compared_where_the_method_is_the_same():
    row = certified(certificate("11110000"))

    assert certified_flags(row, "crown").tolist() == robust_flags(row, CERTIFIED).tolist() == [True] * 4 + [False] * 4


@pytest.mark.parametrize(
    ("proof", "why"),
    [
        (None, "the row of net (as-is), digits, linf:0.15, pgd has no certificate"),
        (certificate("11110000", "ibp"), "was certified by ibp, not crown: take --robust-certify=ibp"),
        (replace(certificate("11110000"), partial="time"), "was stopped by the time"),
    ],
    ids=["none", "method", "partial"],
)
def test_what_is_certified_otherwise_is_refused(proof, why):
    with pytest.raises(UncertifiedError, match=re.escape(why)):
        certified_flags(certified(proof), "crown")

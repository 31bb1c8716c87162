"""The options of comparisons with a baseline, and the tests that compare it."""

from pathlib import Path

import pytest

from robust.settings.baseline import read_baselines
from robust.settings.parsing import OptionError
from robust.settings.sources import OptionValue


def read(*margins, certified):
    given = OptionValue("compare-fail", margins, Path(), bool(margins))
    compare = OptionValue("compare", ("latest",), Path(), True)
    return read_baselines(compare, given, OptionValue("save"), certified=certified)


def test_what_is_certified_is_compared_besides_where_something_is():
    assert [*map(str, read(certified=False).margins)] == ["robust_acc:0pp"]
    found = read(certified=True)

    assert [*map(str, found.margins)] == ["robust_acc:0pp", "certified_acc:0pp"]
    assert not found.strict
    assert [*map(str, read("robust_acc:2pp", certified=True).margins)] == ["robust_acc:2pp"]
    assert read("certified_acc:2pp", certified=True).strict


def test_a_margin_on_what_is_certified_needs_a_method():
    with pytest.raises(OptionError, match="nothing is certified; say how, as --robust-certify=crown"):
        read("certified_acc:2pp", certified=False)


def test_the_mean_over_corruptions_is_one_test_a_row_under_some():
    found = read("mean:2pp", certified=False)
    checks = found.plan_checks(("", "quick-1"), ("linf:0.1", "corruption:3", "linf:0.1+corruption:3:fog"))

    assert [check.slug for check in checks] == [
        "mean_corrupted-corruption-3",
        "mean_corrupted-quick-1-corruption-3",
        "mean_corrupted-linf-0.1+corruption-3-fog",
        "mean_corrupted-quick-1-linf-0.1+corruption-3-fog",
    ]


def test_what_is_certified_is_one_test_a_threat_model():
    found = read("certified_acc:0pp", "robust_acc:0pp", "clean_acc:1pp", certified=True)
    checks = found.plan_checks(("", "quick-1"), ("linf:0.1", "l2:1"))

    slugs = [check.slug for check in checks]
    assert slugs == [
        "clean",
        *("linf-0.1", "quick-1-linf-0.1", "l2-1", "quick-1-l2-1"),
        *("certified-linf-0.1", "certified-l2-1"),
    ]

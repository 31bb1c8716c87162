"""`robust list`: every name that can be asked for, and what one of them is."""

from fnmatch import fnmatch

import pytest

from robust.attacks.registry import ATTACKS
from robust.attacks.suite import suite_names
from robust.data.dataset import DATA
from robust.models.registry import ARCHITECTURES
from robust.train.recipe import RECIPES, WRAPPERS


def test_list_names_all_that_can_be_asked_for(call):
    status, out, err = call("list")

    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"suites: {', '.join(suite_names())}",
        f"attacks: {', '.join(ATTACKS.names())}",
        f"data sets: {', '.join(DATA.names())}",
        f"architectures: {', '.join(ARCHITECTURES.names())}",
        f"training recipes: {', '.join(RECIPES.names())}",
        f"training wrappers: {', '.join(WRAPPERS.names())}",
    ]


def test_list_knows_the_shipped_ones(call):
    assert {"standard-1", "fgsm", "pgd", "digits", "wideresnet", "pgd-at"} <= {
        word.strip(",") for word in call("list")[1].split()
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pgd", ["attack pgd: PGD, *", "  steps=40", "with every attack: *restarts=*"]),
        ("trades", ["training recipe trades: *", "  beta=6.0", "with every recipe:", "  epochs=30"]),
        ("+ema", ["training wrapper ema: *", "with every recipe:"]),
        ("fashion-mnist", ["data set fashion-mnist: *", "  threat model by default: linf:0.1"]),
        ("npz", ["data set npz: *"]),
        ("wideresnet", ["architecture wideresnet: *"]),
        ("standard-1", ["suite standard-1, *", "  pgd:*"]),
    ],
)
def test_list_tells_of_one_what_it_is_and_its_options(call, name, told):
    status, out, err = call("list", name)

    assert (status, err) == (0, "")
    lines = iter(out.splitlines())
    assert all(any(fnmatch(line, wanted) for line in lines) for wanted in told)


def test_what_list_does_not_know_is_told_with_the_nearest(call):
    status, out, err = call("list", "trade")

    assert (status, out) == (4, "")
    assert err.startswith("robust list: unknown name 'trade', did you mean 'trades'?")

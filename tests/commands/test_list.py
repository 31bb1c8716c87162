"""`robust list`: every name that can be asked for, and what one of them is."""

from fnmatch import fnmatch

import pytest

from robust.attacks.criteria.registry import CRITERIA
from robust.attacks.registry import ATTACKS
from robust.attacks.suite import suite_names
from robust.attacks.words import WORDS
from robust.data.dataset import DATA
from robust.models.registry import ARCHITECTURES, PACKINGS
from robust.train.recipe import RECIPES, WRAPPERS


def test_list_names_all_that_can_be_asked_for(call):
    status, out, err = call("list")

    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"suites: {', '.join(suite_names())}",
        f"attacks: {', '.join(ATTACKS.names())}",
        f"data sets: {', '.join(DATA.names())}",
        f"criteria: {', '.join(CRITERIA.names())}",
        f"architectures: {', '.join(ARCHITECTURES.names())}",
        f"packings: {', '.join(PACKINGS.names())}",
        f"training recipes: {', '.join(RECIPES.names())}",
        f"training wrappers: {', '.join(WRAPPERS.names())}",
        f"threats: {', '.join(family.form for family in WORDS.values())}",
        "certificates: ibp, crown, alpha-crown",
        "curves: linf, l2, l1",
        "draws: 1, majority:N, mean:N",
        "samplers: tpe, random",
        "objectives: robust, certified, clean",
    ]


def test_list_knows_the_shipped_ones(call):
    assert {"standard-1", "fgsm", "pgd", "digits", "wideresnet", "pgd-at"} <= {
        word.strip(",") for word in call("list")[1].split()
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pgd", ["attack pgd: PGD, *", "  steps=40 *a whole number*", "with every attack:", "  restarts= *number*"]),
        ("trades", ["training recipe trades: *", "  beta=6.0 *a number*", "with every recipe:", "  epochs=30 *"]),
        ("crown-ibp", ["training recipe crown-ibp: *", "  rivals=2 *", "with every recipe:", "  clip=1.0 *"]),
        ("+ema", ["training wrapper ema: *", "with every recipe:"]),
        ("fashion-mnist", ["data set fashion-mnist: *", "  threat model by default: linf:0.1"]),
        ("npz", ["data set npz: *", "  lo=0.0 *", "  classes=None *a whole number*", "  only= *"]),
        ("imagefolder", ["data set imagefolder: *", "  size=None *pixels*"]),
        ("wideresnet", ["architecture wideresnet: *", "  depth=28 *a whole number"]),
        ("standard-1", ["suite standard-1, *", "  pgd:*", "it takes no options*"]),
        ("linf", ["threat linf: *linf:8/255", "  EPS *8/255*"]),
        ("linf:8/255", ["threat linf: *"]),
        ("crown", ["certificate crown: *1811.00866*; --robust-certify=crown"]),
        ("alpha-crown", ["certificate alpha-crown: *2011.13824*"]),
        ("mean:5", ["draws mean:N: *; --robust-draws=mean:N"]),
        ("draws", ["draws 1: *; --robust-draws=1", "draws majority:N: *", "draws mean:N: *"]),
        ("threats", ["threats: linf:EPS, *"]),
        ("curves", ["curves: linf, l2, l1"]),
        ("tpe", ["sampler tpe: *; robust tune --sampler=tpe"]),
        ("certified", ["objective certified: *for ibp and crown-ibp; robust tune --objectives=certified"]),
        (
            "apgd",
            [
                "attack apgd: *",
                "  loss=ce *ce, margin, dlr or sice; of maps also segpgd*",
                "  surrogate= *--robust-model*",
            ],
        ),
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


@pytest.mark.parametrize("registry", [ATTACKS, DATA, ARCHITECTURES, RECIPES, WRAPPERS], ids=lambda r: r.kind)
def test_whatever_takes_an_option_says_what(call, registry):
    for name in registry.names():
        lines = call("list", name)[1].splitlines()
        assert not [line for line in lines if fnmatch(line, "  *=*") and len(line.split(maxsplit=1)) < 2], name


def test_a_word_of_the_field_leads_to_the_right_one(call):
    assert call("list", "AutoAttack")[2].endswith("'AutoAttack'; write --robust-suite=standard-1\n")

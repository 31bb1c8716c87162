"""Floors: how they are read, which one counts, and whether it holds."""

import pytest

from robust.gates import Floor, Gates, Measured, inconclusive, read_floor, shortfall

ATTACKS, THREATS = ("fgsm", "pgd:steps=5"), ("linf:8/255", "l2:0.5")


@pytest.mark.parametrize(
    ("text", "floor"),
    [
        ("40", Floor(40.0)),
        ("40%", Floor(40.0)),
        ("clean:85", Floor(85.0, "clean")),
        ("linf:8/255:40", Floor(40.0, "linf-8_255")),
        ("linf-8_255:40", Floor(40.0, "linf-8_255")),
        ("pgd:steps=5:35.5", Floor(35.5, "pgd-steps5")),
        ("pgd:35", Floor(35.0, "pgd")),
        ("pgd-steps5-l2-0.5:0", Floor(0.0, "pgd-steps5-l2-0.5")),
    ],
)
def test_a_floor_is_read(text, floor):
    assert read_floor(text, ATTACKS, THREATS) == floor


@pytest.mark.parametrize("text", ["", "x", "0.4", "-1", "101", "nan", "clean:", "l2:0.7:40", "40:clean"])
def test_what_is_no_floor_is_refused(text):
    with pytest.raises(ValueError, match=r"expected a percentage|unknown scope"):
        read_floor(text, ATTACKS, THREATS)


def test_the_narrowest_floor_counts_and_of_two_as_narrow_the_higher():
    words = ["10", "pgd:20", "pgd-steps5:30", "l2-0.5:40", "pgd-steps5-l2-0.5:50", "clean:60"]
    floors = [read_floor(word, ATTACKS, THREATS) for word in words]
    found = []
    while floors:
        floor = Gates(tuple(floors)).attack("pgd:steps=5", "l2:0.5")
        found.append(floor and floor.percent)
        floors.remove(floor) if floor else floors.clear()

    assert found == [50, 40, 30, 20, 10, None]


def test_of_all_together_only_the_threat_models_floor_or_the_general_one_counts():
    gates = Gates((Floor(10.0), Floor(20.0, "pgd"), Floor(30.0, "l2-0.5"), Floor(40.0, "clean")))

    assert gates.together("l2:0.5").percent == 30
    assert gates.together("linf:8/255").percent == 10
    assert gates.clean().percent == 40
    assert Gates((Floor(10.0),)).clean() is None


@pytest.mark.parametrize(
    ("k", "floor", "by_figure", "by_interval", "open_"),
    [  # the 95 % Wilson interval of 45 of 100 is 35.6 to 54.8
        (45, 30, None, None, False),
        (45, 40, None, "is not surely above the required 40 %", True),
        (45, 45, None, "is not surely above the required 45 %", True),
        (45, 50, "is below the required 50 %, which its interval contains", "is below the required 50 %", True),
        (45, 60, "is below the required 60 %", "is below the required 60 %", False),
    ],
)
def test_a_figure_is_judged(k, floor, by_figure, by_interval, open_):
    measured = Measured.of(k, 100)
    for fail_on, told in (("figure", by_figure), ("ci", by_interval)):
        found = shortfall(measured, Floor(float(floor)), fail_on)
        assert (found or "").startswith(told or "")
        assert (found is None) == (told is None)

    assert inconclusive(measured, Floor(float(floor))) == open_


def test_without_a_floor_nothing_is_wrong():
    assert shortfall(Measured.of(0, 5), None, "ci") is None
    assert not inconclusive(Measured.of(0, 5), None)

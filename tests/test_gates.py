"""Floors: how they are read, which one counts, and whether it holds."""

import pytest

from robust.gates import Decision, Floor, Gates, Measured, decide, describe_next, foresee
from robust.settings.floors import read_floor

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
        ("certified:60", Floor(60.0, "certified")),
        ("certified@linf:8/255:60", Floor(60.0, "certified-linf-8_255")),
        ("certified-l2-0.5:60", Floor(60.0, "certified-l2-0.5")),
        ("robust@l2:0.5:60", Floor(60.0, "l2-0.5")),
        ("40.5", Floor(40.5)),
        ("100", Floor(100.0)),
    ],
)
def test_a_floor_is_read(text, floor):
    assert read_floor(text, ATTACKS, THREATS) == floor


@pytest.mark.parametrize(
    "text", ["", "x", "0.4", "-1", "101", "nan", "clean:", "l2:0.7:40", "40:clean", "certified@l2:1:9"]
)
def test_what_is_no_floor_is_refused(text):
    with pytest.raises(ValueError, match=r"expected a percentage|unknown scope"):
        read_floor(text, ATTACKS, THREATS)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("mean@linf:4/255:9", "mean@linf:8/255"),
        ("maen@l2:0.5:9", "mean@l2:0.5"),
        ("pgd:steps=4@l2:0.5:9", "pgd:steps=5@l2:0.5"),
    ],
)
def test_a_scope_with_an_at_is_answered_with_one(text, meant):
    with pytest.raises(ValueError, match=r"unknown scope") as error:
        read_floor(text, ATTACKS, THREATS)

    assert f"did you mean {meant!r}?" in str(error.value)
    read_floor(f"{meant}:9", ATTACKS, THREATS)


def test_the_narrowest_floor_counts_and_of_two_as_narrow_the_higher():
    words = ["10", "pgd:20", "pgd-steps5:30", "l2-0.5:40", "pgd-steps5-l2-0.5:50", "clean:60"]
    floors = [read_floor(word, ATTACKS, THREATS) for word in words]
    found = []
    while floors:
        floor = Gates(tuple(floors)).attack("pgd:steps=5", "l2:0.5")
        found.append(floor and floor.percent)
        floors.remove(floor) if floor else floors.clear()

    assert found == [50, 40, 30, 20, 10, None]
    gates = Gates((Floor(40.0), Floor(60.0), Floor(10.0, "pgd-l2-1"), Floor(20.0, "pgd")))
    pairs = [("fgsm", "l1:1"), ("pgd:steps=9", "l1:1"), ("pgd", "l2:1")]
    assert [gates.attack(*pair).percent for pair in pairs] == [60, 20, 10]


def test_a_floor_of_what_is_certified_is_for_nothing_else():
    gates = Gates(tuple(read_floor(word, ATTACKS, THREATS) for word in ("certified:60", "certified@l2:0.5:40")))

    assert [gates.certified(threat).percent for threat in THREATS] == [60, 40]
    assert gates.clean() is gates.attack("fgsm", "l2:0.5") is gates.together("l2:0.5") is None
    assert Gates((Floor(40.0), Floor(50.0, "clean"), Floor(60.0, "l2-0.5"))).certified("l2:0.5") is None
    assert all(floor.is_certified for floor in gates.floors)
    assert not Floor(40.0).is_certified
    assert not Floor(40.0, "clean").is_certified


def test_a_row_of_one_attack_has_the_floor_of_the_attack_and_any_other_that_of_all():
    gates = Gates((Floor(90.0), Floor(20.0, "pgd")))

    assert gates.row(["pgd:steps=5"], "linf:0.15").percent == 20
    assert gates.row(["pgd:steps=5", "fgsm"], "linf:0.15").percent == 90


def test_of_all_together_only_the_threat_models_floor_or_the_general_one_counts():
    gates = Gates((Floor(10.0), Floor(20.0, "pgd"), Floor(30.0, "l2-0.5"), Floor(40.0, "clean")))

    assert gates.together("l2:0.5").percent == 30
    assert gates.together("linf:8/255").percent == 10
    assert gates.clean().percent == 40
    assert Gates((Floor(10.0),)).clean() is None


INSIDE = "the floor of {} % is inside the interval; use more samples"
BELOW = "is below the required {} %"
OPEN = f"{BELOW}, which its interval contains: more samples would tell"
UNSURE = "is not surely above the required {} %: its interval reaches below (--robust-fail-on=ci)"


@pytest.mark.parametrize(
    ("k", "floor", "by_figure", "by_interval"),
    [  # the 95 % Wilson interval of 45 of 100 is 35.6 to 54.8
        (45, 30, ("holds", ""), ("holds", "")),
        (45, 35.6, ("holds", ""), ("holds", "")),
        (45, 40, ("inconclusive", INSIDE), ("fails", UNSURE)),
        (45, 45, ("inconclusive", INSIDE), ("fails", UNSURE)),
        (45, 50, ("fails", OPEN), ("fails", OPEN)),
        (45, 60, ("fails", BELOW), ("fails", BELOW)),
        (0, 0, ("holds", ""), ("holds", "")),
        (100, 100, ("holds", ""), ("fails", UNSURE)),
    ],
)
def test_a_figure_is_decided(k, floor, by_figure, by_interval):
    for fail_on, (ruling, message) in (("figure", by_figure), ("ci", by_interval)):
        assert decide(Measured.of(k, 100), Floor(floor), fail_on) == Decision(ruling, message.format(f"{floor:g}"))


@pytest.mark.parametrize(("floor", "ruling"), [(30, "inconclusive"), (45, "inconclusive"), (50, "fails")])
def test_an_upper_bound_never_shows_that_a_floor_holds(floor, ruling):
    decision = decide(Measured.of(45, 100), Floor(floor), "figure", bound=True)

    assert decision.ruling == ruling
    if ruling == "inconclusive":
        assert decision.message == f"the floor of {floor} % holds so far; give it more time"


@pytest.mark.parametrize(
    ("k", "advice", "told"),
    [
        (45, "do it", "next: do it"),
        (45, "", ""),
        (55, "do it", "next: more samples make the interval narrower; do it"),  # it fails by its interval
        (55, "", "next: more samples make the interval narrower"),
    ],
)
def test_what_to_try_next_is_one_line(k, advice, told):
    assert describe_next(Measured.of(k, 100), Floor(50.0), advice) == told


@pytest.mark.parametrize("fail_on", ["figure", "ci"])
@pytest.mark.parametrize("percent", [0.0, 3.0, 40.0, 50.0, 95.0, 99.5, 100.0])
@pytest.mark.parametrize("n", [1, 20, 100, 999])
def test_what_is_foreseen_is_what_will_be_decided(n, percent, fail_on):
    floor = Floor(percent)
    figures = [Measured.of(k, n) for k in range(n + 1)]
    rulings = [decide(figure, floor, fail_on).ruling for figure in figures]
    forecast = foresee(floor, n, fail_on)
    last = max(
        (figure.percent for figure, ruling in zip(figures, rulings, strict=True) if ruling != "holds"), default=0
    )

    assert (forecast is None) == ("holds" in rulings and last < percent + 2)
    if forecast:
        assert forecast.hopeless == ("holds" not in rulings)
    if forecast and not forecast.hopeless:
        assert f" with {n} samples a figure from {percent:g} to {last:.1f} % is " in forecast.message


@pytest.mark.parametrize(
    ("floor", "n", "fail_on", "message"),
    [
        (
            Floor(40.0),
            100,
            "figure",
            "--robust-fail-under=40: with 100 samples a figure from 40 to 49.0 % is inconclusive; "
            "to tell 2 points above it take 2305",
        ),
        (
            Floor(90.0, "clean"),
            200,
            "ci",
            "--robust-fail-under=clean:90: with 200 samples a figure from 90 to 94.0 % is not enough "
            "(--robust-fail-on=ci); to tell 2 points above it take 865",
        ),
        (
            Floor(95.0, "linf-0.1"),
            20,
            "figure",
            "--robust-fail-under=linf-0.1:95: with 20 samples no figure is high enough: even 20/20 is inconclusive; "
            "take 73 or more",
        ),
        (
            Floor(100.0),
            20,
            "ci",
            "--robust-fail-under=100: with 20 samples no figure is high enough: even 20/20 is not enough "
            "(--robust-fail-on=ci); no number of samples is enough",
        ),
    ],
)
def test_what_is_foreseen_is_told_in_one_line(floor, n, fail_on, message):
    forecast = foresee(floor, n, fail_on)
    assert (forecast and forecast.message) == message


@pytest.mark.parametrize(("percent", "needed"), [(50.0, 2401), (40.0, 2305), (95.0, 457)])
def test_so_many_samples_as_are_told_settle_two_points(percent, needed):
    assert foresee(Floor(percent), round(1.05 * needed), "figure") is None
    assert f"take {needed}" in foresee(Floor(percent), round(0.9 * needed), "figure").message

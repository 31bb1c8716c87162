import re
from dataclasses import replace

import pytest

from robust.records.trust import Finding, TrustReport, trust_from_json, trust_to_json
from robust.report.board import boards
from robust.report.skipped import list_skipped
from robust.report.terminal import describe_findings, terminal
from tests.making import record, stored


def shown(*records, width=100):
    (board,) = boards(records)
    return terminal(board, width)


def words(line):
    """The cells of a line: what two spaces or more divide."""
    return re.split(r" {2,}", line.strip())


def test_a_board_is_a_title_heads_and_a_line_for_each_model():
    a = record("11111100", {"pgd": "11000000", "fgsm": "10000000"}, name="a")
    b = record("11110000", {"pgd": "11110000", "fgsm": "11000000"}, name="b", training="pgd-at")

    title, *lines = shown(b, a).splitlines()
    assert title == "digits, linf:0.15, fgsm+pgd, n = 8"
    assert [words(line) for line in lines] == [
        ["rank", "model", "training", "clean %", "fgsm", "pgd", "robust %", "95 % interval"],
        ["1", "a", "as-is", "75.0", "62.5", "50.0", "50.0", "21.5 to 78.5"],
        ["1", "b", "pgd-at", "50.0", "25.0", "0.0", "0.0", "0.0 to 32.4"],
    ]


@pytest.mark.parametrize("width", [40, 100])
def test_the_accuracy_against_rounded_inputs_is_noted_below_where_it_differs(width):
    made = stored(record("11111100", {"pgd": "11000000"}), 256, "10000000")
    lines = shown(made, width=width).splitlines()

    note = (
        "Robust % against inputs rounded to the levels of the data, where that differs: net (as-is) 62.5 at 256 levels."
    )
    assert " ".join(lines).endswith(note)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(("sizes", "n"), [([8], "8"), ([8, 8], "8"), ([9, 8, 7], "7 to 9")], ids=str)
def test_the_title_holds_the_number_of_samples(sizes, n):
    title = shown(*(record("1" * n, name=f"net-{i}") for i, n in enumerate(sizes))).splitlines()[0]

    assert title == f"digits, linf:0.15, pgd, n = {n}"


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("attacks", [["pgd"], ["fgsm", "pgd:restarts=5:steps=40", "torchattacks:PGD:steps=20"]])
def test_no_line_is_wider_than_the_terminal(width, attacks):
    measured = record(adversarial=dict.fromkeys(attacks, "0" * 8), name="a-name-of-a-model-that-is-rather-long" * 3)

    assert max(len(line) for line in shown(measured, width=width).splitlines()) <= width


@pytest.mark.parametrize("attacks", [["pgd"], ["fgsm", "pgd"]], ids=", ".join)
def test_a_terminal_of_80_columns_shows_the_name_and_all_figures(attacks):
    text = shown(record("1" * 1000, dict.fromkeys(attacks, "1" * 300 + "0" * 700)), width=80)

    figures = ["70.0"] * len(attacks)
    assert words(text.splitlines()[-1]) == ["1", "net", "as-is", "100.0", *figures, "70.0", "67.1 to 72.8"]


@pytest.mark.parametrize("attacks", [3, 8])
def test_a_terminal_too_narrow_for_the_headings_cuts_no_figure(attacks):
    broken = {f"pgd:restarts=5:steps={k}": "1" * 300 + "0" * 700 for k in range(attacks)}
    text = shown(record("1" * 1000, broken), width=80)

    (line,) = (line for line in text.splitlines() if re.match(" *1 ", line))
    under = ", ".join(["70.0"] * attacks)
    assert " ".join(text.split()).endswith(f"steps={attacks - 1} alone: net (as-is) {under}.")
    assert line.endswith(" 67.1 to 72.8")
    assert {*re.findall(r"(?<= )[\d.]+", line)} == {"1", "100.0", "70.0", "67.1", "72.8"}


LONG = "n" + "".join(f"{k:03}" for k in range(40))


def test_a_long_name_is_shortened_in_its_middle_where_it_does_not_fit():
    line = shown(record(name=LONG, training="trades:batch=128:beta=6:epochs=10"), width=80).splitlines()[-1]

    assert words(line)[1:3] == ["n0000010…7038039", "trades:b…ochs=10"]
    assert LONG in shown(record(name=LONG), width=250)
    assert "trades:beta=6" in shown(record(name=LONG, training="trades:beta=6"), width=80)  # a short one stays whole


def test_long_names_that_would_be_the_same_when_shortened_are_folded_not_cut():
    a, b = (LONG[:60] + letter + LONG[61:] for letter in "ab")
    lines = shown(record(name=a), record("11110000", name=b), width=80).splitlines()[2:]

    assert "".join(re.match(r" +(?:1 +)?(\S+)", line)[1] for line in lines) == a + b


@pytest.mark.parametrize("width", [80, 70, 60, 40, 30])
@pytest.mark.parametrize("training", ["as-is", "trades:batch=128:beta=6:epochs=10"])
def test_no_width_cuts_a_figure_or_a_verdict(width, training):
    trust = TrustReport((Finding("a", "suspect", 1.0, "odd", "look"),), (), ("a",), (), 1.0)
    measured = record("1" * 1000, {"pgd": "1" * 300 + "0" * 700}, name="a-name-that-is-long" * 4, training=training)

    text = shown(replace(measured, trust=trust), width=width)

    assert max(map(len, text.splitlines()[1:])) <= width
    assert not re.search(r"\d…|…\d+\.", text)
    told = " ".join(text.split())
    assert {"100.0", "70.0", "suspect"} <= {*re.findall(r"[\w.]+", told)}
    assert "67.1 to 72.8" in told


@pytest.mark.parametrize("name", ["[red]x[/red]", ":smile:", "[/]", "[link=http://a.b]x[/link]"])
def test_a_name_is_shown_as_it_is(name):
    assert words(shown(record(name=name), width=200).splitlines()[2])[1] == name


@pytest.mark.parametrize("field", ["name", "data"])
@pytest.mark.parametrize("control", ["\x1b[2J", "\r", "\n"], ids=ascii)
def test_a_name_does_not_steer_the_terminal(field, control):
    text = shown(record(**{field: f"a{control}b"}), width=200)

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert len(text.splitlines()) == 3


def test_checks_that_do_not_apply_are_counted_by_their_reasons():
    why = dict.fromkeys("abc", "no gradient is used") | {"d": "the model is random", "e": "of x", "f": "of y"}
    trust = TrustReport((), (), ("z",), tuple("abcdefg"), 1.0, why=why)

    (line,) = describe_findings(replace(record(), trust=trust))
    reasons = "3 as no gradient is used; 1 as the model is random; 1 as of x; 2 for other reasons, which the page lists"
    assert line == f"net (as-is), linf:0.15: trusted by fewer checks; 7 do not apply: {reasons}"
    assert list_skipped(trust) == [
        "no gradient is used: a, b, c",
        "the model is random: d",
        "of x: e",
        "of y: f",
        "no reason is told: g",
    ]
    assert trust_from_json(trust_to_json(trust)) == trust


@pytest.mark.parametrize(
    ("skipped", "lines"),
    [
        (("d",), []),
        (("d", "e"), ["net (as-is), linf:0.15: suspect by fewer checks; these do not apply: d, e"]),
    ],
)
def test_a_verdict_is_shown_with_its_findings_and_with_many_skipped_checks(skipped, lines):
    trust = TrustReport((Finding("a", "suspect", 1.0, "it is odd", "look again"),), (), tuple("abcfg"), skipped, 1.0)

    reasons = ["net (as-is), linf:0.15: suspect: a: it is odd; look again"]
    assert describe_findings(replace(record(), trust=trust)) == reasons + lines
    assert describe_findings(record()) == []
    assert describe_findings(replace(partial(record(), "gate"), trust=trust)) == reasons


def partial(made, why):
    """The record, stopped before its end."""
    return replace(made, attacks=tuple(replace(attack, partial=why) for attack in made.attacks))


def test_of_hundreds_of_attacks_only_the_lowest_figure_is_told():
    attacks = {f"pgd:steps={k}": "1" * (k % 5) + "0" * (8 - k % 5) for k in range(1, 301)}
    (board,) = boards([record("1" * 8, attacks)])
    text = terminal(board, 80).replace("\n", " ")

    assert "The lowest of 300 attacks alone: net (as-is) 50.0 by pgd:steps=104;" in text

"""index.html as text; tests/browser looks at it."""

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from robust.records.store import GENERATED
from robust.records.trust import TrustReport
from robust.report.board import boards
from robust.report.page.axes import Axes
from robust.report.page.bracket import MAX_MARKS, find_states
from robust.report.page.curves import curves
from robust.report.page.page import page
from robust.report.page.scatter import pareto_front
from tests.browser.making import HOSTILE, KINDS, crowd, gallery
from tests.making import certificate, record, robust


def html(*records, **galleries):
    return page(boards(records), galleries)


class Tags(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_the_page_is_known_as_ours_also_where_it_is_empty():
    assert html().startswith(GENERATED["index.html"])
    assert html(record()).startswith(GENERATED["index.html"])


def test_the_order_of_the_records_means_nothing():
    made = [record(name="a"), record(name="b"), record(data="mnist"), record(threat="linf:0.3")]

    assert len({html(*order) for order in permutations(made)}) == 1


def test_the_policy_allows_our_own_style_and_script_and_nothing_else():
    text = html(record())
    (policy,) = re.findall(r'http-equiv=Content-Security-Policy content="([^"]*)"', text)
    parts = [re.search(f"<{name}>(.*?)</{name}>", text, re.S).group(1) for name in ("style", "script")]
    digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts]

    assert policy.replace("&#x27;", "'") == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


KEY = "5e" * 32


def trained():
    """A row of a model that was trained by pgd-at."""
    made = record(training="pgd-at")
    return replace(made, provenance={**made.provenance, "training": {"key": KEY, "report": "a net.html"}})


def test_a_row_leads_to_the_report_on_its_training_if_that_is_in_the_folder():
    linked, elsewhere, without = (
        page(boards([made]), {}, reports=reports)
        for made, reports in ((trained(), {KEY: "weights/a net.html"}), (trained(), {}), (record(), {KEY: "net.html"}))
    )

    assert '<a href="weights/a%20net.html">report on the training</a>' in linked
    assert "The report on the training is a net.html, as seen from the weights." in elsewhere
    assert "report on the training</a>" not in elsewhere
    assert "report on the training" not in without


def test_every_link_within_the_page_leads_somewhere_and_every_id_is_there_once():
    made = [*crowd(6, ("linf:0.1", "l2:1"))]
    tags = Tags(page(boards(made), gallery(made[0]))).found
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    links = {attributes["href"][1:] for _, attributes in tags if attributes.get("href", "").startswith("#")}

    assert len(ids) == len(set(ids))
    assert links <= {*ids}


def test_what_decides_stands_before_the_columns_that_a_narrow_window_scrolls():
    made = record("1" * 8, {f"pgd:steps={k}": "1100" * 2 for k in range(6)}, name="net")
    text = page(boards([replace(made, trust=TrustReport((), (), ("a",), (), 1.0))]), {})

    heads = [re.sub("<.*?>", "", head) for head in re.findall(r"<th scope=col.*?>(.*?)(?=<th|<tbody)", text)]
    assert heads[:5] == ["rank", "model", "robust %", "verdict", "clean %"]
    assert heads[-4:] == ["drop", "n", "params", "weights"]
    line, *_ = re.findall(r"<tbody><tr(.*?)</table>", text)
    cells = [re.sub("<.*?>", " ", f"<td{cell}").split() for cell in re.split("<t[dh]", line)[1:]]
    assert (cells[2][0], cells[3], cells[4]) == ("50.0", ["trusted"], ["100.0"])


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_opens_no_element_and_no_attribute(name):
    def shape(text):
        return [(tag, sorted(attributes)) for tag, attributes in Tags(text).found]

    assert shape(html(record(name=name, data=name))) == shape(html(record(name="plain", data="plain")))


@given(st.text(max_size=12))
def test_any_name_is_text(name):
    def tags(text):
        return [tag for tag, _ in Tags(text).found]

    assert tags(html(record(name=name))) == tags(html(record(name="plain")))
    assert "\x1b" not in html(record(name=name))


def test_the_front_joins_the_rows_that_none_beats_in_both():
    made = [
        record("1" * 60 + "0" * 40, name="least clean"),
        record("1" * 80 + "0" * 20, {"pgd": "1" * 30 + "0" * 70}, name="between"),
        record("1" * 70 + "0" * 30, {"pgd": "1" * 30 + "0" * 70}, name="beaten"),
        record("1" * 90 + "0" * 10, {"pgd": "1" * 80 + "0" * 20}, name="cleanest"),
    ]
    (board,) = boards(made)

    assert [row.record.model.name for row in pareto_front(board.rows)] == ["least clean", "between", "cleanest"]


def test_each_row_stands_at_its_place_within_the_axes_of_the_chart_also_a_low_one():
    made = [robust(k, 40, name=f"net-{k}") for k in (32, 33, 34, 35, 4, 2)]
    points = [tag for name, tag in Tags(html(*made)).found if name == "use" and "x" in tag and "y" in tag]
    heights = sorted({float(point["y"]) for point in points})

    assert len(heights) == 6
    axes = Axes(0, 1, 0, 1)
    assert axes.top < heights[0]
    assert heights[-1] < axes.y_end


def test_a_curve_needs_two_eps_on_the_same_samples_and_begins_with_the_clean_accuracy():
    made = [robust(6, 8, threat="linf:0.2"), robust(7, 8, threat="linf:0.1"), robust(5, 8, threat="l2:1")]
    (curve,) = curves(boards(made))

    assert [(text, percent) for _, text, percent, _, _ in curve.points] == [("0", 87.5), ("0.1", 87.5), ("0.2", 75.0)]
    assert curve.group == ("digits", "linf", "", "pgd")
    assert curves(boards([made[0], replace(made[1], data=replace(made[1].data, digest="ef" * 32))])) == []
    assert "Accuracy against eps" in html(*made)
    assert "Accuracy against eps" not in html(*made[1:])


def test_a_curve_and_a_chart_are_of_one_criterion():
    rows = [robust(k, 8, threat=threat) for k, threat in ((6, "linf:0.2"), (7, "linf:0.1"))]
    near = [replace(row, criterion={"name": "goal:1"}) for row in rows]

    assert curves(boards([rows[0], near[1]])) == []
    assert [curve.group.title for curve in curves(boards([*rows, *near]))] == ["digits, linf", "digits, linf, goal:1"]


def test_pictures_are_part_of_the_page_and_it_says_what_is_missing():
    made = record()
    text = page(boards([made]), gallery(made))

    assert text.count('src="data:image/png;base64,') == 3 * 4
    assert "install captum" in text
    assert "data:image" not in html(made)


def test_every_picture_of_a_page_is_whole():
    made = record()
    (shown,) = gallery(made, size=48).values()
    found = re.findall(r'src="data:image/png;base64,([^"]*)"', page(boards([made]), {made.stem: shown}))
    pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(text, validate=True)))) for text in found]

    assert len(pictures) == 3 * len(KINDS)
    for wanted in (getattr(shown, kind)[k, ..., 0] for kind in KINDS for k in range(3)):
        assert any(np.array_equal(picture, wanted) for picture in pictures)


def test_a_row_has_its_command_its_evidence_and_the_reasons_to_doubt_it():
    made = next(each for each in crowd(4, ("linf:0.1",)) if each.trust.findings)
    text = html(made)

    assert "pytest --robust-model=net.py:make --robust-threat=linf:0.1" in text
    assert f"results/{made.stem}.json" in text
    assert f"results/{made.stem}.npz" in text
    assert "looks-flat (suspect): " in text
    assert "4 of 10 gradients are zero" in text


@pytest.mark.parametrize(
    ("training", "model", "words"),
    [
        ("as-is", {"text": "w.pt", "arch": "net.py:make", "normalize": "0.5/0.5"}, "--model=w.pt --arch=net.py:make"),
        ("pgd-at", {"text": "net.py:make", "arch": None, "normalize": "0.5/0.5"}, "--arch=net.py:make"),
    ],
)
def test_a_row_has_the_command_that_verifies_it(training, model, words):
    command = "pytest --robust-model=other.pt --robust-data=npz:a.npz --robust-leaderboard=b"
    made = replace(record(training=training), provenance={"command": command, "model": model})

    command = f"robust verify {made.stem} {words} --normalize=0.5/0.5 --data=npz:a.npz --leaderboard=b"
    assert f"<code>{command}</code>" in html(made)


@pytest.mark.parametrize("odd", [None, 3, "pgd-at", ["a"], {"text": None}])
def test_what_a_record_says_of_itself_may_be_of_any_type(odd):
    odd_record = replace(record("1110", {"pgd": "1000"}), provenance={"command": odd, "model": odd, "training": odd})

    assert odd_record.recipe == "as-is"
    assert "<th>pgd<td>" in page(boards([odd_record]), {})


@pytest.mark.parametrize("odd", ["", None, 3, ":", "a:b=[", "trades+"])
def test_what_a_card_calls_a_recipe_may_be_none(odd):
    odd_record = replace(record("1110", {"pgd": "1000"}), provenance={"training": {"recipe": odd}})

    assert "<th>pgd<td>" in page(boards([odd_record]), {})


def test_a_row_shows_its_own_models_command_and_one_attack_once():
    made = record("1110", {"pgd": "1000"})
    ran = "pytest --robust-model=a.py:make --robust-model=b.py:make --robust-samples=4"
    odd_record = replace(made, provenance={"command": ran, "model": {"text": "b.py:make"}})
    shown = page(boards([odd_record]), {})

    assert "<code>pytest --robust-model=b.py:make --robust-samples=4</code>" in shown
    assert "<th>pgd<td>" in shown
    assert "<th>all<td>" not in shown


def proved(correct="11111100", broken="11000000", certified="00111000", **changes):
    return replace(record(correct, {"pgd": broken}, **changes), certificate=certificate(certified))


def test_each_sample_is_in_one_state():
    row = proved("11111100", "11000000", "01110000")
    states = find_states(row, row.certificate)

    told = {name: "".join(map(str, which.astype(int))) for name, which in states.items()}
    assert told == {
        "certified": "00110000",
        "open": "00001100",
        "broken": "10000000",
        "wrong": "00000011",
        "contradicted": "01000000",
    }
    assert (sum(which.astype(int) for which in states.values()) == 1).all()


def test_a_row_shows_its_bracket_and_a_mark_for_each_sample():
    text = html(proved())

    assert "37.5 ≤ robust ≤ 50.0 %" in text
    assert "certified by crown (crown 3) in 1.5 s" in text
    assert "The samples in the order of their numbers: 3 certified; 1 open; 2 broken; 2 wrong" in text
    drawn = [
        (tag["class"], tag["d"].count("M"))
        for name, tag in Tags(text).found
        if name == "path" and tag.get("class") in ("certified", "open")
    ]
    assert drawn == [("certified", 3), ("open", 1), ("certified", 1), ("open", 1)]  # the last are of the legend


def test_of_many_samples_the_first_are_drawn_and_all_are_counted():
    n = MAX_MARKS + 10
    text = html(proved("1" * n, "0" * n, "1" * n))

    marks = [
        tag["d"].count("M") for name, tag in Tags(text).found if name == "path" and tag.get("class") == "certified"
    ]
    assert marks == [MAX_MARKS, 1]  # and the key
    assert f"the first 1,000 of {n:,} samples are drawn" in text


def test_the_table_has_both_ends_of_the_bracket_where_a_row_has_a_certificate():
    def heads(*rows):
        return re.findall(r"<th scope=col[^>]*>([^<]*)", html(*rows))

    assert heads(record(), proved(name="other"))[:5] == ["rank", "model", "certified %", "robust %", "open %"]
    assert heads(record())[:4] == ["rank", "model", "robust %", "clean %"]
    for rows in ([record(), proved(name="other")], [record()]):
        body = re.search(r"<tbody>(.*?)</table>", html(*rows), re.S)[1]
        cells = {line.count("<td") + line.count("<th") for line in body.split("<tr")[1:]}
        assert cells == {len(heads(*rows))}


def test_the_charts_go_down_to_what_is_certified():
    rows = [
        proved(name=f"net-{k}", certified="0" * k + "1" * (8 - k), broken="0" * 8, correct="1" * 8) for k in (2, 4, 6)
    ]
    text = html(*rows)

    assert text.count("class=proof") >= 2 * len(rows)  # of the chart, and of the table
    assert ", certified 25.0 %" in text
    assert "The dotted lines go down to what is certified." in text

    curve = [proved(threat=f"linf:0.{k}") for k in (1, 2)]
    assert "; certified 37.5 % at 0.1, 37.5 % at 0.2" in html(*curve)
    assert "dotted" not in html(record(), record(threat="linf:0.3"))

"""index.html as people meet it: what can be done with it, with and without JavaScript, and what it must not do."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from robust.records.store import records
from robust.records.trust import TrustReport
from robust.report.board import boards
from robust.report.folder import write_board
from robust.report.page.page import page
from robust.report.robustbench import Imported
from tests.browser.making import HOSTILE, crowd, gallery, hostile
from tests.making import record

LEADERBOARD = Path(__file__).parent.parent.parent / "leaderboard"
THREATS = ("linf:2/255", "linf:4/255")
CLAIM = {
    "name": "A paper",
    "dataset": "cifar10",
    "architecture": "WideResNet",
    "clean_acc": "93.25",
    "external": "60.00",
}


@pytest.fixture(scope="module")
def html():
    """Twelve models at two eps, one with images, and an imported entry."""
    made = [*crowd(12, THREATS)]
    return page(boards(made), gallery(made[0]), [Imported("cifar10", "Linf", "Wang", json.dumps(CLAIM))])


def column(page, title, board=0):
    """The texts of a column of a board, as they are seen."""
    table = page.locator(".board table").nth(board)
    heads = [text.strip() for text in table.locator("thead th").all_inner_texts()]
    at = next(k for k, head in enumerate(heads) if head.startswith(title)) + 1
    return [text.split()[0] for text in table.locator(f"tbody tr:visible > :nth-child({at})").all_inner_texts()]


def click(page, title):
    page.locator(".board").first.get_by_role("button", name=title, exact=True).click()


def test_the_page_asks_for_nothing_and_complains_of_nothing(visit, html):
    seen = visit(html)
    seen.page.locator("summary").first.click()

    assert seen.wrong == []


@pytest.mark.parametrize(
    "part", ["<img src='http://127.0.0.1:9/x.png'>", "<script>1</script>", "<style>p{}</style>", "<p style='top:0'>"]
)
def test_a_page_with_more_in_it_is_noticed(visit, html, part):
    """Check that the policy blocks foreign content, and that these tests would notice it."""
    seen = visit(html.replace("<main", f"{part}<main"))

    assert "Content Security Policy" in " ".join(seen.wrong)


def test_figures_are_sorted_from_the_largest_and_then_the_other_way(visit, html):
    seen = visit(html)
    click(seen.page, "clean %")
    first = [float(text) for text in column(seen.page, "clean")]
    click(seen.page, "clean %")
    then = [float(text) for text in column(seen.page, "clean")]

    assert first == sorted(first, reverse=True)
    assert then == sorted(first)
    assert seen.page.locator("[aria-sort]").count() == len(THREATS)
    assert "sorted by clean %, ascending" in seen.page.get_by_role("status").inner_text()


def test_words_are_sorted_as_words_and_by_the_keyboard(visit, html):
    seen = visit(html)
    seen.page.locator(".board").first.get_by_role("button", name="model", exact=True).focus()
    seen.page.keyboard.press("Enter")

    assert column(seen.page, "model") == sorted(column(seen.page, "model"))


def test_rows_are_found_by_their_words(visit, html):
    seen = visit(html)
    seen.page.get_by_label("search").fill("resnet-11 mart")
    none = column(seen.page, "model")
    seen.page.get_by_label("search").fill("RESNET-11 free")

    assert none == []
    assert column(seen.page, "model") == ["resnet-11"]
    assert seen.page.get_by_role("status").inner_text() == "2 of 24 rows"
    assert seen.page.locator(".board .chart").first.locator("a:visible").count() == 1


def test_filters_hide_rows_and_whole_boards(visit, html):
    seen = visit(html)
    seen.page.get_by_label("threat").select_option("linf:4/255")
    seen.page.get_by_label("training").select_option("mart")

    assert seen.page.locator(".board:visible").count() == 1
    assert seen.page.get_by_role("status").inner_text() == "2 of 24 rows"


def test_the_address_brings_back_what_was_seen(visit, html):
    seen = visit(html)
    seen.page.get_by_label("search").fill("resnet-1")
    seen.page.get_by_label("verdict").select_option("trusted")
    click(seen.page, "pgd")
    again = visit(html, seen.page.evaluate("location.hash"))

    assert column(again.page, "model") == column(seen.page, "model")
    assert again.page.get_by_role("status").inner_text() == seen.page.get_by_role("status").inner_text()
    again.page.get_by_role("button", name="Reset").click()
    assert again.page.evaluate("location.hash") == ""
    assert again.page.get_by_role("status").inner_text() == "24 of 24 rows"


@pytest.mark.parametrize("hash", ["#sort=nothing&threat=linf:9&q=", "#%", "#r00000000", "#=&&=", "#sort=-__proto__"])
def test_an_address_of_nonsense_shows_everything(visit, html, hash):
    seen = visit(html, hash)

    assert seen.page.get_by_role("status").inner_text() == "24 of 24 rows"
    assert seen.wrong == []


@pytest.mark.parametrize("scripts", [True, False])
def test_a_link_opens_the_section_of_its_row(visit, html, scripts):
    seen = visit(html, java_script_enabled=scripts)
    link = seen.page.locator(".board tbody a").first
    target = link.get_attribute("href")
    link.click()

    assert seen.page.locator(target).is_visible()
    assert seen.page.locator("details.model[open]").count() == 1


def test_what_is_seen_is_downloaded_with_all_digits(visit, html):
    seen = visit(html)
    seen.page.get_by_label("training").select_option("mart")
    click(seen.page, "robust %")
    content = {}
    for name in ("CSV", "JSON"):
        with seen.page.expect_download() as download:
            seen.page.get_by_role("button", name=name, exact=True).click()
        content[name] = Path(download.value.path()).read_text("utf-8")

    table, lines = [*csv.DictReader(io.StringIO(content["CSV"]))], json.loads(content["JSON"])
    assert [line["model"] for line in lines] == column(seen.page, "model", 0) + column(seen.page, "model", 1)
    assert [[str(line[key]) for key in ("model", "robust_percent")] for line in lines] == [
        [line["model"], str(json.loads(line["robust_percent"]))] for line in table
    ]
    assert len(lines) == 4


def test_without_javascript_all_is_there_and_nothing_that_would_not_work(visit, html):
    seen = visit(html, java_script_enabled=False)

    assert seen.page.locator(".board tbody tr:visible").count() == 24
    assert seen.page.locator(".board .chart a").count() == 24
    assert seen.page.locator("button:visible, input:visible, select:visible").count() == 0
    assert seen.wrong == []


@pytest.mark.parametrize("width", [390, 640, 800, 1280])
def test_no_width_hides_a_column_that_decides(visit, width):
    attacks = {f"pgd:steps={k}:restarts=5": "1" * 300 + "0" * 700 for k in range(6)}
    made = record("1" * 1000, attacks, name="a-name-of-a-model-that-is-rather-long" * 2)
    made = replace(made, trust=TrustReport((), (), ("a",), (), 1.0))
    seen = visit(page(boards([made]), {}), viewport={"width": width, "height": 900})

    heads = seen.page.locator(".scroll thead th").all()
    ends = {head.inner_text().split()[0]: head.bounding_box() for head in heads if head.is_visible()}
    for title in ("rank", "model", "robust", "verdict"):
        assert ends[title]["x"] + ends[title]["width"] <= width
    assert seen.page.locator(".narrow").is_visible() == ("weights" not in ends)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(visit, html, scheme, width):
    seen = visit(html, color_scheme=scheme, viewport={"width": width, "height": 900})
    seen.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")

    assert seen.faults() == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(
    ("part", "rule"),
    [("<img src='data:,'>", "image-alt"), ("<button></button>", "button-name"), ("<a href='#x'></a>", "link-name")],
)
def test_axe_finds_what_is_broken_on_purpose(visit, html, part, rule):
    seen = visit(html.replace("<main id=top>", f"<main id=top>{part}"))

    assert rule in {fault.partition(":")[0] for fault in seen.faults()}


def test_axe_finds_text_that_is_too_pale(visit, html):
    """The page's own colour is spoilt, and the policy with it."""
    pale = html.replace("--soft: #5b6570", "--soft: #c9ced3").replace("Content-Security-Policy", "x-none")

    assert any(fault.startswith("color-contrast") for fault in visit(pale).faults())


@pytest.mark.parametrize("scripts", [True, False])
def test_hostile_names_are_shown_and_nothing_more(visit, scripts):
    seen = visit(hostile(), java_script_enabled=scripts)
    names = seen.page.locator(".board tbody a").all_text_contents()

    assert sorted(names) == sorted("".join(sign if sign.isprintable() else "?" for sign in name) for name in HOSTILE)
    assert seen.page.locator("main script, main img, [onerror], [onmouseover], a[href^=javascript]").count() == 0
    assert seen.wrong == []
    if scripts:
        assert seen.page.evaluate("window.caught") is None


def test_a_download_of_hostile_names_holds_no_formula(visit):
    seen = visit(hostile())
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="CSV", exact=True).click()
    cells = [cell for line in csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8"))) for cell in line]

    assert len(cells) > 100
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "@"))]
    assert [cell for cell in cells if cell.startswith("-")] == []


def test_524_rows_are_small_and_drawn_within_a_second(visit):
    """Return 500 made-up records with every field except images, and the published ones."""
    threats = ("linf:1/255", "linf:2/255", "linf:4/255", "linf:8/255")
    html = page(boards([*crowd(125, threats), *records(LEADERBOARD)]), {})
    assert len(html.encode()) < 1_500_000
    few = page(boards([*crowd(2, threats)]), {})
    pairs: list[tuple[float, float]] = []

    # A busy machine draws every page late, now and then: then a page of a few rows is the measure, and the best counts.
    while len(pairs) < 8 and not any(time < max(1000, 6 * other) for time, other in pairs):
        time, other = (visit(each).page.evaluate(PAINTED) for each in (html, few))
        pairs.append((time, other))
    assert any(time < max(1000, 6 * other) for time, other in pairs), pairs


# Milliseconds from the request to the first paint and to the end of the script, whichever was later.
PAINTED = """() => {
  const painted = performance.getEntriesByType("paint").map((entry) => entry.startTime);
  return Math.max(...painted, performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd);
}"""


@pytest.fixture(scope="module")
def large():
    """A board of 250 rows, which is more than a page shows."""
    return page(boards([*crowd(250, THREATS[:1])]), {})


def test_a_large_board_draws_a_hundred_rows_and_more_when_asked(visit, large):
    seen = visit(large)
    more = seen.page.get_by_role("button", name="Show 100 more of 250 rows")

    assert seen.page.locator(".board tbody tr").count() == 100
    more.click()
    assert seen.page.locator(".board tbody tr").count() == 200
    seen.page.get_by_role("button", name="Show 50 more of 250 rows").click()
    assert seen.page.locator(".board tbody tr").count() == 250
    assert seen.page.locator(".further button:visible").count() == 0
    assert seen.page.get_by_role("status").inner_text() == "250 of 250 rows"
    assert seen.wrong == []


def test_rows_that_are_not_drawn_are_found_sorted_and_downloaded(visit, large):
    seen = visit(large)
    last = seen.page.evaluate(
        "document.querySelector('template').content.lastElementChild.querySelector('a').textContent"
    )
    seen.page.get_by_label("search").fill(last)
    found = column(seen.page, "model")
    seen.page.get_by_label("search").fill("")
    click(seen.page, "robust %")
    click(seen.page, "robust %")
    lowest = [float(text) for text in column(seen.page, "robust")]
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="JSON", exact=True).click()
    lines = json.loads(Path(download.value.path()).read_text("utf-8"))

    assert last in found
    assert len(lowest) == 100
    assert lowest == sorted(lowest)
    assert [round(line["robust_percent"], 1) for line in lines[:100]] == lowest
    assert len({line["model"] for line in lines}) == 250


def test_points_of_rows_that_do_not_fit_are_hidden(visit, large):
    seen = visit(large)
    seen.page.get_by_label("search").fill("resnet-24")

    assert seen.page.get_by_role("status").inner_text() == "11 of 250 rows"
    assert seen.page.locator(".points > :not(.gone)").count() == 11


def test_axe_finds_nothing_on_a_large_board(visit, large):
    seen = visit(large)

    assert seen.faults() == []


def write_large(folder):
    """Write a leaderboard of 110 rows, with all its pages."""
    for each in crowd(110, THREATS[:1]):
        path = folder / "results" / f"{each.stem}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(each.to_json())
    write_board(folder)


def test_a_link_to_a_row_leads_on_to_its_page_and_opens_its_section(browser, tmp_path):
    write_large(tmp_path)
    seen = browser.new_page()
    seen.goto((tmp_path / "index.html").as_uri())
    place, _, row = seen.locator(".board tbody a").last.get_attribute("href").partition("#")
    for follow in (False, True):
        seen.goto((tmp_path / "index.html").as_uri() + f"#{row}" * (not follow))
        if follow:
            seen.locator(".board tbody a").last.click()
        seen.wait_for_url(f"**/{place}#{row}")
        assert seen.locator(f"[id={row}]").is_visible()
        assert seen.locator("details.model[open]").count() == 1
    seen.close()


def test_without_javascript_a_large_board_goes_on_in_linked_pages(browser, tmp_path):
    write_large(tmp_path)
    context = browser.new_context(java_script_enabled=False)
    seen = context.new_page()
    seen.goto((tmp_path / "index.html").as_uri())
    first = seen.locator(".board tbody a:visible").all_text_contents()
    seen.get_by_role("link", name="101 to 110").click()
    others = seen.locator(".board tbody a:visible").all_text_contents()

    assert (len(first), len(others), len({*first, *others})) == (100, 10, 110)
    seen.locator(".board tbody a").last.click()
    assert seen.locator("details.model[open]").count() == 1
    assert seen.locator("button:visible").count() == 0
    context.close()

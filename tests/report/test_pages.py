"""A large leaderboard: index.html with the first rows of each board, further pages, and what another row costs."""

import hashlib
import re
import sys
from collections import Counter
from dataclasses import replace

import pytest

from robust.records.files import locked
from robust.records.store import GENERATED, add, check_folder, galleries
from robust.report import folder as report
from robust.report.board import boards
from robust.report.folder import write_board
from robust.report.page import layout, ranking, scatter
from robust.report.page.document import begin
from robust.report.page.layout import Layout
from robust.report.page.page import page
from robust.report.trainings import note_training
from tests.browser.making import crowd
from tests.making import evidence, record
from tests.report.test_board import staged
from tests.report.test_page import Tags

KEY = "5e" * 32
THREATS = ("linf:0.1", "linf:0.2")
ROWS = 14  # of each of two boards
SHOWN = 10  # of them in index.html


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Let ten rows be as many as a hundred, so that large leaderboards are made quickly."""
    for module in (layout, ranking, scatter):
        monkeypatch.setattr(module, "MAX_ROWS", SHOWN)
    monkeypatch.setattr(layout, "MODELS", 4)


@pytest.fixture
def written(tmp_path):
    """The folder of a large leaderboard."""
    put(tmp_path, crowd(ROWS, THREATS))
    write_board(tmp_path)
    return tmp_path


def put(folder, records):
    """Write records and their evidence as files, without the care that a run takes."""
    for each in records:
        content = evidence(each).to_bytes()
        path = folder / "results" / f"{each.stem}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".npz").write_bytes(content)
        path.write_text(replace(each, evidence=hashlib.sha256(content).hexdigest()).to_json())


def fill(folder, count=ROWS):
    made = [record(name=f"net-{k}", weights=f"{k:04x}" * 16) for k in range(count)]
    put(folder, made)
    write_board(folder)
    return made


def attributes(path, name):
    return [found[name] for _, found in Tags(path.read_text()).found if name in found]


def test_as_many_rows_as_one_page_shows_are_one_page_and_one_more_makes_pages():
    made = [record(name=f"net-{k}") for k in range(SHOWN + 1)]

    assert Layout.of(boards(made[:-1])).models == 0
    assert page(boards(made[:-1]), {}).count("<details class=model>") == SHOWN
    assert Layout.of(boards(made)).models > 1
    assert "<details class=model>" not in page(boards(made), {})


def test_every_row_is_there_once_with_scripts_and_once_without(written):
    index = (written / "index.html").read_text()
    without = re.sub("<template>.*?</template>", "", index)
    rows = [path.read_text() for path in sorted(written.glob("pages/rows-*.html"))]

    every = {f"resnet-{k}": len(THREATS) for k in range(ROWS)}
    assert Counter(re.findall(r"<th scope=row.*?>(resnet-\d+)</a>", index)) == every
    assert Counter(re.findall(r"<th scope=row.*?>(resnet-\d+)</a>", without + "".join(rows))) == every
    assert without.count("<th scope=row") == len(THREATS) * SHOWN


def test_every_link_of_a_large_leaderboard_leads_somewhere(written):
    pages = [written / "index.html", *written.glob("pages/*.html")]
    ids = {path: attributes(path, "id") for path in pages}
    links = [(path, link) for path in pages for link in attributes(path, "href") if link not in ("data:,",)]

    assert all(len(found) == len({*found}) for found in ids.values())
    assert len(links) > 4 * ROWS
    for path, link in links:
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        assert target.is_file(), link
        assert not anchor or anchor in ids[target], link


def test_the_lines_of_every_row_are_on_the_page_to_which_it_links(written):
    links = re.findall(r'<th scope=row class=name><a href="(.*?)#(.*?)">(.*?)<', (written / "index.html").read_text())

    assert len(links) == len(THREATS) * ROWS
    for place, anchor, name in links:
        (model,) = (
            part for part in (written / place).read_text().split("<details class=model>") if f"id={anchor}>" in part
        )
        assert f"<h3>{name}<" in model


def test_every_page_lets_nothing_in(written):
    for path in written.glob("pages/*.html"):
        text = path.read_text()
        assert text.startswith(GENERATED["index.html"])
        assert "default-src &#x27;none&#x27;" in text


def test_another_row_draws_the_page_of_its_model_alone(tmp_path, monkeypatch):
    fill(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "pages").glob("models-*.html")}
    drawn = []
    monkeypatch.setattr(report, "galleries", lambda folder, rows: drawn.extend(rows) or galleries(folder, rows))
    with locked(tmp_path):
        another = record(name="another")
        add(tmp_path, another, evidence(another))
        write_board(tmp_path, keep=True)

    after = {path: path.read_bytes() for path in (tmp_path / "pages").glob("models-*.html")}
    assert before.keys() == after.keys()
    assert sum(before[path] != after[path] for path in after) == 1
    assert len(drawn) < ROWS / 2
    write_board(tmp_path)
    assert {path: path.read_bytes() for path in after} == after


def test_a_page_is_drawn_anew_if_its_records_or_their_evidence_changed(tmp_path):
    made = fill(tmp_path)
    changed, bare = tmp_path / "results" / f"{made[3].stem}.json", tmp_path / "results" / f"{made[4].stem}.npz"
    changed.write_text(changed.read_text().replace('"2026-01-02"', '"2026-03-04"'))
    bare.unlink()
    write_board(tmp_path, keep=True)
    kept = {path: path.read_bytes() for path in (tmp_path / "pages").glob("*.html")}
    write_board(tmp_path)

    assert b"2026-03-04" in b"".join(kept.values())
    assert {path: path.read_bytes() for path in (tmp_path / "pages").glob("*.html")} == kept


def test_a_page_is_drawn_anew_if_a_report_on_a_training_came(tmp_path):
    made = fill(tmp_path)
    put(tmp_path, [replace(made[0], provenance={**made[0].provenance, "training": {"key": KEY}})])
    write_board(tmp_path, keep=True)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.html").write_text(begin(note_training(KEY)))
    write_board(tmp_path, keep=True)
    links = [link for path in (tmp_path / "pages").glob("models-*.html") for link in attributes(path, "href")]

    assert links.count("../weights/net.html") == 1


def test_the_command_believes_no_page(tmp_path):
    fill(tmp_path)
    path, *_ = sorted((tmp_path / "pages").glob("models-*.html"))
    whole = path.read_text()
    path.write_text(whole.replace("</main>", "<p>robust 100 %</p></main>"))
    write_board(tmp_path)

    assert path.read_text() == whole


def test_pages_that_are_no_more_go_and_those_of_others_stay(tmp_path):
    made = fill(tmp_path)
    (tmp_path / "pages" / "rows-of-mine.html").write_text("mine")
    for each in made[5:]:
        (tmp_path / "results" / f"{each.stem}.json").unlink()
    write_board(tmp_path)

    assert [path.name for path in (tmp_path / "pages").glob("*")] == ["rows-of-mine.html"]


@pytest.mark.parametrize("name", ["models-1.html", "rows-2.html"])
def test_a_page_of_others_is_not_overwritten(tmp_path, name):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / name).write_text("mine")

    with pytest.raises(ValueError, match=f"{name} is not a leaderboard of ours"):
        check_folder(tmp_path)


def suite_rows(count):
    """Records of a suite on different samples, so that all ways of comparison are used."""
    for k in range(count):
        digest = f"{k % 3:04}" * 16
        yield replace(staged((k % 40, 20 + k % 40), 60, f"net-{k}", weights=f"{k:04x}" * 16, digest=digest), levels=16)


def count_calls(run):
    """Count what Python calls while `run` runs, by function: of files, of numpy and of our own."""
    calls = Counter()

    def note(frame, event, argument):
        if event == "call":
            calls[frame.f_code] += 1
        elif event == "c_call":
            calls[argument.__qualname__] += 1

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


def test_twice_as_many_rows_cost_about_twice_as_much(tmp_path):
    """Calls are counted, since seconds depend on the machine; those of each function, so that none hides."""
    sizes, calls = (24, 48), []
    for size in sizes:
        folder = tmp_path / str(size)
        put(folder, suite_rows(size))
        calls.append(count_calls(lambda folder=folder: write_board(folder)))

    grown = {what: (few, calls[1][what]) for what, few in calls[0].items() if calls[1][what] > 2.5 * few + 300}
    assert grown == {}
    assert calls[1].total() < 2.5 * calls[0].total()

"""Check links and terms, that pages are whole as GitHub shows them, and that the image is current."""

import re

import pytest

from docs.picture import picture
from docs.tables import PLACE
from tests.docs.snippets import PAGES, ROOT

FILES = ("examples/README.md", "benchmarks/README.md", "SECURITY.md", "CHANGELOG.md")  # the site has them, too
LINKED = [*PAGES, *(ROOT / name for name in FILES)]
LINK = re.compile(r"\]\(([^)\s]+)\)")
WORDS = {
    "dataset": "data set",
    "test set": "test split",
    "normaliz": "normalis",
    "color": "colour",
    "optimizer": "optimiser",
    "l_inf": "linf",
    "leader board": "leaderboard",
}
TERMS = {  # private words, and the terms of the field; the parts that are made from the code are left out
    "picture": "image",
    "fallen": "adversarial",
    "still stand": "still robust",
    "remed": "mitigation",
    "tell apart": "find a significant difference",
    "told apart": "differ significantly",
}


def prose(text):
    """Return a page without its code and without the targets of its links."""
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return LINK.sub("]", re.sub(r"`[^`]*`", "", text)).lower()


def anchor(heading):
    """Return the anchor that GitHub and the site give to a heading."""
    return re.sub(r"[^\w -]", "", heading.replace("`", "")).strip().lower().replace(" ", "-")


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_within_the_repository_lead_to_what_is_there(page):
    for target in LINK.findall(page.read_text()):
        name, _, part = target.partition("#")
        if name.startswith(("https:", "mailto:")):
            continue
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if part and path.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert part in map(anchor, headings), target


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_one_idea_has_one_word(page):
    text = page.read_text()
    own = prose(PLACE.sub("", text)).replace("picture-order", "")
    found = {word for word in WORDS if word in prose(text)} | {word for word in TERMS if word in own}

    assert not found, {word: (WORDS | TERMS)[word] for word in found}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_a_page_shows_its_content_without_the_site(page):
    """GitHub does not know MyST: it prints a directive as it is, and shows nothing of what it makes."""
    text = page.read_text()
    body = re.sub(r"^#+ .*$", "", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL), flags=re.MULTILINE)

    assert not re.findall(r"^ *(?:[`:~]{3,}\{.*|:{3,}.*|\{\w+\}`.*)$", text, re.MULTILINE)
    assert len(re.findall(r"\w+", body)) > 30


def test_links_out_of_the_site_are_encrypted():
    for page in PAGES:
        assert not re.findall(r"\]\(http://", page.read_text()), page


@pytest.mark.slow
def test_the_image_shows_what_is_measured():
    """Compare texts only: the curves depend on the last bit of a sum."""
    shown = (ROOT / "docs/_static/idea.svg").read_text()

    assert re.findall(r"<text[^>]*>(.*?)</text>", shown) == re.findall(r"<text[^>]*>(.*?)</text>", picture())


def test_every_page_is_in_the_list_from_which_the_site_makes_its_contents():
    others = [*PAGES, *(ROOT / name for name in (*FILES, "leaderboard/README.md"))]
    for index, pages in (("docs/index.md", others), ("benchmarks/README.md", (ROOT / "benchmarks").glob("*.md"))):
        path = ROOT / index
        listed = re.findall(r"^- \[.*?\]\((.*?\.md)\)", path.read_text(), re.MULTILINE)

        assert {(path.parent / name).resolve() for name in listed} == {*pages} - {path, ROOT / "README.md"}

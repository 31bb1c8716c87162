"""Links lead somewhere, the picture is current, and one idea has one word."""

import re

import pytest

from docs.picture import picture
from tests.docs.snippets import PAGES, ROOT

LINKED = [*PAGES, ROOT / "examples/README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
WORDS = {
    "dataset": "data set",
    "test set": "test split",
    "normaliz": "normalis",
    "color": "colour",
    "optimizer": "optimiser",
    "images": "pictures",
    "l_inf": "linf",
    "leader board": "leaderboard",
}


def prose(text):
    """A page without its code and without what its links lead to."""
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return LINK.sub("]", re.sub(r"`[^`]*`", "", text))


def anchor(heading):
    """As GitHub and the site make it of a heading."""
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
    found = {word for word in WORDS if word in prose(page.read_text()).lower()}

    assert not found, {word: WORDS[word] for word in found}


def test_links_out_of_the_site_are_encrypted():
    for page in PAGES:
        assert not re.findall(r"\]\(http://", page.read_text()), page


def test_the_picture_says_what_is_measured():
    """The texts alone: where the curves run depends on the last bit of a sum."""
    shown = (ROOT / "docs/_static/idea.svg").read_text()

    assert re.findall(r"<text[^>]*>(.*?)</text>", shown) == re.findall(r"<text[^>]*>(.*?)</text>", picture())


def test_every_page_is_in_a_table_of_contents():
    told = set()
    for page in PAGES:
        for listed in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            told |= {line for line in listed.split("\n") if line and not line.startswith(":")}

    assert told | {"index", "README"} == {page.stem for page in PAGES}

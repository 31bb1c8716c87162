"""Run what the pages show, in the order of the page; a block that is not run gives a reason."""

import re

import pytest

from tests.attacks.models import inputs, network
from tests.docs.snippets import PAGES, ROOT, Block, agrees, blocks, commands, linked, run

# How many blocks of a page are not run. More of them are a decision.
NOT_RUN = {
    "README.md": 6,
    "action.md": 3,
    "baselines.md": 1,
    "ci.md": 1,
    "compress.md": 5,
    "corruptions.md": 2,
    "curve.md": 1,
    "fixtures.md": 6,
    "index.md": 1,
    "other-tasks.md": 1,
    "pixels.md": 1,
    "random-models.md": 1,
    "records.md": 1,
    "scale.md": 3,
    "several-inputs.md": 1,
    "spatial.md": 1,
    "tables.md": 3,
    "tutorial.md": 1,
    "train.md": 1,
    "tune.md": 1,
}


# Their commands train, or attack all samples.
SLOW = ("README", "baselines", "ci", "models", "publish", "python", "train", "tune", "tutorial")


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] * (page.stem in SLOW), id=page.name) for page in PAGES]
)
def test_what_a_page_shows_is_what_happens(page, tmp_path):
    text = page.read_text()
    model, x = network(), inputs()
    names = {"model": model, "x": x, "y": model(x).argmax(1)}
    linked(text, tmp_path)

    for block in blocks(text):
        if not block.reason:
            run(block, tmp_path, names)


def test_what_is_not_run_says_why_and_is_counted():
    found = {page.name: [b.reason for b in blocks(page.read_text()) if b.reason] for page in PAGES}

    assert {name: len(reasons) for name, reasons in found.items() if reasons} == NOT_RUN


def test_every_fence_is_of_a_language_that_the_pages_use():
    for page in PAGES:
        opening = re.findall(r"^ *```(\S*)", page.read_text(), re.MULTILINE)[::2]
        assert {*opening} <= {
            "console",
            "sh",
            "python",
            "toml",
            "ini",
            "yaml",
            "json",
            "text",
        }, page


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a  b", "a b\n", True),
        ("a b", "a c\n", False),
        ("", "", True),
        ("", "a\n", False),
        ("...\nlast", "first\nsecond\nlast\n", True),
        ("first", "first\nsecond\n", False),
        ("in ... s", "in 5.21 s\n", True),
        ("=== 1 passed in ...s ===", "=== 1 passed in 64.21s (0:01:04) ===\n", True),
        ("==== 5 s ====", "=== 5 s ===\n", True),
        ("a == b", "a = b\n", False),
        ("clean 96.5 %", "clean 93.1 % \n", True),
        ("clean 96.5 %", "clean 80.1 %\n", False),
        ("net-1 x2", "net-2 x2\n", False),
        ("n = 1,000", "n = 1,040\n", True),
    ],
)
def test_what_is_printed_is_compared_loosely(expected, printed, same):
    assert agrees(expected, printed) is same


def test_a_block_is_read_with_its_comments_and_its_commands():
    page = "1.\n   <!-- exit: 1 -->\n   ```console\n   $ a \\\n   > --b\n   c\n   $ d\n   ```\n\n"
    page += "<!-- not run: no GPU -->\n```sh\ne\n```\n"

    assert blocks(page) == [
        Block(3, "console", "$ a \\\n> --b\nc\n$ d\n", "", 1),
        Block(11, "sh", "e\n", "no GPU", 0),
    ]
    assert [*commands(blocks(page)[0])] == [("a --b", "c\n"), ("d", "")]
    assert [*commands(blocks(page)[1])] == [("e", "...\n")]


def test_what_does_not_happen_is_told(tmp_path):
    with pytest.raises(AssertionError, match="exit status 1, expected 0"):
        run(Block(1, "sh", "false\n", "", 0), tmp_path, {})
    with pytest.raises(AssertionError, match=r"(?s)line 7: echo a.*expected:.*b.*got:.*a"):
        run(Block(7, "console", "$ echo a\nb\n", "", 0), tmp_path, {})


def test_the_folder_of_the_repository_that_a_page_names_is_there(tmp_path):
    linked("<!-- here: examples, LICENSE as licence.txt -->", tmp_path)

    assert (tmp_path / "examples").resolve() == ROOT / "examples"
    assert (tmp_path / "licence.txt").read_text() == (ROOT / "LICENSE").read_text()
